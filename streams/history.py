"""What meters and devices measured a while ago: a slow or late meter tells of an instant that has passed.

What no setpoint moves is a meter minus the devices below it, both at the meter's instant. With the devices' newest
readings in its place, each kilowatt that they gave since would look like a load that grew, and be asked of them again.
Like the fold it is a function of the set of readings, whatever their order, as far back as it reaches.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from balancer.compiled import compiled
from streams.bounds import Floats, Indices
from streams.fold_rows import NEVER, Instants

SLOT_US: Final = 1_000_000
"""One reading of each point is kept per second, the newest."""

_MORE_SLOTS: Final = 4
"""A clock that runs ahead may not push out what is still asked for."""


@dataclass(slots=True)
class History:
    """Readings of all points under one key over a while."""

    n_points: int
    reach_s: float
    """How long ago the oldest instant lies that is asked for."""
    _at_us: Instants = field(init=False)
    """[n_points, n_slots]"""
    _kw: Floats = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.n_points, int(self.reach_s * 1e6 // SLOT_US) + _MORE_SLOTS)
        self._at_us, self._kw = np.full(shape, NEVER, np.int64), np.zeros(shape)

    def take(self, point: Indices, at_us: Instants, power_kw: Floats) -> None:
        """Remember the powers of a frame's rows, NaN where missing; what is older than what is kept is passed over."""
        _take(self._at_us, self._kw, point, at_us, power_kw)

    def power_kw(self, point: Indices, at_us: Instants, *, within_us: float) -> Floats:
        """[n] What each of these points measured at its instant, between the readings around it in proportion.

        NaN where neither of the two lies within `within_us` of the instant.
        """
        power_kw = np.full(len(point), np.nan)
        _look_up(self._at_us, self._kw, point, at_us, within_us, power_kw)
        return power_kw


# numba knows no keyword-only arguments
# ruff: noqa: PLR0917


@compiled
def _take(at_us: Instants, kw: Floats, point: Indices, row_at_us: Instants, power_kw: Floats) -> None:
    for row in range(point.size):
        slot = (row_at_us[row] // SLOT_US) % at_us.shape[1]
        if row_at_us[row] > at_us[point[row], slot] and not np.isnan(power_kw[row]):
            at_us[point[row], slot], kw[point[row], slot] = row_at_us[row], power_kw[row]


@compiled
def _look_up(
    at_us: Instants, kw: Floats, point: Indices, asked_us: Instants, within_us: float, power_kw: Floats
) -> None:
    for row in range(point.size):
        p, asked = point[row], asked_us[row]
        before, after = -1, -1
        for slot in range(at_us.shape[1]):
            at = at_us[p, slot]
            if at != NEVER and at <= asked and (before < 0 or at > at_us[p, before]):
                before = slot
            if at != NEVER and at >= asked and (after < 0 or at < at_us[p, after]):
                after = slot
        since_us = asked - at_us[p, before] if before >= 0 else -1
        until_us = at_us[p, after] - asked if after >= 0 else -1
        if (before < 0 or since_us > within_us) and (after < 0 or until_us > within_us):
            continue
        if before < 0 or after < 0 or before == after:
            power_kw[row] = kw[p, max(before, after)]
        else:
            share = since_us / (since_us + until_us)
            power_kw[row] = kw[p, before] + share * (kw[p, after] - kw[p, before])
