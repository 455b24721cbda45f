"""What the next 24 hours will probably bring, from what the last two weeks brought. Persistence, no weather service.

Load follows the kind of day (working day, Saturday, Sunday), the sun follows the last days. Only what was measured is
used; a quarter of which nothing is known stays unknown. A forecast never decides: it only places batteries beforehand.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

QUARTERS_PER_DAY: Final = 96
DAYS: Final = 14
"""How long is remembered: two of each weekday."""

LOAD_DECAY_RATIO: Final = 0.8
"""Weight of a day against the day after it, for load: habits change slowly."""

SUN_DECAY_RATIO: Final = 0.5
"""Likewise for the sun: the weather of three days ago says little."""

OTHER_KIND_RATIO: Final = 1e-6
"""Weight of a day of another kind: it only counts where no day of the same kind is known."""

_RING: Final = DAYS * QUARTERS_PER_DAY
_BACK: Final = np.arange(1, DAYS + 1)
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday (Monday is 0)."""


@dataclass(slots=True)
class QuarterHistory:
    """Means of the last two weeks' quarters at n nodes. A quarter is its number since 1970, UTC.

    | array | shape | meaning |
    |---|---|---|
    | load_kw | [quarters, n_nodes] | net load without batteries and without PV |
    | sun_kw | [quarters, n_nodes] | what PV could have produced, a magnitude |
    | known | [quarters] | the quarter a row tells of, -1 for none |
    """

    n_nodes: int
    load_kw: Floats = field(init=False)
    sun_kw: Floats = field(init=False)
    known: Indices = field(init=False)
    _quarter: int = -1
    _seen: int = 0

    def __post_init__(self) -> None:
        self.load_kw, self.sun_kw = np.zeros((2, _RING, self.n_nodes))
        self.known = np.full(_RING, -1, np.int64)

    def observe(self, quarter: int, *, load_kw: Floats, sun_kw: Floats) -> None:
        """Take what was measured at one instant, [n_nodes] each; unknown where it is not a number.

        A quarter is known once one of the next is seen: what it holds until then is a part of it. What is older than what
        was seen changes nothing, unless it is older by more than a day: then a clock had leapt, and is right again.
        """
        if 0 < self._quarter - quarter <= QUARTERS_PER_DAY:
            return
        if not (np.isfinite(load_kw).all() and np.isfinite(sun_kw).all()):
            return
        row = quarter % _RING
        if quarter != self._quarter:
            if self._seen:
                self.known[self._quarter % _RING] = self._quarter
            self._quarter, self._seen, self.known[row] = quarter, 0, -1
            self.load_kw[row] = self.sun_kw[row] = 0.0
        self._seen += 1
        self.load_kw[row] += (load_kw - self.load_kw[row]) / self._seen
        self.sun_kw[row] += (sun_kw - self.sun_kw[row]) / self._seen

    def of_nodes(self, columns: Indices) -> "QuarterHistory":
        """The same history of other nodes: of which column each is, or -1 for one that nothing is known of, which is 0."""
        other = replace(self, n_nodes=len(columns))
        other.load_kw, other.sun_kw = (
            np.where(columns >= 0, kw[:, columns], 0.0) for kw in (self.load_kw, self.sun_kw)
        )
        other.known = self.known.copy()
        return other

    def net_kw(self, quarter: int) -> Floats:
        """[96, n_nodes] Expected net load, without batteries, of the 24 hours from a quarter on; NaN where unknown.

        `net = sum(w_load load) / sum(w_load) - sum(w_sun sun) / sum(w_sun)` over the same quarter of the days before.
        """
        ahead = quarter + (np.arange(QUARTERS_PER_DAY) - quarter) % QUARTERS_PER_DAY  # by the quarter of the day
        before = ahead - QUARTERS_PER_DAY * _BACK[:, None]  # [days, 96]
        known = (self.known[before % _RING] == before) & (before >= 0)
        alike = np.where(_kind_of_day(before) == _kind_of_day(ahead), 1.0, OTHER_KIND_RATIO)
        day = before // QUARTERS_PER_DAY % DAYS  # of the ring
        load_kw = _mean(self.load_kw, day, known * alike * LOAD_DECAY_RATIO ** _BACK[:, None])
        net_kw = load_kw - _mean(self.sun_kw, day, known * SUN_DECAY_RATIO ** _BACK[:, None])
        return np.roll(net_kw, -(quarter % QUARTERS_PER_DAY), axis=0)


def _mean(ring_kw: Floats, day: Indices, weight: Floats) -> Floats:
    """[96, n_nodes] Mean over the days of a ring, by the quarter of the day; NaN where nothing weighs.

    Args:
        ring_kw: [quarters, n_nodes].
        day: [days, 96] where in the ring each day is.
        weight: [days, 96] of it.
    """
    total = weight.sum(axis=0)
    share = np.empty_like(weight)
    np.put_along_axis(share, day, weight / np.where(total > 0, total, np.nan), axis=0)
    mean: Floats = np.einsum("dq,dqn->qn", share, ring_kw.reshape(DAYS, QUARTERS_PER_DAY, -1))
    return mean


def _kind_of_day(quarter: Indices) -> Indices:
    """0 on working days, 1 on Saturdays, 2 on Sundays."""
    weekday = (quarter // QUARTERS_PER_DAY + _EPOCH_WEEKDAY) % 7
    return np.maximum(weekday - 4, 0)
