"""Faults that pass: what is done to a stand, and what must hold when it is over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from connectors.dispatch.reversion import asset_rules
from tests.faults.judging import GAP_S
from tests.faults.measured import row, spread
from tests.faults.stand import BACK_S, Stand, frozen
from tests.faults.tcp_proxy import Way

LINK_AWAY_S = 10.0
"""As long as a lease: what was issued before is over when the link is back."""

FROZEN_S = 30.0
"""Longer than the lease of any device but the batteries, which fall back last (37 s)."""

STAYS_S = 5.0
"""A second worker stays so long in a storm; to start it takes about as long again."""

CUT, HELD = "cut", "held"
LINK_FAULTS = {CUT: (), HELD: tuple(Way), "deaf": (Way.BACK,), "mute": (Way.THERE,)}
"""What of a link is held, by name; cut is cut."""


@contextmanager
def passing(stand: Stand, fault: str, defence: str) -> Iterator[None]:
    """The fault is the body: nothing old is applied, nothing lost or doubled, and the park is as it was."""
    stand.until_balanced()
    began_s = time.time()
    yield
    over_s = time.time()
    stand.until_balanced(within_s=BACK_S)
    balanced_s = time.time() - over_s
    applied = stand.applied_since(over_s)
    stand.assert_stored()
    gaps_s = stand.gaps_s(since_s=began_s)
    row(
        fault,
        defence,
        longest_without_setpoints_by_loop=spread(gaps_s),
        balanced_and_dispatched=f"{balanced_s:.1f} s after it was over",
        first_setpoint_at_a_device=f"{applied[0].told.at_s - over_s:.1f} s after it, then {applied[0].age_s:.1f} s old",
    )
    assert max(gaps_s) < over_s - began_s + GAP_S


@contextmanager
def full_disk(*pids: int) -> Iterator[None]:
    """Processes can write no more to any file, as on a full disk: not even to their logs."""
    processes = [psutil.Process(pid) for pid in pids]
    limits = [process.rlimit(psutil.RLIMIT_FSIZE) for process in processes]
    for process, (_, hard) in zip(processes, limits, strict=True):
        process.rlimit(psutil.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for process, limit in zip(processes, limits, strict=True):
            if process.is_running():
                process.rlimit(psutil.RLIMIT_FSIZE, limit)


def lose_link(stand: Stand, end: str, fault: str) -> None:
    with passing(
        stand,
        f"link of {end} {fault} for {LINK_AWAY_S:.0f} s",
        "every client tries again within half a second; what is older than R2 allows is refused",
    ):
        link = stand.link(end)
        link.cut() if fault == CUT else link.hold(*LINK_FAULTS[fault])
        time.sleep(LINK_AWAY_S)
        link.join()


def freeze(stand: Stand, *roles: str, seconds: float = FROZEN_S) -> None:
    """While dispatch stands still each device goes home when its own lease ends."""
    with passing(
        stand,
        f"{', '.join(roles)} frozen (SIGSTOP) for {seconds:g} s",
        "leases end at the devices themselves (R1, R3)",
    ):
        began_s = time.time()
        with frozen(*(stand.processes[role].pid for role in roles)):
            time.sleep(seconds)
            if "dispatch" in roles:
                leases_s = [
                    rule.lease_s for rules in asset_rules(stand.gateway.hub).values() for rule in rules.values()
                ]
                assert stand.at_reversion() >= sum(lease_s < seconds for lease_s in leases_s) > 0
    if "worker" not in roles:
        assert stand.reverts(since_s=began_s) == 0


def storm(stand: Stand, seconds: float) -> None:
    """A second worker comes, stays some seconds and goes in order, over and over."""
    began_s = time.time()
    joined = 0
    with passing(
        stand,
        f"a second worker comes, stays {STAYS_S:.0f} s and goes, over and over for {seconds:.0f} s",
        "partitions move, state of kept ones stays; nobody writes over a successor (R8)",
    ):
        while time.time() - began_s < seconds:
            before = stand.setpoints.generation()
            second = stand.start("worker", "second worker")
            stand.setpoints.wait(lambda frame, at=before: frame.epoch.generation > at, stand.loops, within_s=60)
            joined += 1
            time.sleep(STAYS_S)
            second.terminate()
            assert second.wait(20) == 0
            del stand.processes["second worker"]
    print(f"it came and went {joined} times")
    assert stand.reverts(since_s=began_s) == 0
