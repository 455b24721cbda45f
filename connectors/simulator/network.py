"""The park's cables: which connections are below each node, so that a node's power is the sum of theirs.

Built from the hub itself, beside `hub.tree`, on purpose: the simulated cables are what the balancing is judged by.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from connectors.simulator.arrays import Ints
from hub.model import GROUP, PARK, GridLoop, Hub


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Nodes in fixed order: park, group; per grid loop itself, its arms, its segments; micro groups; connections."""

    node_ids: tuple[str, ...]
    below: Ints
    """[nodes, connections], 1 where the node carries the connection."""

    def node_w(self, connection_w: Ints) -> Ints:
        """Net power of every node [nodes] from that of the connections [connections], W."""
        return self.below @ connection_w


def arms_of(grid_loop: GridLoop) -> tuple[str, str]:
    """Ids of the two feeder meters of a ring.

    >>> arms_of(GridLoop(id="x", name="", sections=(), open_after=0, fallback_min_kw=0, fallback_max_kw=0))
    ('x/a', 'x/b')
    """
    return (f"{grid_loop.id}/a", f"{grid_loop.id}/b")


def build_network(hub: Hub) -> Network:
    """Lay the cables of a hub; connections keep the hub's order."""
    eans = [connection.ean for connection in hub.connections]
    members = {node: frozenset(below) for node, below in _nodes(hub)}
    below = np.array([[ean in carried for ean in eans] for carried in members.values()], dtype=np.int64)
    return Network(tuple(members), below)


def _nodes(hub: Hub) -> Iterator[tuple[str, list[str]]]:
    """Every node with the EANs it carries."""
    yield PARK, [connection.ean for connection in hub.connections]
    yield GROUP, [connection.ean for connection in hub.connections if connection.member]
    for grid_loop in hub.grid_loops:
        yield from _ring_nodes(hub, grid_loop)
    groups = dict.fromkeys(connection.micro_group for connection in hub.connections if connection.micro_group)
    for group in groups:
        yield group, [connection.ean for connection in hub.connections if connection.micro_group == group]
    for connection in hub.connections:
        yield connection.ean, [connection.ean]


def _ring_nodes(hub: Hub, grid_loop: GridLoop) -> Iterator[tuple[str, list[str]]]:
    """A ring cut at its open point: two chains, each segment carrying everything on its far side."""
    on_section: dict[str, list[str]] = {section.id: [] for section in grid_loop.sections}
    for connection in hub.connections:
        if connection.grid_loop == grid_loop.id:
            on_section[connection.section].append(connection.ean)
    sections = [section.id for section in grid_loop.sections]
    # From each feeder outwards to the open point: arm b begins at the ring's other end.
    chains = (sections[: grid_loop.open_after], sections[grid_loop.open_after :][::-1])
    yield grid_loop.id, [ean for section in sections for ean in on_section[section]]
    for arm, chain in zip(arms_of(grid_loop), chains, strict=True):
        yield arm, [ean for section in chain for ean in on_section[section]]
        for at, section in enumerate(chain):
            yield section, [ean for further in chain[at:] for ean in on_section[further]]
