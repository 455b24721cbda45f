"""Which readings are not believed because the meters above contradict them: a ring that stopped adding up (R5).

Both feeders together measure what all connections of the ring draw together, wherever it is open. Where that was so for
a minute once, and then no more for a minute on end, somebody is frozen: whoever showed one and the same power all the
while, be it a feeder, is believed no longer, until it moves or all adds up again. One whose register confirms its power
is believed. A ring that never added up (neighbours without a meter, losses) is not judged. Pure: looks at each tick, and
knows nothing from before its first.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.bounds import Floats
from streams.disbelief import FOREVER_US
from streams.disbelief_rows import CONTRADICTED_S, TOLERANCE_KW, TOLERANCE_RATIO
from streams.fold import NEVER, PointState
from streams.plant import Plant

Instants = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LASTS_US: Final = round(CONTRADICTED_S * 1e6)


@dataclass(slots=True)
class AddingUp:
    """Memory of one grid loop's meters."""

    stale_after_s: float
    feeders: Flags
    """[n_points] Meters of arms."""
    connections: Flags
    """[n_points] Meters of connections."""
    added_up: bool = False
    """All added up for a minute once."""
    _agrees_us: int = FOREVER_US
    """Since when all adds up, and since when not; `FOREVER_US` where it is the other way or not known."""
    _off_us: int = FOREVER_US
    _same_us: Instants = field(init=False)
    """[n_points] Since when each shows the same power."""
    _seen_us: Instants = field(init=False)
    _seen_kw: Floats = field(init=False)

    def __post_init__(self) -> None:
        n_points = len(self.feeders)
        self._same_us, self._seen_us = (np.full(n_points, NEVER, np.int64) for _ in range(2))
        self._seen_kw = np.full(n_points, np.nan)

    @classmethod
    def of(cls, plant: Plant, *, stale_after_s: float) -> "AddingUp":
        """Nothing seen yet."""
        feeders, connections = (np.zeros(len(plant.points.ids), np.bool_) for _ in range(2))
        feeders[plant.meter[(plant.parent == 0) & (plant.meter >= 0)]] = True
        connections[plant.meter[plant.connection_node]] = True
        return cls(stale_after_s, feeders, connections)

    def observe(self, state: PointState, *, now_us: int) -> None:
        """Look at what all meters show; a ring of which one is silent stays as it was judged before."""
        new = state.at_us > self._seen_us
        self._same_us = np.where(new & (state.power_kw != self._seen_kw), state.at_us, self._same_us)
        self._seen_kw = np.where(new, state.power_kw, self._seen_kw)
        self._seen_us = np.maximum(state.at_us, self._seen_us)
        oldest_us = state.at_us[self.feeders | self.connections].min(initial=now_us)
        if now_us - oldest_us > self.stale_after_s * 1e6:
            self._agrees_us = FOREVER_US
            return
        flows_kw = state.power_kw[self.connections]
        over_kw = abs(float(state.power_kw[self.feeders].sum() - flows_kw.sum()))
        if over_kw > TOLERANCE_KW + TOLERANCE_RATIO * float(np.abs(flows_kw).sum()):
            self._off_us, self._agrees_us = min(self._off_us, now_us), FOREVER_US
        else:
            self._off_us, self._agrees_us = FOREVER_US, min(self._agrees_us, now_us)
        self.added_up |= now_us - self._agrees_us >= _LASTS_US

    def doubted_us(self, state: PointState, *, confirmed: Flags) -> Instants:
        """[n_points] Since when each point is not believed; `FOREVER_US` where it is, as those `confirmed` are."""
        if not self.added_up or self._off_us == FOREVER_US:
            return np.full(len(self.feeders), FOREVER_US, np.int64)
        # it was there before, and shows the same a minute later: no slow meter whose next reading is still to come
        stood_still = (self._same_us <= self._off_us - self.stale_after_s * 1e6) & (
            state.at_us - self._off_us >= _LASTS_US
        )
        doubted: Instants = np.where(
            (self.feeders | self.connections) & stood_still & ~confirmed, self._off_us, FOREVER_US
        )
        return doubted
