"""The kernel's door: numbers of one tick in, a setpoint for every asset out. Always an answer.

    solver = Solver(topology)
    answer = solver.solve(state)          # again each tick; the arrays of the answer are reused

Deterministic: the same numbers give the same bytes. Nothing is allocated per tick but the answer's small header.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from balancer import curve, layer_plan, tick
from balancer.bracket import BracketRecord
from balancer.clearing import NodeRecord, Records, records
from balancer.curve import FlexibilityCurve
from balancer.model import InputError
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

    def __post_init__(self) -> None:
        """Raise `InputError` for arrays the compiled loops would misread: one kind of number, one piece of memory."""
        for name in self.__slots__:
            array = getattr(self, name)
            if array.dtype != np.float64 or array.ndim != 1 or not array.flags.c_contiguous:
                raise InputError(f"state {name}", "must be a contiguous array of float64 of one dimension")

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
        self._nodes: Records = records(n_nodes, NodeRecord)
        self._nodes["parent"] = topology.parent
        self._brackets: Records = records(n_nodes, BracketRecord)
        self._tree, self._limits, self._kinks = layer_plan.plan(topology)
        self._layers: Ints = np.unique(topology.limit_layer)
        n_classes = max(topology.order_down.size, topology.order_up.size)
        self._before_kw = np.zeros((n_nodes, n_classes))
        self._by_class, self._class_start, self._class_weight = _lay_out_classes(topology, n_classes)
        self._aim_kw, self._share, self._power_kw = np.zeros(n_assets), np.zeros(n_assets), np.zeros(n_assets)
        self._full = np.zeros((2, n_assets))
        self._hits = self._full if n_classes == 1 else np.zeros((2, n_assets))
        self._sums_kw, self._active = np.zeros((5, n_nodes)), np.zeros(n_nodes, dtype=np.int32)
        self._bands_down = np.zeros((1, topology.order_down.size))
        self._bands_up = np.zeros((1, topology.order_up.size))
        self._node_power_kw, self._node_price = np.zeros(n_nodes), np.zeros(n_nodes)

    def solve(self, state: State) -> Answer:
        """Clear one tick. Raises `InputError` only for numbers that mean nothing (NaN, crossed bounds)."""
        tree = self.topology
        self._bound(state)
        rounds = tick.clear(
            self._nodes, self._brackets, tree.asset_start, tree.weight, self._by_class, self._class_start,
            self._class_weight, tree.class_down, tree.class_up, tree.order_down, tree.order_up,
            state.min_kw, state.max_kw, self._aim_kw, self._full, self._hits, self._share, self._before_kw, self._sums_kw, self._bands_down, self._bands_up, self._active,
            self._power_kw, self._node_power_kw, self._node_price,
        )  # fmt: skip
        return Answer(tree, state, self._power_kw, self._node_power_kw, self._node_price, rounds)

    def flexibility_curve(self, state: State, *, most_points: int = 128) -> FlexibilityCurve:
        """What the whole tree would take as a function of the price from above, its own limits kept.

        At most `most_points` points; the curve says how far off (kW) that makes it. Raises as `solve` does.
        """
        tree = self.topology
        self._bound(state)
        events = np.zeros((4 * len(tree.asset_ids) + 2 * len(tree.node_ids) + 1, 3))
        count, start_kw = curve.merge_events(
            self._nodes, tree.first, tree.asset_start, tree.weight,
            tree.order_down[tree.class_down], tree.order_up[tree.class_up],
            state.min_kw, state.max_kw, state.target_kw, self._sums_kw, events[:-1],
        )  # fmt: skip
        return curve.draw(events, count, start_kw, most_points)

    def bounds(self, state: State) -> Bounds:
        """What each node's limits leave for the sum of its assets, contradictions resolved. Copies."""
        self._bound(state)
        return Bounds(self._nodes["lower"].copy(), self._nodes["upper"].copy(), self._nodes["frozen"].copy())

    def _bound(self, state: State) -> None:
        tree = self.topology
        if not len(state.min_kw) == len(state.max_kw) == len(state.target_kw) == len(tree.asset_ids):
            raise InputError("state", f"min_kw, max_kw and target_kw must have {len(tree.asset_ids)} elements")
        if not len(state.lower_kw) == len(state.upper_kw) == len(state.uncontrolled_kw) == len(tree.limits):
            raise InputError("state", f"lower_kw, upper_kw and uncontrolled_kw must have {len(tree.limits)} elements")
        wrong = tick.bound(
            self._nodes, self._tree, self._limits, tree.limit_start, tree.asset_start, tree.per_weight,
            state.lower_kw, state.upper_kw, state.uncontrolled_kw, state.min_kw, state.max_kw, state.target_kw,
            self._layers, self._aim_kw, self._full, self._sums_kw, self._kinks, self._active,
        )  # fmt: skip
        if wrong:
            raise unsound(tree, state)


def _lay_out_classes(topology: Topology, n_classes: int) -> tuple[Ints, Ints, Floats]:
    """The assets of each node class by class, down and up: who, where each class begins, what it weighs.

    [2, n_assets], [2, n_nodes, n_classes + 1], [2, n_nodes, n_classes].
    """
    n_nodes, home = len(topology.node_ids), topology.asset_node
    weighs, counts = np.zeros((2, n_nodes, n_classes)), np.zeros((2, n_nodes, n_classes + 1), dtype=np.int32)
    by_class = []
    for row, rank in enumerate((topology.class_down, topology.class_up)):
        np.add.at(weighs[row], (home, rank), topology.weight)
        np.add.at(counts[row], (home, rank + 1), 1)
        by_class.append(np.lexsort((rank, home)).astype(np.int32))
    counts[:, :, 0] = topology.asset_start[:-1]
    return np.array(by_class), np.cumsum(counts, axis=2, dtype=np.int32), weighs


def unsound(topology: Topology, state: State) -> InputError:
    """Which limit or asset has numbers that cannot be computed with."""
    ordered = (state.lower_kw <= state.upper_kw) & np.isfinite(state.uncontrolled_kw)
    if not ordered.all():
        limit = topology.limits[int(np.argmin(ordered))]
        return InputError(f"limit of node {limit.node}", "bounds must be numbers, lower <= upper")
    boxed = (state.min_kw <= state.max_kw) & np.isfinite(state.min_kw) & np.isfinite(state.max_kw)
    asset = topology.asset_ids[int(np.argmin(boxed & np.isfinite(state.target_kw)))]
    return InputError(f"asset {asset}", "min_kw <= max_kw and target_kw must be finite numbers")


def solve(topology: Topology, state: State) -> Answer:
    """Clear once, with buffers of its own. For each tick keep a `Solver`."""
    return Solver(topology).solve(state)
