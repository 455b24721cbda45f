"""The fixed part of a problem, laid out once for the loops that run each tick.

Struct of arrays. Nodes are in *post-order*: children before parents, the root last, so one loop forwards carries sums
up the tree, one loop backwards carries prices down, and the nodes below node v are `first[v] .. v - 1`. Assets and
limits lie together by node. The caller fills its state arrays in the order of `asset_ids` and `limits`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balancer.model import Asset, InputError, Limit, Node
from balancer.validate import check_input

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Topology:
    """A tree with its assets and limits, numbered in post-order.

    | array | shape | meaning |
    |---|---|---|
    | parent | [n_nodes] | index of the node towards the station, -1 for the root |
    | first | [n_nodes] | lowest index in the subtree of a node |
    | asset_start | [n_nodes + 1] | assets of node v are asset_start[v] .. asset_start[v + 1] - 1 |
    | limit_start | [n_nodes + 1] | the same for limits |
    | limit_layer | [n_limits] | `Layer` |
    | weight, per_weight | [n_assets] | share in a class, and 1 / weight |
    | class_down, class_up | [n_assets] | rank of the asset's order among the orders in use |
    | order_down, order_up | [n_classes] | the order of each rank |
    """

    node_ids: tuple[str, ...]
    asset_ids: tuple[str, ...]
    limits: tuple[Limit, ...]
    assets: tuple[Asset, ...]
    parent: Ints
    first: Ints
    asset_start: Ints
    asset_node: Ints
    limit_start: Ints
    limit_node: Ints
    limit_layer: Ints
    weight: Floats
    per_weight: Floats
    class_down: Ints
    class_up: Ints
    order_down: Ints
    order_up: Ints

    def path(self, node: int) -> list[int]:
        """The node and those above it, up to the root."""
        above = []
        while node >= 0:
            above.append(node)
            node = int(self.parent[node])
        return above


def compile_topology(nodes: Sequence[Node], limits: Sequence[Limit], assets: Sequence[Asset]) -> Topology:
    """Lay a problem out. Raises `InputError` for whatever breaks a rule of `validate`, cycles included."""
    check_input(nodes, limits, assets)
    order, first = _post_order(nodes)
    index = {node_id: v for v, node_id in enumerate(order)}
    above = {node.id: node.parent for node in nodes}
    parent = [-1 if (up := above[node_id]) is None else index[up] for node_id in order]
    assets = sorted(assets, key=lambda asset: index[asset.node])
    limits = sorted(limits, key=lambda limit: index[limit.node])
    asset_node = _ints([index[asset.node] for asset in assets])
    limit_node = _ints([index[limit.node] for limit in limits])
    weight = np.array([asset.weight for asset in assets], dtype=np.float64)
    order_down, class_down = _ranks([asset.order_down for asset in assets])
    order_up, class_up = _ranks([asset.order_up for asset in assets])
    return Topology(
        node_ids=tuple(order),
        asset_ids=tuple(asset.id for asset in assets),
        limits=tuple(limits),
        assets=tuple(assets),
        parent=_ints(parent),
        first=_ints(first),
        asset_start=_starts(asset_node, len(order)),
        asset_node=asset_node,
        limit_start=_starts(limit_node, len(order)),
        limit_node=limit_node,
        limit_layer=_ints([limit.layer for limit in limits]),
        weight=weight,
        per_weight=1.0 / weight,
        class_down=class_down,
        class_up=class_up,
        order_down=order_down,
        order_up=order_up,
    )


def _post_order(nodes: Sequence[Node]) -> tuple[list[str], list[int]]:
    """Node ids, children before parents, and for each the index at which its subtree begins."""
    children: dict[str | None, list[str]] = defaultdict(list)
    for node in nodes:
        children[node.parent].append(node.id)
    order: list[str] = []
    first: list[int] = []
    begun: dict[str, int] = {}
    todo = [children[None][0]]
    while todo:
        node_id = todo[-1]
        if node_id in begun:
            order.append(todo.pop())
            first.append(begun[node_id])
        else:
            begun[node_id] = len(order)
            todo.extend(reversed(children[node_id]))
    if len(order) < len(nodes):
        lost = next(node.id for node in nodes if node.id not in begun)
        raise InputError(f"node {lost}", "its parents form a cycle")
    return order, first


def _ranks(orders: list[int]) -> tuple[Ints, Ints]:
    """The orders in use, ascending, and the rank of each asset's order among them."""
    used, rank = np.unique(np.array(orders, dtype=np.int32), return_inverse=True)
    return used.astype(np.int32), rank.astype(np.int32)


def _starts(owner: Ints, n_nodes: int) -> Ints:
    """Where the block of each owner begins in an array sorted by owner."""
    return np.searchsorted(owner, np.arange(n_nodes + 1)).astype(np.int32)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int32)
