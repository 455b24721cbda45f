"""The clearing: a price for every node, so that every node's sum is within its bounds and no price is moved idly.

Proof in four lines. Within its bounds [A, B] a subtree answers a price from above as if there were no limit, at the
nearest price that keeps its sum in [A, B]; so each node v has an interval of prices [a_v, b_v] and

    price_v = min(max(price_parent, a_v), b_v),      price above the root = 0.

Those prices and sums satisfy the Kuhn-Tucker conditions of "move each asset as little as its order and weight ask,
subject to the bounds", which is convex: so the sums are the optimum. (Hochbaum and Hong 1995 for trees; the interval
form is Kok's aggregated bid, cut off at a node's limits.)

No interval is needed in full, only the price that arrives. It is found in three steps:

1. `settle`: at price 0 every asset is at its target; one sweep up gives each node's sum, cut to its bounds.
2. `take_sides`: a node whose sum was cut needs a price and is *held* at its bound; what hangs below it *follows*. All
   prices under a node held at its import bound are negative, at its export bound positive: so each node has a side,
   and what is sought is only how far its assets *give way*, kW >= 0, to that side.
3. `search` (in its own file): all held nodes look for their price together.

`place` then sets the assets.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from balancer.compiled import compiled
from balancer.response import press
from balancer.topology import Floats, Ints

FOLLOWS, HELD_NEAR, HELD_FAR = 0, 1, 2
"""A node follows the price above it, or is held at its near bound (met first when pressed) or at its far bound."""

SAME = 1e-14
"""Two sums that differ by less, relatively, are equal: some rounding errors of a sum of a few thousand terms."""

NodeRecord = np.dtype(
    [
        ("parent", np.int32),
        ("side", np.int32),  # -1 its price is negative, its assets take less; 0 at rest; 1 they take more
        ("held", np.int32),
        ("leads", np.int32),  # the held node whose price it follows; itself if it is held
        ("near", np.float64),  # give-way at which its near bound stops holding it, kW; <= 0: it does not hold it
        ("far", np.float64),  # give-way at which its far bound begins to hold it, kW
        ("fixed", np.float64),  # give-way of what is decided: fixed + slope * pressure, kW
        ("slope", np.float64),
        ("given", np.float64),  # give-way at the price tried, kW
        ("moving", np.float64),  # its slope there: the weight that still moves
        ("open_begin", np.int32),  # its undecided assets, in the order of the search
        ("open_end", np.int32),
        ("open_children", np.int32),  # how many followers are undecided
        ("banded", np.int32),  # whether its assets of other classes than the moving one are decided already
        ("frozen", np.int32),  # its own assets are at a bound whatever the price (layers): -1 lowest, 1 highest
        ("lower", np.float64),  # hard bounds of the sum of its assets, kW
        ("upper", np.float64),
        ("rest", np.float64),  # that sum at price 0, kW; its children cut to their bounds, itself not
        ("pressure", np.float64),  # in the end, its price
        ("band", np.int32),
    ],
    align=True,
)
"""What the clearing knows of a node. Prices are (band, pressure) of `response`."""

Record = Any
Records = NDArray[Any]


def records(count: int, fields: np.dtype[Any]) -> Records:
    """So many empty records. In plain Python their fields can be named only in this guise, which makes calls slow."""
    empty = np.zeros(count, dtype=fields)
    return empty.view(np.recarray) if numba.config.DISABLE_JIT else empty  # type: ignore[attr-defined]


@compiled
def settle(nodes: Records, sum_target_kw: Floats) -> None:
    """Step 1: the sum of each node at price 0."""
    for v in range(nodes.size):
        nodes[v].rest = sum_target_kw[v]
    for v in range(nodes.size - 1):
        node = nodes[v]
        nodes[node.parent].rest += min(max(node.rest, node.lower), node.upper)


@compiled
def take_sides(nodes: Records) -> tuple[int, int]:
    """Step 2: the side of each node, and after how much give-way its bounds hold it. Counts the nodes of either side."""
    downs = ups = 0
    for v in range(nodes.size - 1, -1, -1):
        node = nodes[v]
        pressed = nodes[node.parent].side if node.parent >= 0 else 0
        over = node.rest - node.upper
        under = node.lower - node.rest
        node.side = pressed
        node.held = FOLLOWS
        met = SAME * abs(node.rest)
        if pressed >= 0 and over > met:
            node.side = -1
            node.held = HELD_NEAR
        elif pressed <= 0 and under > met:
            node.side = 1
            node.held = HELD_NEAR
        node.near = over if node.side < 0 else under
        node.far = -under if node.side < 0 else -over
        downs += node.side < 0
        ups += node.side > 0
    return downs, ups


@compiled
def place(
    nodes: Records,
    asset_start: Ints,
    weight: Floats,
    class_down: Ints,
    class_up: Ints,
    min_kw: Floats,
    max_kw: Floats,
    aim_kw: Floats,
    power_kw: Floats,
) -> None:
    """Each asset at the price of its node, kW. Neighbouring nodes of one price are set at once."""
    v = 0
    while v < nodes.size:
        node = nodes[v]
        begin = asset_start[v]
        v += 1
        while v < nodes.size and same_price(node, nodes[v]):
            v += 1
        end = asset_start[v]
        if node.frozen != 0:
            for i in range(np.uint64(begin), np.uint64(end)):
                power_kw[i] = min_kw[i] if node.frozen < 0 else max_kw[i]
        elif node.side == 0:
            for i in range(np.uint64(begin), np.uint64(end)):
                power_kw[i] = aim_kw[i]
        else:
            press(
                node.side, node.band, node.pressure, begin, end, class_down if node.side < 0 else class_up, weight,
                min_kw, max_kw, aim_kw, power_kw,
            )  # fmt: skip


@compiled
def same_price(one: Record, other: Record) -> bool:
    """Whether two nodes press their assets alike."""
    if one.frozen != other.frozen or one.side != other.side:
        return False
    return bool(one.band == other.band and one.pressure == other.pressure)


@compiled
def sum_nodes(nodes: Records, asset_start: Ints, power_kw: Floats, node_power_kw: Floats) -> None:
    """The sum of the assets below each node, kW."""
    node_power_kw[:] = 0.0
    for v in range(nodes.size):
        total_kw = node_power_kw[v]
        for i in range(np.uint64(asset_start[v]), np.uint64(asset_start[v + 1])):
            total_kw += power_kw[i]
        node_power_kw[v] = total_kw
        if nodes[v].parent >= 0:
            node_power_kw[nodes[v].parent] += total_kw


@compiled
def quote(
    nodes: Records, order_down: Ints, order_up: Ints, bands_down: Floats, bands_up: Floats, price: Floats
) -> None:
    """Each node's price as one number, sign included: the order that moves + the part of its band that is used."""
    for v in range(nodes.size):
        node = nodes[v]
        if node.frozen != 0:
            orders = order_down if node.frozen < 0 else order_up
            price[v] = node.frozen * (orders[orders.size - 1] + 1.0)
        elif node.side == 0:
            price[v] = 0.0
        else:
            orders = order_down if node.side < 0 else order_up
            end = bands_down[0, node.band] if node.side < 0 else bands_up[0, node.band]
            price[v] = node.side * (orders[node.band] + (min(node.pressure / end, 1.0) if end > 0.0 else 0.0))
