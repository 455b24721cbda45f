"""What the soak measures and holds: gaps after deaths, and that nothing old ever reached a device."""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.dispatch.rules import MAX_AGE_US
from tests.soak.devices import Told
from tests.soak.setpoint_log import Written

LATE_S = MAX_AGE_US / 1e6
"""R2: a frame may be so old when dispatch takes it, and its lease runs from then."""

CLOCKS_APART_S = 0.01
"""All of one machine; the stamps are taken a moment before and after."""


def percentile(values: Iterable[float], ratio: float) -> float:
    """The least value that is not below this share of them.

    >>> percentile([3.0, 1.0, 2.0], 0.5), percentile([3.0, 1.0, 2.0], 0.99)
    (2.0, 3.0)
    """
    ordered = sorted(values)
    return ordered[max(math.ceil(ratio * len(ordered)) - 1, 0)]


def gap_s(frames: Mapping[str, Sequence[Written]], *, generation: int) -> float:
    """Longest time some loop had no frame between its last of this generation, or an older, and its first of a newer."""
    gaps = []
    for written in frames.values():
        last = max(at for at, each in enumerate(written) if each.epoch.generation <= generation)
        gaps.append(written[last + 1].at_s - written[last].at_s)
    return max(gaps)


def in_order(written: Sequence[Written]) -> tuple[list[Written], list[Written]]:
    """A loop's frames of which none is of an older epoch than one before it, and the others."""
    kept, late = [], []
    for each in written:
        (late if kept and each.epoch < kept[-1].epoch else kept).append(each)
    return kept, late


@dataclass(frozen=True, slots=True)
class Applied:
    """A setpoint that reached a device, with the frame that asked for it."""

    told: Told
    position: int
    """Of the full frame among its loop's."""
    age_s: float
    """Since the frame, or its newest renewal until then, was issued."""
    valid_s: float


def applied(told: Iterable[Told], written: Sequence[Written]) -> list[Applied]:
    """The frame behind each setpoint of one loop's clocks: the newest full one in good order that says so.

    What a device falls back to, 0, needs no frame.

    Raises:
        AssertionError: a device was told what no frame said.
    """
    kept, _ = in_order(written)
    full = [each for each in kept if each.renews is None]
    issued_s = [each.issued_s for each in full]
    renewed_s = renewals_s(kept)
    found = []
    for each in told:
        if each.power_kw == 0:
            continue
        at = bisect.bisect_right(issued_s, each.at_s + CLOCKS_APART_S) - 1
        while at >= 0 and full[at].power_kw.get(each.asset) != each.power_kw:
            at -= 1
        assert at >= 0, f"nobody said {each}"
        stamps_s = renewed_s[full[at].epoch, full[at].sequence]
        newest_s = stamps_s[bisect.bisect_right(stamps_s, each.at_s + CLOCKS_APART_S) - 1]
        found.append(Applied(each, at, each.at_s - newest_s, full[at].valid_s))
    return found


def renewals_s(kept: Sequence[Written]) -> dict[tuple, list[float]]:
    """Of each full frame when it and its renewals were issued."""
    stamps_s: dict[tuple, list[float]] = {}
    for each in kept:
        stamps_s.setdefault((each.epoch, each.sequence if each.renews is None else each.renews), []).append(
            each.issued_s
        )
    return stamps_s


def assert_nothing_old_was_applied(told: Sequence[Told], frames: Mapping[str, Sequence[Written]]) -> list[Applied]:
    """Each setpoint was within its lease, and none was older than one before it on the same device.

    Of whole frames: what a device is told again, to renew its own lease, is no older than what it was told last.
    """
    found = []
    for written in frames.values():
        watched = set().union(*(each.power_kw for each in written))
        mine = applied([each for each in told if each.asset in watched], written)
        newest: dict[str, int] = {}
        for each in mine:
            assert each.age_s <= each.valid_s + LATE_S, f"older than its lease: {each}"
            assert each.position >= newest.get(each.told.asset, 0), f"older than the one before it: {each}"
            newest[each.told.asset] = each.position
        found += mine
    return found
