"""Whether assets do what they are told: a guard counts what is measured, not what was asked for (R16).

An asset that does not move toward its setpoint for some readings is counted at what it measures and asked on; it counts
again as soon as it is seen to move. Judged one-sidedly: a charger that takes less than it may, and PV that makes less
than it may, follow.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.bounds import Floats
from streams.fold import NEVER
from streams.messages import Bound
from streams.plant import Plant

PATIENCE_READINGS: Final = 4
"""A setpoint reaches a device within a tick, its first movement shows in the next reading; two more for lateness."""

TOLERANCE_RATIO: Final = 0.02
TOLERANCE_KW: Final = 0.5
"""An asset is where it should be within this share of its rating, or this much."""

PROGRESS_RATIO: Final = 0.1
"""Share of the way it could have gone since the last tick that counts as moving."""


@dataclass(slots=True)
class Following:
    """Memory of one loop's assets; arrays are [n_assets]."""

    plant: Plant
    told_kw: Floats = field(init=False)
    """NaN before the first setpoint."""
    seen_kw: Floats = field(init=False)
    seen_us: NDArray[np.int64] = field(init=False)
    idle_readings: NDArray[np.int64] = field(init=False)
    _ceiling: NDArray[np.bool_] = field(init=False)
    """Assets that may stay below what they are told; `_floor`: above."""
    _floor: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        n_assets = len(self.plant.assets)
        self.told_kw = np.full(n_assets, np.nan)
        self.seen_kw = np.full(n_assets, np.nan)
        self.seen_us = np.full(n_assets, NEVER, np.int64)
        self.idle_readings = np.zeros(n_assets, np.int64)
        self._ceiling = np.array([bound is Bound.AT_MOST for bound in self.plant.asset_bound], np.bool_)
        self._floor = np.array([bound is Bound.AT_LEAST for bound in self.plant.asset_bound], np.bool_)

    @property
    def idle(self) -> NDArray[np.bool_]:
        """Assets that are counted as measured."""
        return self.idle_readings >= PATIENCE_READINGS

    def observe(self, measured_kw: Floats, *, measured_us: NDArray[np.int64]) -> None:
        """Compare each new reading with the one before and with what was told; an old reading says nothing."""
        new = measured_us > self.seen_us
        passed_s = (measured_us - self.seen_us) / 1e6
        gap_kw = self._gap_kw(measured_kw)
        could_kw = np.minimum(np.abs(self._gap_kw(self.seen_kw)), self.plant.devices.ramp_kw_per_s * passed_s)
        moved_kw = (measured_kw - self.seen_kw) * np.sign(gap_kw)
        there = ~(np.abs(gap_kw) > np.maximum(TOLERANCE_RATIO * self.plant.devices.rated_kw, TOLERANCE_KW))
        stuck = ~there & (moved_kw < PROGRESS_RATIO * could_kw)
        self.idle_readings = np.where(new, np.where(stuck, self.idle_readings + 1, 0), self.idle_readings)
        self.seen_kw = np.where(new, measured_kw, self.seen_kw)
        self.seen_us = np.where(new, measured_us, self.seen_us)

    def _gap_kw(self, power_kw: Floats) -> Floats:
        """How far the power is from what the setpoint asks, signed towards it; 0 on the side that is allowed."""
        gap_kw = self.told_kw - power_kw
        return np.where(self._ceiling, np.minimum(gap_kw, 0.0), np.where(self._floor, np.maximum(gap_kw, 0.0), gap_kw))
