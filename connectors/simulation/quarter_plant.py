"""The park balanced once per quarter: what an ideal second-by-second control would come to, as means. Pure.

The same plant, limits, quarter law and kernel as in each tick, on the whole park at once: two levels give the same
answer (`balancer.two_level`). What happens within a quarter is not looked at: devices reach their setpoint at once,
steps and least powers of chargers are kept on average, leases do not matter.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from balancer.kernel import Solver, State
from balancer.violations import excess
from connectors.simulator.arrays import Floats, Ints
from hub.model import GROUP, PARK, Hub
from hub.quarters import QUARTER_US
from streams.battery_targets import BatteryTargets, Seen
from streams.budgets import Interval
from streams.estimate import Span
from streams.limits import judged_bounds_kw
from streams.plant import Plant, build_plant

_MISSED_KW: Final = 1e-6
"""A limit that is missed by less is kept, but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Quarter:
    """What the controllable assets do in one quarter, in the plant's order; and how many limits cannot be kept."""

    power_w: Ints
    violations: int


class QuarterPlant:
    """A park laid out once; `balance` for each quarter."""

    def __init__(self, hub: Hub) -> None:
        self.plant: Plant = build_plant(hub, PARK)
        bounds, node_ids = self.plant.bounds, self.plant.node_ids
        self._solver, self._state = Solver(self.plant.topology), State.of(self.plant.topology)
        self._park, self._group = node_ids.index(PARK), node_ids.index(GROUP)
        self._member = np.array([connection.member for connection in self.plant.connections])
        self._outsider: Floats = (~self._member[self.plant.asset_connection]).astype(np.float64)
        bounds_kw = judged_bounds_kw(  # the same for every quarter, seen from its first instant
            bounds, energy_kwh=np.zeros((len(node_ids), 2)), uncovered_s=np.zeros(len(node_ids)), now_us=QUARTER_US
        )
        imports, at_park = bounds.imports, bounds.node == self._park
        bounds_kw -= np.where(at_park, np.where(imports, hub.margin.import_kw, hub.margin.export_kw), 0.0)
        at = self.plant.bounds_at
        self._state.upper_kw[at] = np.where(imports, bounds_kw, np.inf)
        self._state.lower_kw[at] = np.where(imports, -np.inf, 0.0 - bounds_kw)
        self._last_kw = np.zeros(len(self.plant.assets))

    def wishes_kw(self, load_kw: Floats, *, target_kw: Floats, soc_ratio: Floats, at_us: int) -> Floats:  # noqa: ARG002
        """[assets] Where each asset would be; batteries rest, whatever their charge.

        Args:
            load_kw: [connections] what no setpoint moves, in the plant's order.
            target_kw: [assets] what each would be, a battery 0; in the plant's order.
            soc_ratio: [assets] charge of the batteries.
            at_us: start of the quarter.
        """
        return target_kw

    def balance(self, load_kw: Floats, *, min_kw: Floats, max_kw: Floats, target_kw: Floats) -> Quarter:
        """Give every controllable asset its mean power.

        Args:
            load_kw: [connections] what no setpoint moves, in the plant's order.
            min_kw: [assets] least mean power, in the plant's order.
            max_kw: [assets] largest.
            target_kw: [assets] what it would be if nothing bound.
        """
        plant, state = self.plant, self._state
        loads_kw = plant.sum_up(load_kw)
        # The tree knows every connection as part of the group: what is none of the group's comes off again.
        loads_kw[self._group] = load_kw @ self._member - self._last_kw @ self._outsider
        state.uncontrolled_kw[plant.bounds_at] = loads_kw[plant.bounds.node]
        state.min_kw[:], state.max_kw[:], state.target_kw[:] = min_kw, max_kw, target_kw
        answer = self._solver.solve(state)
        over_kw, under_kw = excess(answer)
        self._last_kw = answer.power_kw.copy()
        missed = int(np.count_nonzero(np.maximum(over_kw, under_kw) > _MISSED_KW))
        return Quarter(np.rint(answer.power_kw * 1000.0).astype(np.int64), missed)


class FreePlant(QuarterPlant):
    """The same park with nobody balancing: every asset at what it would be, batteries at rest."""

    def balance(self, load_kw: Floats, *, min_kw: Floats, max_kw: Floats, target_kw: Floats) -> Quarter:  # noqa: ARG002
        """Give every asset its target; nothing is asked of it, so nothing is missed either."""
        return Quarter(np.rint(target_kw * 1000.0).astype(np.int64), 0)


class TargetedPlant(QuarterPlant):
    """Balanced, with batteries that make room for sun and keep reserve for peaks, each grid loop for itself."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        node_ids = self.plant.node_ids
        self._loops = [(loop, BatteryTargets(self.plant, root=node_ids.index(loop.id))) for loop in hub.grid_loops]

    def wishes_kw(self, load_kw: Floats, *, target_kw: Floats, soc_ratio: Floats, at_us: int) -> Floats:
        """[assets] The same targets, but each battery's by the policy of its grid loop."""
        plant = self.plant
        node_kw = plant.sum_up(load_kw + plant.per_connection(target_kw))
        seen = Seen(
            node=Span(low_kw=node_kw, high_kw=node_kw),
            asset_kw=target_kw,
            sun_kw=np.where(plant.is_pv, 0.0 - target_kw, 0.0),
            soc_ratio=soc_ratio,
            now_us=at_us,
        )
        wanted_kw = target_kw.copy()
        for loop, targets in self._loops:
            wishes = targets.wishes(plant, seen, share=Interval(loop.fallback_min_kw, loop.fallback_max_kw))
            wanted_kw[wishes.places] = wishes.power_kw
        return wanted_kw
