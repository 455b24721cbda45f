"""Which part of a quarter's log a rebuild needs: its head and its tail.

What is decided hangs on each meter's registers on both sides of the quarter's start and on its newest readings. Of a
point that was heard in both, and whose register did not break, nothing in between changes the state; where one was not,
the gap is folded too, after the loops are decided again. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.meters import longest_patience_s
from hub.model import Hub
from hub.quarters import quarter_start_us

LATE_FRAMES_S: Final = 5.0
"""Frames may come this late: so much more is read on each side of an instant that matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Instants that rise: the head from `since_us` to `head_us`, the gap, the tail from `tail_us` on."""

    quarter_us: int
    since_us: int
    head_us: int
    tail_us: int


def rebuild_cuts(hubs: Sequence[Hub], at_us: int) -> Cuts:
    """Where to cut the log at an instant, for the slowest meters of all hubs."""
    late_s = max(2 * hub.timing.meter_cadence_s + max(hub.timing.lateness_s, LATE_FRAMES_S) for hub in hubs)
    patience_s = max(longest_patience_s(hub) for hub in hubs)
    late_us = round((late_s + 2 * patience_s) * 1e6)
    fresh_us = round((max(hub.timing.stale_after_s for hub in hubs) + patience_s) * 1e6)
    quarter_us = quarter_start_us(at_us)
    tail_us = max(at_us - fresh_us - late_us, quarter_us - late_us)
    return Cuts(
        quarter_us=quarter_us,
        since_us=quarter_us - late_us,
        head_us=min(quarter_us + late_us, tail_us),
        tail_us=tail_us,
    )
