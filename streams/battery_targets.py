"""Where the batteries of a grid loop would be, and why: memory, forecast and policy, from what the tick measures.

Memory is not kept over a take-over: a worker that is new goes by the time of day until it has seen a day. A wish only:
every limit, and whatever else a tick decides, goes first.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.forecast import QuarterHistory
from balancer.target_policy import Band, Batteries, Fleet, band, target_kw
from balancer.wishes import Wish, wishes_of
from hub.quarters import QUARTER_US
from streams.bounds import Floats, Indices, indices
from streams.boxes import Boxes
from streams.budgets import Interval
from streams.estimate import Estimate, Span
from streams.fold import PointState
from streams.messages import Reason
from streams.plant import Plant
from streams.setpoints import GRAIN_KW, Decision

SIGN_RATIO: Final = 0.3
"""A grid loop does not see the park. That its own net load falls below this part of its share stands for a park with
surplus, which its batteries will be asked to take before any roof is held down. Chosen on De Koumen's June with more sun
than the park can use: 0 closes half of the gap to foresight, this nine tenths. Too high only costs cycles: what leaves a
battery goes into import all the same."""

_HOLDS_QUARTERS: Final = 4
"""A plan is made anew so often: what was measured since changes little, planning costs as much as a tick."""


STEP_RATIO: Final = 0.01
"""Targets go in steps of this share of a battery's rating: finer ones would be a new setpoint for every device in each
tick, and its charge is measured no finer."""


_REASON: Final = {wish: Reason(wish) for wish in Wish}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known at one instant."""

    node: Span
    """[n_nodes] Net power; NaN where nothing tells it."""
    asset_kw: Floats
    """[n_assets] Power; 0 where it was not heard lately: then its meter has it among the load."""
    sun_kw: Floats
    """[n_assets] What PV could produce, a magnitude; 0 of all others, and where it was not heard lately."""
    soc_ratio: Floats
    """[n_assets] Charge, NaN where unknown."""
    now_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Where the batteries would be, and why; [n_batteries] each."""

    places: Indices
    """Of the batteries, among the plant's assets."""
    power_kw: Floats
    within: Band
    soc_ratio: Floats

    @property
    def reason(self) -> tuple[Reason, ...]:
        """Why each is there."""
        return tuple(_REASON[wish] for wish in wishes_of(self.within, self.soc_ratio, self.power_kw))

    def in_boxes(self, room: Boxes) -> Boxes:
        """The same boxes with these targets; what is not steered stays as it is."""
        at, target_kw = self.places, room.target_kw.copy()
        within_kw = np.minimum(np.maximum(self.power_kw, room.min_kw[at]), room.max_kw[at])
        target_kw[at] = np.where(room.closed[at], within_kw, target_kw[at])
        return replace(room, target_kw=target_kw)

    def named_in(self, decision: Decision) -> Decision:
        """The same decision, but a battery that is at its target has the reason of its target."""
        reason = list(decision.reason)
        for at, why in zip(self.places.tolist(), self.reason, strict=True):
            if reason[at] == Reason.TARGET:
                reason[at] = why
        return replace(decision, reason=tuple(reason))


def seen_by(plant: Plant, points: PointState, known: Estimate) -> Seen:
    """What a grid loop sees of itself. A loop that runs open for want of a feeder's meter (R7) sees nothing."""
    at = plant.asset_point
    asset_kw = np.where(known.asset_fresh, np.nan_to_num(points.power_kw[at]), 0.0)
    nowhere_kw = np.full(len(plant.node_ids), np.nan)
    told_kw = np.fmin(points.min_kw[at], asset_kw)  # without a range of its own: as measured
    could_kw = np.clip(0.0 - told_kw, 0.0, plant.devices.rated_kw)
    return Seen(
        node=known.power if known.feeders_fresh else Span(low_kw=nowhere_kw, high_kw=nowhere_kw),
        asset_kw=asset_kw,
        sun_kw=np.where(plant.is_pv & known.asset_fresh, could_kw, 0.0),
        soc_ratio=points.soc_ratio[at],
        now_us=known.now_us,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """A day's band from a quarter on, and the batteries that it was made for."""

    quarter: int
    fleet: Fleet
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
        self._own = np.flatnonzero(below[root])
        """Places of the assets below the root; columns of the two that follow."""
        self._below_pv = (below & plant.is_pv)[np.ix_(self._nodes, self._own)].astype(np.float64)
        self._below_battery = (below & plant.is_battery)[np.ix_(self._nodes, self._own)].astype(np.float64)
        self._holds = below[np.ix_(self._nodes, self.places)]
        self._carries = [_carried(plant, node) for node in self._nodes.tolist()]
        self._history = QuarterHistory(len(self._nodes))
        owned = [plant.assets[at] for at in self.places.tolist()]
        self._capacity_kwh = np.array([a.rated_kw if a.energy_kwh is None else a.energy_kwh for a in owned])
        self._efficiency_ratio = np.array([1.0 if a.efficiency_ratio is None else a.efficiency_ratio for a in owned])
        self._rated_kw = np.array([a.rated_kw for a in owned])
        nothing = np.zeros(0)
        self._none = Wishes(places=self.places, power_kw=nothing, within=Band(nothing, nothing), soc_ratio=nothing)
        self._made_for: tuple[object, Interval] | None = None
        self._fleet: Fleet | None = None
        self._plan: _Plan | None = None

    def laid_out(self, plant: Plant) -> "BatteryTargets":
        """The same for another layout of the plant. A node that carries other connections now begins without a past."""
        moved = BatteryTargets(plant, root=self._root)
        column = {node: at for at, node in enumerate(self._carries)}
        moved._history = self._history.of_nodes(indices(column.get(node, -1) for node in moved._carries))
        return moved

    def wishes(self, plant: Plant, seen: Seen, *, share: Interval) -> Wishes:
        """Where they would be now.

        Args:
            plant: the plant as it stands, its limits included.
            seen: what is known now.
            share: the root's fallback share: within it no other grid loop has to give way.
        """
        if not len(self.places):
            return self._none
        soc_ratio, quarter = seen.soc_ratio[self.places], seen.now_us // QUARTER_US
        import_kw, headroom_kw = self._look(seen, share, quarter)
        within = self._planned(plant, share, quarter).at(quarter, self._holds)
        power_kw = self._stepped(
            target_kw(self._batteries(plant), within, soc_ratio, import_kw=import_kw, headroom_kw=headroom_kw)
        )
        return Wishes(places=self.places, power_kw=power_kw, within=within, soc_ratio=soc_ratio)

    def _look(self, seen: Seen, share: Interval, quarter: int) -> tuple[float, float]:
        """Remember what is seen; returns import and headroom of the root without its batteries, each the least it is.

        What its roofs could make, but are held from making, counts as made: nothing leaves a battery in its stead.
        """
        asset_kw = seen.asset_kw[self._own]
        roofs_kw, sun_kw = self._below_pv @ asset_kw, self._below_pv @ seen.sun_kw[self._own]
        stored_kw = self._below_battery @ asset_kw
        low_kw, high_kw = (end_kw[self._nodes] - stored_kw for end_kw in (seen.node.low_kw, seen.node.high_kw))
        self._history.observe(quarter, load_kw=(low_kw + high_kw) / 2 - roofs_kw, sun_kw=sun_kw)
        held_kw = max(float(sun_kw[0] + roofs_kw[0]), 0.0)
        return float(low_kw[0]) - held_kw, share.max_kw - float(high_kw[0])

    def _batteries(self, plant: Plant) -> Batteries:
        own = plant.devices
        return Batteries(
            capacity_kwh=self._capacity_kwh,
            efficiency_ratio=self._efficiency_ratio,
            min_kw=own.min_kw[self.places],
            max_kw=own.max_kw[self.places],
        )

    def _stepped(self, battery_kw: Floats) -> Floats:
        """Toward 0, so that no more than there is room for is used."""
        step_kw = np.maximum(STEP_RATIO * self._rated_kw, GRAIN_KW)  # a rating may be 0
        steps: Floats = np.trunc((battery_kw / step_kw).round(6))
        return steps * step_kw

    def _planned(self, plant: Plant, share: Interval, quarter: int) -> "_Plan":
        """What was planned, or a new plan: every hour, and under other limits."""
        if self._fleet is None or self._made_for != (plant.bounds, share):
            self._made_for, self._fleet = (plant.bounds, share), self._fleet_under(plant, share)
        plan = self._plan
        if plan is None or plan.fleet is not self._fleet or not 0 <= quarter - plan.quarter < _HOLDS_QUARTERS:
            found = band(self._fleet, self._history.net_kw(quarter), quarter=quarter)
            plan = self._plan = _Plan(quarter, self._fleet, found)
        return plan

    def _fleet_under(self, plant: Plant, share: Interval) -> Fleet:
        import_kw, export_kw = (np.full(len(plant.node_ids), np.inf) for _ in range(2))
        bounds = plant.bounds
        least_kw = np.minimum(bounds.instant_kw, bounds.quarter_kw)
        for limit_kw, those in ((import_kw, bounds.imports), (export_kw, ~bounds.imports)):
            np.minimum.at(limit_kw, bounds.node[those], least_kw[those])
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


def _carried(plant: Plant, node: int) -> tuple[str, frozenset[str]]:
    """A node's name, and the EANs of the connections below it."""
    below = plant.pair_connection[plant.pair_node == node].tolist()
    return plant.node_ids[node], frozenset(plant.connections[at].ean for at in below)


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
