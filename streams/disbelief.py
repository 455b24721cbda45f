"""Which readings are not believed although they look fresh: those that their own register contradicts (R5).

A driver that stamps old values with the present time defeats every check of age. But energy is power over time: where
a register tells another mean power than the readings do, for a minute on end, one of them is frozen. A constant power
alone is fine: a roof at night, a full battery.

Between two readings power may have been anything both of them span, so a load that jumps about is judged mildly and
one that stands still strictly. Readings too far apart for that are not judged. Pure: looks at each tick, and knows
nothing from before its first.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.bounds import Floats
from streams.disbelief_rows import TOLERANCE_RATIO, compare_readings
from streams.fold import NEVER, PointState
from streams.plant import ABSURD_FACTOR

FOREVER_US: Final = 2**62
"""Since then a point is not believed that nothing contradicts: after the end of all time."""

MOST_GAP_S: Final = 15.0
"""Readings further apart than this are not compared, however slow a meter is: all devices of a park go up and down again
within a minute, and a single gap of a minute would be a contradiction on its own."""


@dataclass(slots=True)
class Disbelief:
    """Memory of all points under one key."""

    rated_kw: Floats
    """[n_points] What each can carry."""
    gap_s: float
    """Readings further apart are not compared."""
    doubted_us: NDArray[np.int64] = field(init=False)
    """[n_points] Since when each is not believed, which is when the contradiction began; `FOREVER_US` where it is."""
    _missing_wh: Floats = field(init=False)
    """[2, n_points] By how much registers told less, and more, than the power, beyond the tolerance."""
    _since_us: NDArray[np.int64] = field(init=False)
    """[2, n_points] Since when they do."""
    _seen_us: NDArray[np.int64] = field(init=False)
    _seen_kw: Floats = field(init=False)
    _seen_wh: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        n_points = len(self.rated_kw)
        self.doubted_us = np.full(n_points, FOREVER_US, np.int64)
        self._missing_wh = np.zeros((2, n_points))
        self._since_us = np.full((2, n_points), NEVER, np.int64)
        self._seen_us = np.full(n_points, NEVER, np.int64)
        self._seen_kw = np.full(n_points, np.nan)
        self._seen_wh = np.zeros((n_points, 2), np.int64)

    @classmethod
    def of(cls, state: PointState, *, gap_s: float) -> "Disbelief":
        """Nothing seen yet."""
        return cls(state.points.max_abs_kw / ABSURD_FACTOR, min(gap_s, MOST_GAP_S))

    @property
    def confirmed(self) -> NDArray[np.bool_]:
        """[n_points] Whose registers move as their powers say, powers large enough that a frozen one could not."""
        large = np.abs(np.nan_to_num(self._seen_kw)) > TOLERANCE_RATIO * self.rated_kw
        confirmed: NDArray[np.bool_] = large & (self.doubted_us == FOREVER_US) & (self._missing_wh == 0.0).all(axis=0)
        return confirmed

    def observe(self, state: PointState) -> None:
        """Compare each new reading with the one before; looking again at the same changes nothing."""
        compare_readings(
            state.at_us, state.power_kw, state.register_us, state.register_wh, self.rated_kw, self.gap_s * 1e6,
            self._seen_us, self._seen_kw, self._seen_wh, self._missing_wh, self._since_us, self.doubted_us, FOREVER_US,
        )  # fmt: skip
