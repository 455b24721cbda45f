"""The kernel's door: numbers of one tick in, a setpoint for every asset out. Always an answer.

    solver = Solver(topology)
    answer = solver.solve(state)          # again each tick; the arrays of the answer are reused

Deterministic: the same numbers give the same bytes. Nothing is allocated per tick but the answer's small header.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from balancer import clearing, curve, layers, prepare
from balancer.clearing import NodeRecord, Records
from balancer.curve import FlexibilityCurve
from balancer.model import InputError, Layer
from balancer.search import search
from balancer.topology import Floats, Ints, Topology


@dataclass(frozen=True, slots=True)
class State:
    """What changes from tick to tick, in the order of the topology; the caller writes into the arrays.

    | array | shape | meaning |
    |---|---|---|
    | min_kw, max_kw | [n_assets] | the hard box of each asset; finite, min <= max |
    | target_kw | [n_assets] | where it would be; outside the box = at the nearest bound |
    | lower_kw, upper_kw | [n_limits] | bounds of uncontrolled + controllable net power; lower <= upper, infinite = none |
    | uncontrolled_kw | [n_limits] | the net load each limit counts beside the assets |

    A lower bound is minus the export limit. Derived bounds may have any sign.
    """

    min_kw: Floats
    max_kw: Floats
    target_kw: Floats
    lower_kw: Floats
    upper_kw: Floats
    uncontrolled_kw: Floats

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """The state the topology's assets and limits were declared with."""
        return cls(
            min_kw=np.array([asset.min_kw for asset in topology.assets], dtype=np.float64),
            max_kw=np.array([asset.max_kw for asset in topology.assets], dtype=np.float64),
            target_kw=np.array([asset.target_kw for asset in topology.assets], dtype=np.float64),
            lower_kw=np.array(
                [-np.inf if limit.export_kw is None else -limit.export_kw for limit in topology.limits],
                dtype=np.float64,
            ),
            upper_kw=np.array(
                [np.inf if limit.import_kw is None else limit.import_kw for limit in topology.limits],
                dtype=np.float64,
            ),
            uncontrolled_kw=np.array([limit.uncontrolled_kw for limit in topology.limits], dtype=np.float64),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The setpoints of a tick. The arrays belong to the solver and are overwritten by its next `solve`.

    | array | shape | meaning |
    |---|---|---|
    | power_kw | [n_assets] | setpoint |
    | node_power_kw | [n_nodes] | sum of the assets below |
    | node_price | [n_nodes] | 0 = at rest, negative = take less; whole part = the order that moves, fraction = how far |
    """

    topology: Topology
    state: State
    power_kw: Floats
    node_power_kw: Floats
    node_price: Floats
    rounds: int

    @property
    def price(self) -> Floats:
        """[n_assets] the price of each asset: that of its node."""
        return self.node_price[self.topology.asset_node]


@dataclass(frozen=True, slots=True)
class Bounds:
    """[n_nodes] hard bounds, kW; and -1 / 1 where contradictions leave a node's assets no choice but min / max."""

    lower_kw: Floats
    upper_kw: Floats
    frozen: Ints


class Solver:
    """One topology with its buffers. Not for two threads at once."""

    def __init__(self, topology: Topology) -> None:
        n_nodes, n_assets = len(topology.node_ids), len(topology.asset_ids)
        self.topology = topology
        self._nodes: Records = np.zeros(n_nodes, dtype=NodeRecord)
        self._nodes["parent"] = topology.parent
        self._active = np.zeros(n_nodes, dtype=np.int32)
        self._reach_down_kw, self._reach_up_kw = np.zeros(n_assets), np.zeros(n_assets)
        self._sum_min_kw, self._sum_max_kw, self._sum_target_kw = np.zeros((3, n_nodes))
        self._end_down, self._end_up = np.zeros(topology.order_down.size), np.zeros(topology.order_up.size)
        self._tree, self._limits, self._kinks = layers.plan(topology)
        self._low_kw, self._high_kw = np.zeros((2, n_nodes))
        self._power_kw, self._node_power_kw, self._node_price = np.zeros(n_assets), np.zeros(n_nodes), np.zeros(n_nodes)

    def solve(self, state: State) -> Answer:
        """Clear one tick. Raises `InputError` only for numbers that mean nothing (NaN, crossed bounds)."""
        tree = self.topology
        self._prepare(state)
        self._resolve(state)
        clearing.settle(self._nodes, self._sum_target_kw)
        clearing.take_sides(self._nodes)
        rounds = search(
            self._nodes, self._active, tree.asset_start, tree.weight, tree.class_down, tree.class_up,
            self._reach_down_kw, self._reach_up_kw, self._end_down, self._end_up,
        )  # fmt: skip
        clearing.place(
            self._nodes, tree.asset_start, tree.weight, tree.class_down, tree.class_up,
            state.min_kw, state.max_kw, state.target_kw, self._power_kw, self._node_power_kw,
        )  # fmt: skip
        clearing.quote(self._nodes, tree.order_down, tree.order_up, self._end_down, self._end_up, self._node_price)
        return Answer(tree, state, self._power_kw, self._node_power_kw, self._node_price, rounds)

    def flexibility_curve(self, state: State, *, most_points: int = 128) -> FlexibilityCurve:
        """What the whole tree would take as a function of the price from above, its own limits kept.

        At most `most_points` points; the curve says how far off (kW) that makes it. Raises as `solve` does.
        """
        tree = self.topology
        self._prepare(state)
        self._resolve(state)
        events = np.zeros((4 * len(tree.asset_ids) + 2 * len(tree.node_ids) + 1, 3))
        count, start_kw = curve.merge_events(
            self._nodes, tree.first, tree.asset_start, tree.weight,
            tree.order_down[tree.class_down], tree.order_up[tree.class_up],
            self._reach_down_kw, self._reach_up_kw, self._sum_min_kw, self._sum_max_kw, events[:-1],
        )  # fmt: skip
        return curve.draw(events, count, start_kw, most_points)

    def bounds(self, state: State) -> Bounds:
        """What each node's limits leave for the sum of its assets, contradictions resolved. Copies."""
        self._prepare(state)
        self._resolve(state)
        return Bounds(self._nodes["lower"].copy(), self._nodes["upper"].copy(), self._nodes["frozen"].copy())

    def _prepare(self, state: State) -> None:
        tree = self.topology
        bad = prepare.bound_nodes(
            tree.limit_start, state.lower_kw, state.upper_kw, state.uncontrolled_kw, self._nodes
        )  # fmt: skip
        if bad >= 0:
            raise InputError(f"limit of node {tree.limits[bad].node}", "bounds must be numbers, lower <= upper")
        bad = prepare.measure_assets(
            tree.asset_start, tree.weight, tree.class_down, tree.class_up,
            state.min_kw, state.max_kw, state.target_kw, self._reach_down_kw, self._reach_up_kw,
            self._sum_min_kw, self._sum_max_kw, self._sum_target_kw, self._end_down, self._end_up,
        )  # fmt: skip
        if bad >= 0:
            raise InputError(f"asset {tree.asset_ids[bad]}", "min_kw <= max_kw and target_kw must be finite numbers")

    def _resolve(self, state: State) -> None:
        self._nodes["frozen"] = 0
        if not layers.contradicts(self._nodes, self._sum_min_kw, self._sum_max_kw, self._low_kw, self._high_kw):
            return
        layers.list_limits(self._limits, state.lower_kw, state.upper_kw, state.uncontrolled_kw)
        layers.resolve(
            self._nodes, self._tree, self._limits, self.topology.limit_start, len(Layer),
            self._sum_min_kw, self._sum_max_kw, self._sum_target_kw, self._kinks, self._active,
        )  # fmt: skip


def solve(topology: Topology, state: State) -> Answer:
    """Clear once, with buffers of its own. For each tick keep a `Solver`."""
    return Solver(topology).solve(state)
