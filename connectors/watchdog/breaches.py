"""When a limit is breached, or about to be: the rules of R19, apart from everything that balances. Pure, no clock.

- At an instant: above the limit for longer than the tolerance curve allows.
- Of a quarter: the energy that its mean allows is used up; nothing can mend that.
- About to be: what is used, and the present power until the end, come to more than the limit. What is far off may
  still come otherwise: the further the end, the longer it must have looked so; in the last seconds none at all.

Each is over below 97 % of the limit, what is about a quarter at the latest with the quarter. Comparisons are written
so that NaN counts as breach; a node whose power nobody ever told is not judged.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.watchdog.meters import NEVER, Floats
from hub.quarters import QUARTER_US
from hub.tolerance import TOLERANCE

GONE_RATIO: Final = 0.97
"""Below this share of the limit it is over: no coming and going at the limit itself."""

LAST_CALL_S: Final = 30.0
"""So long before its end, and the reaction time (R22), a breach of a quarter that can be foreseen is said at the latest."""

SLACK_S: Final = 5.0
"""Before that, for a reading to come in and a condition to go out."""

PATIENCE_RATIO: Final = 1.0
"""Seconds that a quarter must have looked like a breach, per second until it has to be said. Less finds it earlier,
and calls more that comes to nothing: a machine that starts with the quarter and runs for three minutes."""

_ZERO_RATIO: Final = 1.05
"""Zero has no multiples: any power above a limit of zero is borne for 10 s, as little above any other is."""

_H_PER_US: Final = 1 / 3.6e9
_QUARTER_H: Final = QUARTER_US * _H_PER_US


class Watched(IntEnum):
    """What is watched of each node and direction."""

    INSTANT = 0
    QUARTER = 1
    """The quarter's mean is above the limit, whatever follows."""
    PROJECTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The tightest limits [2, n_nodes] (import, export); infinite where there is none."""

    instant_kw: Floats
    apparent_kva: Floats
    quarter_kw: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One look at the nodes: [2, n_nodes], NaN where nobody ever told."""

    at_us: int
    passed_us: int
    """Since the look before."""
    left_us: int
    """Until the quarter ends."""
    flow_kw: Floats
    apparent_kva: Floats
    """Present apparent power, in the direction of the active power; 0 in the other."""
    energy_kwh: Floats

    @property
    def projected_kw(self) -> Floats:
        """The quarter's mean if power stays as it is."""
        projected: Floats = (self.energy_kwh + self.flow_kw * (self.left_us * _H_PER_US)) / _QUARTER_H
        return projected


@dataclass(slots=True)
class Breaches:
    """What is the case now, `seen` [watched, 2, n_nodes]."""

    n_nodes: int
    reaction_s: float
    """From a reading to the power that follows from it (R22)."""
    seen: NDArray[np.bool_] = field(init=False)
    _above_us: NDArray[np.int64] = field(init=False)
    """[points of the curve, 2, n_nodes] Since when."""
    _projected_us: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros((len(Watched), 2, self.n_nodes), np.bool_)
        self._above_us = np.full((len(TOLERANCE), 2, self.n_nodes), NEVER, np.int64)
        self._projected_us = np.full((2, self.n_nodes), NEVER, np.int64)

    def begin_quarter(self) -> None:
        """A new quarter: nothing is used, nothing foreseen."""
        self.seen[[Watched.QUARTER, Watched.PROJECTED]] = False
        self._projected_us[:] = NEVER

    def look(self, figures: Figures, allowed: Allowed) -> None:
        """Judge the nodes at an instant no earlier than the last."""
        told = ~np.isnan(figures.flow_kw)
        self._look_at_instant(figures, allowed, told)
        used = share(figures.energy_kwh / _QUARTER_H, allowed.quarter_kw)
        projected = share(figures.projected_kw, allowed.quarter_kw)
        self.seen[Watched.QUARTER] |= told & ~(used <= 1)
        over = told & ~(projected <= 1)
        self._projected_us = _since(self._projected_us, over, figures.at_us)
        left_s = figures.left_us / 1e6 - self.reaction_s - LAST_CALL_S - SLACK_S
        lasted_s = (figures.at_us - self._projected_us) / 1e6
        self.seen[Watched.PROJECTED] |= over & (lasted_s >= PATIENCE_RATIO * left_s)
        self.seen[Watched.PROJECTED] |= self.seen[Watched.QUARTER]
        self.seen[Watched.PROJECTED] &= ~(projected < GONE_RATIO)
        self.seen[Watched.QUARTER] &= ~(used < GONE_RATIO)  # the limit was raised

    def _look_at_instant(self, figures: Figures, allowed: Allowed, told: NDArray[np.bool_]) -> None:
        active = share(figures.flow_kw, allowed.instant_kw)
        active = np.where(allowed.instant_kw > 0, active, np.minimum(active, _ZERO_RATIO))
        loaded = np.maximum(active, share(figures.apparent_kva, allowed.apparent_kva))
        for point, (ratio, borne_s) in enumerate(TOLERANCE):
            over = told & ~(loaded <= ratio)
            began_us = figures.at_us - figures.passed_us
            self._above_us[point] = _since(self._above_us[point], over, began_us)
            self.seen[Watched.INSTANT] |= over & ((figures.at_us - self._above_us[point]) / 1e6 > borne_s)
        self.seen[Watched.INSTANT] &= ~(loaded < GONE_RATIO)


def share(of_kw: Floats, limit_kw: Floats) -> Floats:
    """How much of a limit something is; of zero all, however little."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = of_kw / limit_kw
    return np.where((of_kw == 0) & (limit_kw == 0), 0.0, ratio)


def _since(since_us: NDArray[np.int64], over: NDArray[np.bool_], at_us: int) -> NDArray[np.int64]:
    """Since when it is so without a break."""
    return np.where(over, np.where(since_us == NEVER, at_us, since_us), NEVER)
