"""What flows through each node, and how much energy of its quarter is used: sums of meters, nothing else. Pure.

A node with a meter of its own is that meter. A grid loop is its two feeders, anything else without a meter the sum of
the connections below it; of those the net power counts, for what one feeds in and its neighbour draws never passes the
node. What is not known is counted against the node: at the last power, and growing.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.watchdog.meters import NEVER, Floats, Meters

DRIFT_RATIO_PER_S: Final = 1 / 60
"""Share of its limit by which a node that is not heard may grow per second. Invented: slower than the worker's own
bound, which keeps power low; this one wakes people."""

SILENT_RATIO: Final = 0.999
"""... and up to this share of its limit only: to be silent is not to breach, and whoever was above it stays there."""

_H_PER_US: Final = 1 / 3.6e9
_KWH_PER_WH: Final = 1e-3


@dataclass(slots=True)
class Flows:
    """The limited nodes under one key; arrays are [n_nodes], with directions [2, n_nodes] (import, export)."""

    ids: tuple[str, ...]
    carries: NDArray[np.bool_]
    """[n_nodes, n_meters]."""
    stale_after_s: float
    quarter_us: int = NEVER
    clock_us: int = NEVER
    """Until when all was counted."""
    power_kw: Floats = field(init=False)
    """Net power; NaN until each meter was heard once."""
    reactive_kvar: Floats = field(init=False)
    """NaN where one of the meters tells none."""
    silent: NDArray[np.bool_] = field(init=False)
    """One of the meters was not heard lately."""
    flow_kw: Floats = field(init=False)
    """Present power in each direction, at most what it could be by now where it is not heard."""
    energy_kwh: Floats = field(init=False)
    """Used in the quarter until the clock."""
    _summed_kwh: Floats = field(init=False)
    """Likewise, by powers alone."""
    _carried: Floats = field(init=False)
    """`carries` as numbers, for sums."""

    def __post_init__(self) -> None:
        self.lay_out(self.carries)
        self.power_kw, self.reactive_kvar = (np.full(len(self.ids), np.nan) for _ in range(2))
        self.silent = np.ones(len(self.ids), np.bool_)
        self.flow_kw, self.energy_kwh, self._summed_kwh = (np.full((2, len(self.ids)), np.nan) for _ in range(3))

    def lay_out(self, carries: NDArray[np.bool_]) -> None:
        """Sum up so from now on."""
        self.carries, self._carried = carries, carries.astype(np.float64)

    def begin(self, quarter_us: int) -> None:
        """A new quarter: nothing is used yet."""
        self.quarter_us = self.clock_us = quarter_us
        self._summed_kwh[:] = 0.0

    def count(self, meters: Meters, *, until_us: int, limit_kw: Floats) -> None:
        """Count on until an instant of the same quarter; `limit_kw` [2, n_nodes] bounds what silence may hide."""
        self.power_kw = _sum(self._carried, meters.power_kw)
        self.reactive_kvar = _sum(self._carried, meters.reactive_kvar)
        oldest_us = np.where(self.carries, meters.at_us, until_us).min(axis=1)
        silent_s = np.maximum((until_us - oldest_us) / 1e6 - self.stale_after_s, 0.0)
        self.silent = silent_s > 0
        net_kw = np.stack([self.power_kw, 0.0 - self.power_kw])
        reach_kw = np.where(np.isfinite(limit_kw), limit_kw, 0.0)  # nothing is to be guarded without a limit
        room_kw = np.maximum(reach_kw * SILENT_RATIO - net_kw, 0.0)
        drift_kw = np.where(self.silent, np.minimum(reach_kw * DRIFT_RATIO_PER_S * silent_s, room_kw), 0.0)
        was_kw, self.flow_kw = self.flow_kw, np.maximum(net_kw + drift_kw, 0.0)
        self._sum_up(was_kw, until_us)
        grown_kw = self.flow_kw - np.maximum(net_kw, 0.0)
        self.energy_kwh = self._by_registers(meters, grown_kw=grown_kw, oldest_us=oldest_us)

    def _sum_up(self, was_kw: Floats, until_us: int) -> None:
        """A reading tells the power since the one before; after a gap, or a start, what was is not known."""
        passed_h = (until_us - self.clock_us) * _H_PER_US
        is_gap = until_us - self.clock_us > self.stale_after_s * 1e6
        power_kw = np.fmax(was_kw, self.flow_kw) if is_gap else self.flow_kw
        all_of_it_kwh = self.flow_kw * (until_us - self.quarter_us) * _H_PER_US
        summed_kwh = self._summed_kwh + power_kw * passed_h
        self._summed_kwh = np.where(np.isnan(summed_kwh), all_of_it_kwh, summed_kwh)
        self.clock_us = until_us

    def _by_registers(self, meters: Meters, *, grown_kw: Floats, oldest_us: NDArray[np.int64]) -> Floats:
        """Exact for one meter; of several, the sum of powers between what their registers allow."""
        rest_h = np.maximum(self.clock_us - meters.at_us, 0) * _H_PER_US
        power_kw = np.maximum(np.stack([meters.power_kw, 0.0 - meters.power_kw]), 0.0)
        meter_kwh = meters.energy_wh(self.quarter_us) * _KWH_PER_WH + power_kw * rest_h
        gross_kwh = np.stack([_sum(self._carried, each) for each in meter_kwh])
        gross_kwh += grown_kw * (self.clock_us - oldest_us) * _H_PER_US
        net_kwh = gross_kwh - gross_kwh[::-1]
        between_kwh = np.minimum(np.maximum(self._summed_kwh, net_kwh), gross_kwh)
        told_kwh = np.where(self.carries.sum(axis=1) == 1, gross_kwh, between_kwh)
        return np.where(np.isnan(told_kwh), self._summed_kwh, told_kwh)


def _sum(carried: Floats, meter: Floats) -> Floats:
    """[n_nodes] Sum over meters; NaN where one of them is not known."""
    unknown = np.isnan(meter)
    total: Floats = carried @ np.where(unknown, 0.0, meter)
    return np.where(carried @ unknown.astype(np.float64) > 0, np.nan, total)
