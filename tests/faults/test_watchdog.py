"""Workers that fall silent for good, for half a minute, or are one too many: what the watchdog and dispatch make of it."""

import os
import signal
import time
from collections import Counter

import numpy as np
import pytest

from connectors.simulator.device_server import DevicePanel, DeviceServer
from hub.model import AssetKind
from streams.codec import decode_condition, decode_result, decode_revert, decode_setpoint
from streams.guard_messages import ConditionKind, ConditionPhase
from streams.messages import Outcome, Refusal
from streams.topics import CONDITION, REVERT, SETPOINT, SETPOINT_RESULT
from tests.connectors.dispatch.worker_double import eventually
from tests.faults.judging import assert_dispatch_took_no_older, everybody_since, late_frames, marked

pytestmark = pytest.mark.services

REVERT_S = 8.0
BOUND_S = 4.0
"""What a busy machine may add to it; what was measured is printed."""


class Park:
    """What is said and done in the park of one test, with devices that the test can look at."""

    def __init__(self, gateway, roles, listener):
        self.hub, self.roles, self.listener = gateway.hub, roles, listener
        self.loops = {loop.id for loop in self.hub.grid_loops}
        assets = [asset for asset in self.hub.assets if asset.kind.controllable]
        self.reversion_kw = np.array([asset.reversion_kw for asset in assets])
        self.roofs = np.array([asset.kind is AssetKind.PV for asset in assets])
        self.panel = DevicePanel({asset.id: at for at, asset in enumerate(assets)}, self.reversion_kw)
        self.server = DeviceServer("127.0.0.1", roles.simulator_port, self.panel)

    def until_all_are_balanced(self):
        return self.listener.wait(SETPOINT, everybody_since(time.time(), self.loops), within_s=90)

    def at_reversion(self):
        """How many devices obey their reversion value."""
        return int((self.panel.obeyed_kw()[0] == self.reversion_kw).sum())

    def has_free_roofs(self):
        """Whether every roof may make more than its reversion value: devices without power are told that value too."""
        return bool((self.panel.obeyed_kw()[0] < self.reversion_kw)[self.roofs].all())

    def results(self, outcome):
        said = [decode_result(heard.value) for heard in self.listener.so_far(SETPOINT_RESULT)]
        return [result for result in said if result.outcome == outcome]

    def said(self, kind, phase=ConditionPhase.SEEN):
        """Grid loops of which a condition was said."""
        said = [decode_condition(heard.value) for heard in self.listener.so_far(CONDITION)]
        return Counter(each.subject for each in said if (each.kind, each.phase) == (kind, phase))

    def until_reverted(self, *, within_s):
        """The revert of every loop, with the time the broker took it."""
        heard = self.listener.wait(REVERT, lambda messages: len(messages) >= len(self.loops), within_s=within_s)
        return {decode_revert(each.value).grid_loop: each.at_s for each in heard}

    def accepted(self):
        """Full frames that dispatch took."""
        taken = {marked(result) for result in self.results(Outcome.ACCEPTED)}
        frames = [decode_setpoint(heard.value) for heard in self.listener.so_far(SETPOINT)]
        return [frame for frame in frames if marked(frame) in taken]


@pytest.fixture
def park(gateway, roles, listen):
    made = Park(gateway, roles, listen(SETPOINT, SETPOINT_RESULT, REVERT, CONDITION))
    roles.start("dispatch")
    roles.start("watchdog")
    yield made
    made.server.close()


def lengthen_the_lease(hub_dir):
    """To a minute: what happens sooner was the watchdog."""
    file = hub_dir / "hub.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("setpoint_valid_s = 10", "setpoint_valid_s = 60", 1))


def test_R17_R12_a_worker_killed_for_good_is_reverted_long_before_its_lease_and_a_new_one_leads_out(  # noqa: N802
    hub_dir, request
):
    lengthen_the_lease(hub_dir)
    park = request.getfixturevalue("park")
    worker = park.roles.start("worker")
    park.until_all_are_balanced()
    assert eventually(park.has_free_roofs, 90)
    worker.kill()
    last_s = max(heard.at_s for heard in park.listener.so_far(SETPOINT))
    reverted_s = park.until_reverted(within_s=REVERT_S + 2 * BOUND_S)
    waits_s = sorted(round(at_s - last_s, 1) for at_s in reverted_s.values())
    assert eventually(lambda: park.at_reversion() == len(park.reversion_kw), 45)
    print(f"reverts {waits_s[0]} to {waits_s[-1]} s after the last setpoint, lease 60 s")
    print(f"all {len(park.reversion_kw)} devices at their reversion values {time.time() - last_s:.1f} s after it")
    assert set(reverted_s) == park.loops
    assert waits_s[-1] < REVERT_S + BOUND_S
    assert time.time() - last_s < 55
    assert {result.detail.split()[0] for result in park.results(Outcome.REVERTED)} == {"watchdog"}
    assert set(park.said(ConditionKind.REVERTED)) == park.loops
    park.roles.start("worker", "another")
    park.until_all_are_balanced()
    assert eventually(park.has_free_roofs, 90)
    assert len(park.listener.so_far(REVERT)) == len(park.loops)
    gone = park.said(ConditionKind.REVERTED, ConditionPhase.GONE)
    assert gone == dict.fromkeys(park.loops, 2)  # at the start, for all was well, and now


def test_R2_R9_R17_nothing_old_of_a_worker_that_was_frozen_for_half_a_minute_is_applied(park):  # noqa: N802
    frozen = park.roles.start("worker")
    park.until_all_are_balanced()
    assert eventually(park.has_free_roofs, 90)
    os.kill(frozen.pid, signal.SIGSTOP)
    reverted_s = park.until_reverted(within_s=REVERT_S + 3 * BOUND_S)
    time.sleep(30 - REVERT_S)
    assert park.at_reversion() == len(park.reversion_kw)
    woken_us = time.time_ns() // 1000
    os.kill(frozen.pid, signal.SIGCONT)
    park.until_all_are_balanced()
    time.sleep(3)
    refused = Counter(result.refusal for result in park.results(Outcome.REFUSED))
    print(f"of what the woken worker wrote {dict(refused)} was refused")
    after = [frame for frame in park.accepted() if frame.issued_at_us > min(reverted_s.values()) * 1e6]
    assert after
    assert all(frame.issued_at_us >= woken_us for frame in after)
    assert_dispatch_took_no_older(park.results(Outcome.ACCEPTED), park.listener.so_far(SETPOINT))


def test_R8_of_two_workers_in_two_groups_dispatch_obeys_one_and_the_other_is_said_to_be_there(park):  # noqa: N802
    """One was started on the hub folder, one on the folder above, as a folder of parks: two consumer groups."""
    park.roles.start("worker", "one")
    park.until_all_are_balanced()
    park.roles.settings = {"LUSBALANS_HUB_DIR": str(park.roles.hub_dir.parent)}
    park.roles.start("worker", "two")
    assert eventually(lambda: park.said(ConditionKind.SECOND_CONTROLLER).keys() == park.loops, 90)
    began_s = time.time()
    messages = park.until_all_are_balanced()
    late = late_frames(messages)
    assert {frame.grid_loop for frame in late} == park.loops
    taken = {marked(frame) for frame in park.accepted()}
    assert taken.isdisjoint(map(marked, late))
    assert eventually(lambda: max(frame.issued_at_us for frame in park.accepted()) > began_s * 1e6)
    lower = [each for each in park.results(Outcome.REFUSED) if each.refusal == Refusal.LOWER_EPOCH]
    print(f"{len(late)} frames of the second controller in the log, {len(lower)} refused so far, none applied")
    assert lower
    assert park.listener.so_far(REVERT) == []
