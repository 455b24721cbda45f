"""The tree of a park: which node's power is part of which, for the open points the hub states.

park → group → grid loop → arm → chain of segments → micro group → connection. A segment carries everything downstream
of it, so the segments of an arm hang one below the other, from the feeder to the open point. Nodes are in topological
order: a parent always stands before its children.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from hub.model import GROUP, PARK, STATION, Asset, Connection, Hub, Measured, NodeKind, NodeLimit, Section
from hub.open_point import contested, open_point_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Node:
    """One node; its id is that of its limits, its telemetry and its loading."""

    id: str
    parent: str | None
    """None for the root."""
    kind: NodeKind
    measured: Measured
    grid_loop: str | None
    """The grid loop it is in; None above the loops."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A park, or one grid loop of it, as a tree."""

    nodes: tuple[Node, ...]
    """In topological order, the root first."""
    limits: Mapping[str, tuple[NodeLimit, ...]]
    """By node id; a node without limits is absent."""
    assets: Mapping[str, tuple[Asset, ...]]
    """By the EAN of their connection; a connection without assets is absent."""
    members: frozenset[str]
    """EANs that the group contract counts."""
    meters: Mapping[str, tuple[str, ...]]
    """Ids to expect in telemetry by gateway: under each grid loop its connections, assets and two arm feeders; under
    `@station` park and group."""

    @property
    def root(self) -> Node:
        """The node above all others."""
        return self.nodes[0]

    @cached_property
    def by_id(self) -> Mapping[str, Node]:
        """The nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Ids of the nodes directly below each node; a leaf is absent."""
        below: dict[str, list[str]] = {}
        for node in self.nodes[1:]:
            if node.parent is not None:
                below.setdefault(node.parent, []).append(node.id)
        return {parent: tuple(ids) for parent, ids in below.items()}

    def path(self, node_id: str) -> tuple[str, ...]:
        """Ids from a node up to the root, both included.

        Raises:
            KeyError: there is no such node.
        """
        ids = []
        parent: str | None = node_id
        while parent is not None:
            ids.append(parent)
            parent = self.by_id[parent].parent
        return tuple(ids)

    def connections_below(self, node_id: str) -> tuple[str, ...]:
        """EANs of all connections whose power a node carries, in tree order."""
        carried = {node_id}
        eans = []
        for node in self.nodes:
            if node.id in carried or node.parent in carried:
                carried.add(node.id)
                if node.kind is NodeKind.CONNECTION:
                    eans.append(node.id)
        return tuple(eans)

    def subtree(self, grid_loop: str) -> "Tree":
        """Return the tree of one grid loop, with the loop as its root.

        Raises:
            KeyError: there is no such grid loop.
        """
        meters = {grid_loop: self.meters[grid_loop]}
        inside = [node for node in self.nodes if node.grid_loop == grid_loop]
        ids = {node.id for node in inside}
        return Tree(
            nodes=(replace(inside[0], parent=None), *inside[1:]),
            limits={node: limits for node, limits in self.limits.items() if node in ids},
            assets={ean: assets for ean, assets in self.assets.items() if ean in ids},
            members=self.members & ids,
            meters=meters,
        )


def build_tree(hub: Hub) -> Tree:
    """Build the tree of a hub that was read and checked by `hub.folder`.

    Raises:
        ValueError: a connection or a micro group is not in one section of its loop (a hub made by hand, unchecked).
    """
    nodes = [
        Node(PARK, None, NodeKind.PARK, Measured.METER, None),
        Node(GROUP, PARK, NodeKind.GROUP, Measured.METER, None),
    ]
    for grid_loop in hub.grid_loops:
        nodes += loop_nodes(hub, grid_loop.id)
    _assert_a_tree(nodes, hub)
    return Tree(
        nodes=tuple(nodes),
        limits=_grouped((limit.node, limit) for limit in hub.limits),
        assets=_grouped((asset.ean, asset) for asset in hub.assets),
        members=frozenset(connection.ean for connection in hub.connections if connection.member),
        meters=_meters(hub, nodes),
    )


def loop_nodes(hub: Hub, grid_loop_id: str) -> Iterator[Node]:
    """Yield the nodes of one grid loop, itself first, as they stand in the tree of the park.

    A loop has no meter of its own: it is the sum of its two arms' feeders. While the open point is not confirmed the arms
    end at the first section that may hang on either; such sections stand below the loop, each for itself.
    """
    grid_loop = next(loop for loop in hub.grid_loops if loop.id == grid_loop_id)
    connections = [connection for connection in hub.connections if connection.grid_loop == grid_loop_id]
    yield Node(grid_loop.id, GROUP, NodeKind.GRID_LOOP, Measured.SUM, grid_loop.id)
    open_point = open_point_of(hub, grid_loop)
    arm_a = grid_loop.sections[: open_point.first]
    arm_b = grid_loop.sections[open_point.last :][::-1]  # from feeder b inwards
    for name, chain in (("a", arm_a), ("b", arm_b)):
        arm = f"{grid_loop.id}/{name}"
        yield Node(arm, grid_loop.id, NodeKind.ARM, Measured.METER, grid_loop.id)
        parent = arm
        for section in chain:
            yield Node(section.id, parent, NodeKind.SEGMENT, Measured.SUM, grid_loop.id)
            yield from _section_nodes(section, [c for c in connections if c.section == section.id])
            parent = section.id
    for section in contested(grid_loop, open_point):
        yield Node(section.id, grid_loop.id, NodeKind.SEGMENT, Measured.SUM, grid_loop.id)
        yield from _section_nodes(section, [c for c in connections if c.section == section.id])


def _section_nodes(section: Section, connections: list[Connection]) -> Iterator[Node]:
    groups = dict.fromkeys(c.micro_group for c in connections if c.micro_group is not None)
    for group in groups:
        yield Node(group, section.id, NodeKind.MICRO_GROUP, Measured.SUM, connections[0].grid_loop)
    for connection in connections:
        parent = connection.micro_group or section.id
        yield Node(connection.ean, parent, NodeKind.CONNECTION, Measured.METER, connection.grid_loop)


def _assert_a_tree(nodes: list[Node], hub: Hub) -> None:
    ids = {node.id for node in nodes}
    if len(ids) != len(nodes):
        raise ValueError("an id is there twice, or a micro group crosses sections: the limits are no tree")
    for connection in hub.connections:
        if connection.ean not in ids:
            raise ValueError(f"connection {connection.ean} is in no section: read the hub with hub.folder.read_hub")


def _meters(hub: Hub, nodes: list[Node]) -> dict[str, tuple[str, ...]]:
    loop_of = {connection.ean: connection.grid_loop for connection in hub.connections}
    meters = {STATION: [PARK, GROUP]} | {grid_loop.id: [] for grid_loop in hub.grid_loops}
    for node in nodes:
        if node.grid_loop is not None and node.measured is Measured.METER:
            meters[node.grid_loop].append(node.id)
    for asset in hub.assets:
        meters[loop_of[asset.ean]].append(asset.id)
    return {gateway: tuple(ids) for gateway, ids in meters.items()}


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
