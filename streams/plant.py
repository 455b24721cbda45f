"""One grid loop as the tick sees it: its nodes, points, assets and limits as arrays, laid out once per open point.

Nodes are in topological order, parents first; node 0 is the grid loop itself. Fixed until the open point moves; what is
measured lives in `streams.fold`, what follows from it in `streams.estimate`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.model import Asset as KernelAsset
from balancer.model import Node as KernelNode
from balancer.topology import Topology
from hub.meters import patience_s
from hub.model import PARK, Asset, AssetKind, Connection, Hub, Measured, NodeLimit
from hub.open_point import carried, contested, open_point_of, share_out
from hub.tree import Node, build_tree, loop_nodes
from streams.bounds import BUDGET_BOUNDS, BoundRows, Floats, Indices, compile_bounds, indices, lay_out_bounds
from streams.columns import Points
from streams.messages import Bound

ABSURD_FACTOR: Final = 2.0
"""A reading above this many times what the point can carry is refused; short circuits are the relay's business."""

PHASES: Final = 3
"""Of every connection: a large consumer has no other."""

_BOUND: Final = {AssetKind.PV: Bound.AT_LEAST, AssetKind.BATTERY: Bound.EXACT}
"""Whatever else takes power is told a ceiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What the hub folder says of the assets, as arrays [n_assets]; fields as in `hub.model.Asset`."""

    min_kw: Floats
    max_kw: Floats
    rated_kw: Floats
    ramp_kw_per_s: Floats
    reversion_kw: Floats
    step_kw: Floats
    min_on_kw: Floats

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> "Devices":
        """Lay the assets' figures out."""
        return cls(**{f.name: np.array([getattr(asset, f.name) for asset in assets]) for f in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One grid loop laid out.

    | array | shape | meaning |
    |---|---|---|
    | parent | [n_nodes] | index of the node above, -1 for the loop |
    | meter | [n_nodes] | the point that measures the node, -1 where none does |
    | pair_node, pair_connection | [n_pairs] | which connection lies below which node, itself included |
    | connection_node | [n_connections] | the connection's own node |
    | quarter_node, quarter_connection | [n_more] | likewise, with what the node may have carried before in this quarter |
    | contract_kw | [n_connections] | contracted import |
    | asset_point, asset_connection | [n_assets] | the asset's point and connection |
    | is_pv, is_battery | [n_assets] | the asset's kind; all others only take power |
    | is_ceiling, is_floor | [n_assets] | a setpoint is the most, or the least, that the asset does |
    | bounds_at | [n_bounds] | position of each entry of `bounds` among the limits of the kernel's topology |
    """

    hub: Hub
    """Of which it is a part, its open points as they are now."""
    grid_loop: str
    points: Points
    node_ids: tuple[str, ...]
    parent: Indices
    meter: Indices
    arms_known: bool
    """Each section hangs on one feeder for certain; else the feeders' meters tell of the loop only, together."""
    patience_us: Floats
    """[n_points] How much longer than the hub's others its readings count as fresh: its meter is slow, or late."""
    connections: tuple[Connection, ...]
    connection_node: Indices
    contract_kw: Floats
    pair_node: Indices
    pair_connection: Indices
    quarter_node: Indices
    quarter_connection: Indices
    assets: tuple[Asset, ...]
    devices: Devices
    asset_point: Indices
    asset_connection: Indices
    is_pv: NDArray[np.bool_]
    is_battery: NDArray[np.bool_]
    is_ceiling: NDArray[np.bool_]
    is_floor: NDArray[np.bool_]
    phase_a: Floats
    """[n_nodes] What a phase of a connection carries; NaN of other nodes."""
    phase_kw_per_a: Floats
    """[n_nodes] Power of one ampere in one phase, by the connection's voltage."""
    asset_bound: tuple[Bound, ...]
    """How each asset's setpoints are meant."""
    bounds: BoundRows
    bounds_at: Indices
    topology: Topology

    def sum_up(self, per_connection: Floats) -> Floats:
        """[n_nodes] Sum over the connections below each node."""
        weights = per_connection[self.pair_connection]
        sums: Floats = np.bincount(self.pair_node, weights, len(self.node_ids)).astype(np.float64)
        return sums

    def sum_up_quarter(self, per_connection: Floats) -> Floats:
        """[n_nodes] Likewise of energies of this quarter: over all connections that a node carried in it."""
        weights = per_connection[self.quarter_connection]
        sums: Floats = np.bincount(self.quarter_node, weights, len(self.node_ids)).astype(np.float64)
        return sums

    def per_connection(self, per_asset: Floats) -> Floats:
        """[n_connections] Sum over the assets behind each connection."""
        sums: Floats = np.bincount(self.asset_connection, per_asset, len(self.connections)).astype(np.float64)
        return sums

    def with_limits(self, limits: Sequence[NodeLimit]) -> "Plant":
        """The same loop under other limits; those of nodes elsewhere are left out.

        The kernel's tree is laid out anew only where a node gets a limit in a layer and direction that it never had
        before; a place that was once used is kept without a bound.
        """
        index = {node: at for at, node in enumerate(self.node_ids)}
        found = {b.place: b for b in _own_bounds(self.hub, self.grid_loop, limits, index)}
        kept = [b if b.budget else found.pop(b.place, b.lifted()) for b in self.bounds]
        bounds = BoundRows([*kept, *found.values()])
        if not found:
            return replace(self, bounds=bounds)
        nodes = [
            KernelNode(node, None if above < 0 else self.node_ids[above])
            for node, above in zip(self.node_ids, self.parent.tolist(), strict=True)
        ]
        topology, bounds_at = compile_bounds(nodes, self.topology.assets, bounds)
        return replace(self, bounds=bounds, bounds_at=bounds_at, topology=topology)


def build_plant(hub: Hub, grid_loop: str, *, points: Points | None = None) -> Plant:
    """Lay out one grid loop of a hub; `PARK` is the whole park, as a simulation in steps of a quarter balances it.

    `points` are those of the same loop with another open point: their order is kept, so that what they said counts on.
    """
    nodes = build_tree(hub).nodes if grid_loop == PARK else tuple(loop_nodes(hub, grid_loop))
    index = {node.id: position for position, node in enumerate(nodes)}
    connections = tuple(c for c in hub.connections if c.ean in index)
    place = {connection.ean: position for position, connection in enumerate(connections)}
    assets = tuple(asset for asset in hub.assets if asset.ean in place and asset.kind.controllable)
    points = points or _points(nodes, connections, assets)
    point = points.index()
    pairs = [(above, place[c.ean]) for c in connections for above in _path(nodes, index, c.ean)]
    quarter_pairs = sorted({*pairs, *((index[node], place[ean]) for node, ean in _may_have_carried(hub, grid_loop))})
    bounds = BoundRows([*_own_bounds(hub, grid_loop, hub.limits, index), *BUDGET_BOUNDS])
    topology, bounds_at = compile_bounds(
        [KernelNode(node.id, node.parent if node.parent in index else None) for node in nodes],
        [_kernel_asset(asset) for asset in assets],
        bounds,
    )
    patient_s = {c.ean: patience_s(hub.timing, c) for c in connections}
    by_id = {asset.id: asset for asset in assets}
    assets = tuple(by_id[asset_id] for asset_id in topology.asset_ids)
    asset_bound = tuple(_BOUND.get(asset.kind, Bound.AT_MOST) for asset in assets)
    return Plant(
        hub=hub,
        grid_loop=grid_loop,
        points=points,
        node_ids=tuple(node.id for node in nodes),
        parent=indices(index.get(node.parent or "", -1) for node in nodes),
        meter=indices(point[node.id] if node.measured is Measured.METER else -1 for node in nodes),
        arms_known=all(
            contested(loop, open_point_of(hub, loop)) == () for loop in hub.grid_loops if loop.id == grid_loop
        ),
        patience_us=1e6 * np.array([patient_s.get(name, 0.0) for name in points.ids]),
        connections=connections,
        connection_node=indices(index[c.ean] for c in connections),
        contract_kw=np.array([c.contract_import_kw for c in connections]),
        pair_node=indices(above for above, _ in pairs),
        pair_connection=indices(below for _, below in pairs),
        quarter_node=indices(above for above, _ in quarter_pairs),
        quarter_connection=indices(below for _, below in quarter_pairs),
        assets=assets,
        devices=Devices.of(assets),
        asset_point=indices(point[asset.id] for asset in assets),
        asset_connection=indices(place[asset.ean] for asset in assets),
        is_pv=np.array([asset.kind is AssetKind.PV for asset in assets], np.bool_),
        is_battery=np.array([asset.kind is AssetKind.BATTERY for asset in assets], np.bool_),
        is_ceiling=np.array([bound is Bound.AT_MOST for bound in asset_bound], np.bool_),
        is_floor=np.array([bound is Bound.AT_LEAST for bound in asset_bound], np.bool_),
        phase_a=_per_node(nodes, {c.ean: c.capacity_a for c in connections}),
        phase_kw_per_a=_per_node(nodes, {c.ean: c.capacity_kva / c.capacity_a / PHASES for c in connections}),
        asset_bound=asset_bound,
        bounds=bounds,
        bounds_at=bounds_at,
        topology=topology,
    )


def _own_bounds(hub: Hub, grid_loop: str, limits: Iterable[NodeLimit], index: Mapping[str, int]) -> BoundRows:
    """The limits of its own nodes, which hold wherever its open point may lie."""
    own = [limit for limit in limits if limit.node in index]
    ring = next((loop for loop in hub.grid_loops if loop.id == grid_loop), None)
    if ring is None:
        return lay_out_bounds(own, index)
    shared = share_out(hub, ring, open_point_of(hub, ring), own)
    return lay_out_bounds(shared.limits, index, shared.reserved_kw)


def _may_have_carried(hub: Hub, grid_loop: str) -> Iterator[tuple[str, str]]:
    """Sections and connections that hung below them in this quarter, where the ring is or may have been open."""
    for ring in hub.grid_loops:
        open_point = hub.open_points.get(ring.id)
        if ring.id == grid_loop and open_point is not None:
            eans = {
                section.id: [c.ean for c in hub.connections if c.section == section.id] for section in ring.sections
            }
            for position in {*open_point.positions, *open_point.earlier}:
                below = carried(ring, position)
                yield from ((node, ean) for node in eans for section in below[node] for ean in eans[section])


def _points(nodes: Sequence[Node], connections: Sequence[Connection], assets: Sequence[Asset]) -> Points:
    carries_kw = {connection.ean: connection.capacity_kva for connection in connections}
    total_kw = sum(carries_kw.values())
    most_kw = {node.id: carries_kw.get(node.id, total_kw) for node in nodes if node.measured is Measured.METER}
    most_kw |= {asset.id: asset.rated_kw for asset in assets}
    return Points(tuple(most_kw), np.array([ABSURD_FACTOR * power_kw for power_kw in most_kw.values()]))


def _per_node(nodes: Sequence[Node], values: Mapping[str, float]) -> Floats:
    return np.array([values.get(node.id, np.nan) for node in nodes])


def _path(nodes: Sequence[Node], index: dict[str, int], node_id: str) -> list[int]:
    path = []
    at: str | None = node_id
    while at in index:
        path.append(index[at])
        at = nodes[index[at]].parent
    return path


def _kernel_asset(asset: Asset) -> KernelAsset:
    return KernelAsset(
        id=asset.id,
        node=asset.ean,
        min_kw=asset.min_kw,
        max_kw=asset.max_kw,
        weight=asset.weight,
        order_down=asset.order_down,
        order_up=asset.order_up,
    )
