"""Where the batteries of a grid loop would be: memory, forecast and policy, from what the tick measures.

Memory is not kept over a take-over: a worker that is new goes by the time of day until it has seen a day.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.forecast import QuarterHistory
from balancer.target_policy import Band, Batteries, Fleet, band, target_kw
from hub.quarters import QUARTER_US
from streams.bounds import Floats
from streams.budgets import Interval
from streams.plant import Plant

SIGN_RATIO: Final = 0.3
"""A grid loop does not see the park. That its own net load falls below this part of its share stands for a park with
surplus, which its batteries will be asked to take before any roof is held down. Chosen on De Koumen's June with more sun
than the park can use: 0 closes half of the gap to foresight, this nine tenths. Too high only costs cycles: what leaves a
battery goes into import all the same."""

_HOLDS_QUARTERS: Final = 4
"""A plan is made anew so often: what was measured since changes little, planning costs as much as a tick."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A day's band from a quarter on, and the limits and share that it was made for."""

    quarter: int
    made_for: tuple[object, Interval]
    band: Band

    def at(self, quarter: int, holds: NDArray[np.bool_]) -> Band:
        return self.band.at(quarter - self.quarter, holds)


class BatteryTargets:
    """The batteries below one node of a plant, by default its root. Its state is the history alone."""

    def __init__(self, plant: Plant, *, root: int = 0) -> None:
        below = _below(plant)
        self._root = root
        self.places = np.flatnonzero(plant.is_battery & below[root])
        """Of the batteries, among the plant's assets."""
        above = below[:, self.places].any(axis=1) & _under(plant, root)
        self._nodes = np.flatnonzero(above)
        self._below_pv = (below[self._nodes] & plant.is_pv).astype(np.float64)
        self._below_battery = (below[self._nodes] & plant.is_battery).astype(np.float64)
        self._holds = below[np.ix_(self._nodes, self.places)]
        self._history = QuarterHistory(len(self._nodes))
        owned = [plant.assets[at] for at in self.places.tolist()]
        self._capacity_kwh = np.array([a.rated_kw if a.energy_kwh is None else a.energy_kwh for a in owned])
        self._efficiency_ratio = np.array([1.0 if a.efficiency_ratio is None else a.efficiency_ratio for a in owned])
        self._rated_kw = np.array([a.rated_kw for a in owned])
        self._plan: _Plan | None = None

    def target_kw(
        self,
        plant: Plant,
        *,
        node_kw: Floats,
        asset_kw: Floats,
        sun_kw: Floats,
        soc_ratio: Floats,
        share: Interval,
        now_us: int,
    ) -> Floats:
        """[n_batteries] Where they would be now.

        Args:
            plant: the plant as it stands, its limits included.
            node_kw: [plant's nodes] net power measured.
            asset_kw: [n_assets] power measured.
            sun_kw: [n_assets] what PV could produce, a magnitude; 0 of all others.
            soc_ratio: [n_assets] charge, NaN where unknown.
            share: the root's fallback share: within it no other grid loop has to give way.
            now_us: the time.
        """
        if not len(self.places):
            return np.zeros(0)
        beside_kw = node_kw[self._nodes] - self._below_battery @ asset_kw
        load_kw = beside_kw - self._below_pv @ asset_kw
        quarter = now_us // QUARTER_US
        self._history.observe(quarter, load_kw=load_kw, sun_kw=self._below_pv @ sun_kw)
        within = self._planned(plant, share, quarter).at(quarter, self._holds)
        own = plant.devices
        batteries = Batteries(
            capacity_kwh=self._capacity_kwh,
            efficiency_ratio=self._efficiency_ratio,
            min_kw=own.min_kw[self.places],
            max_kw=own.max_kw[self.places],
        )
        at_root_kw = float(beside_kw[0])
        return target_kw(
            batteries,
            within,
            soc_ratio[self.places],
            import_kw=at_root_kw,
            headroom_kw=share.max_kw - at_root_kw,
        )

    def _planned(self, plant: Plant, share: Interval, quarter: int) -> "_Plan":
        """What was planned, or a new plan: every hour, and under other limits."""
        plan = self._plan
        if plan is None or not 0 <= quarter - plan.quarter < _HOLDS_QUARTERS or plan.made_for != (plant.bounds, share):
            net_kw = self._history.net_kw(quarter)
            found = band(self._fleet(plant, share), net_kw, quarter=quarter)
            plan = self._plan = _Plan(quarter, (plant.bounds, share), found)
        return plan

    def _fleet(self, plant: Plant, share: Interval) -> Fleet:
        import_kw, export_kw = (np.full(len(plant.node_ids), np.inf) for _ in range(2))
        for b in plant.bounds:
            limit_kw = import_kw if b.imports else export_kw
            limit_kw[b.node] = min(limit_kw[b.node], b.instant_kw, b.quarter_kw)
        import_kw[self._root] = min(import_kw[self._root], max(share.max_kw, 0.0))
        export_kw[self._root] = min(export_kw[self._root], -share.min_kw - SIGN_RATIO * max(share.max_kw, 0.0))
        holds = self._holds.astype(np.float64)
        capacity_kwh = holds @ self._capacity_kwh
        worth = np.where(capacity_kwh > 0, capacity_kwh, 1.0)
        return Fleet(
            capacity_kwh=capacity_kwh,
            power_kw=holds @ self._rated_kw,
            efficiency_ratio=np.where(
                capacity_kwh > 0, holds @ (self._capacity_kwh * self._efficiency_ratio) / worth, 1.0
            ),
            import_kw=import_kw[self._nodes],
            export_kw=export_kw[self._nodes],
        )


def _below(plant: Plant) -> NDArray[np.bool_]:
    """[n_nodes, n_assets] Which assets hang below which node."""
    below = np.zeros((len(plant.node_ids), len(plant.connections)), np.bool_)
    below[plant.pair_node, plant.pair_connection] = True
    return below[:, plant.asset_connection]


def _under(plant: Plant, root: int) -> NDArray[np.bool_]:
    """[n_nodes] The root and what hangs below it; parents come first."""
    under = np.zeros(len(plant.node_ids), np.bool_)
    for node, above in enumerate(plant.parent.tolist()):
        under[node] = node == root or (above >= 0 and under[above])
    return under
