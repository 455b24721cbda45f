"""The search for all prices at once, in rounds.

In a round every held node tries a price, and its followers with it. A sweep up sums what they give way by; a sweep
down tells each held node whether its price lies before or beyond the one tried. With that a follower knows whether
its own bound holds it between there and the price of its parent; then it is held too, and looks for its own price
from the next round on. A node whose price is exact is done. So nodes of all depths search at the same time.

A bracket [low, high] of prices closes in on each price. Every third step halves it, so the number of rounds is bounded
whatever the tree looks like; usually there are about ten.
"""

import numpy as np

from balancer.bracket import next_price
from balancer.clearing import FOLLOWS, HELD_FAR, HELD_NEAR, Record, Records
from balancer.compiled import compiled
from balancer.response import given_way
from balancer.topology import Floats, Ints

BEFORE, EXACT, BEYOND = -1, 0, 1
"""Where a price lies, seen from the price tried: nearer to 0, there, or farther from it."""

SAME = 1e-14
"""Two sums that differ by less, relatively, are equal: some rounding errors of a sum of a few thousand terms."""

ROUNDING = 2e-16
"""A sum of kW is not known better than this times itself."""

MOST_ROUNDS = 2000
"""Never reached: a third of them halve each bracket, and between any two floats lie fewer halvings than that."""


@compiled
def search(
    nodes: Records,
    active: Ints,
    asset_start: Ints,
    weight: Floats,
    class_down: Ints,
    class_up: Ints,
    reach_down_kw: Floats,
    reach_up_kw: Floats,
    end_down: Floats,
    end_up: Floats,
) -> int:
    """Find the price of every node that has a side. Returns the number of rounds.

    `active` [n_nodes] is scratch: the nodes whose price is still open, in post-order, at its end.
    """
    begin = open_brackets(nodes, active, end_down, end_up)
    step = 0
    while begin < active.size and step < MOST_ROUNDS:
        sweep_up(
            nodes, active[begin:], asset_start, weight, class_down, class_up, reach_down_kw, reach_up_kw
        )  # fmt: skip
        begin = sweep_down(nodes, active, begin, step, end_down, end_up)
        step += 1
    return step


@compiled
def compare(node: Record, need_kw: float) -> int:
    """Where the price of a held node lies: it should give way by `need_kw`, and gave way by `node.given`."""
    if abs(node.given - need_kw) <= SAME * need_kw + ROUNDING * abs(node.rest):
        return EXACT
    if node.band == node.high_band and node.pressure >= node.high:  # nothing lies farther, or nothing in between
        return BEFORE if np.isnan(node.high_given) and node.given > need_kw else EXACT
    return BEFORE if node.given > need_kw else BEYOND


@compiled
def narrow(node: Record, ends: Floats) -> None:
    """Take the price tried as the new end of the bracket. The start of a band is the end of the band before it."""
    if node.lies == BEYOND:
        node.low_band = node.band
        node.low = node.pressure
        node.low_given = node.given
        node.low_moving = node.moving
    elif node.pressure > 0.0 or node.band == 0:
        node.high_band = node.band
        node.high = node.pressure
        node.high_given = node.given
        node.high_moving = node.moving
    else:
        node.high_band = node.band - 1
        while node.high_band > 0 and ends[node.high_band] == 0.0:  # nobody in this class can move
            node.high_band -= 1
        node.high = ends[node.high_band]
        node.high_given = node.given
        node.high_moving = 0.0


@compiled
def choose(node: Record, step: int, need_kw: float) -> None:
    """The price to try next."""
    node.band, node.pressure = next_price(
        step, need_kw,
        node.low_band, node.low, node.low_given, node.low_moving,
        node.high_band, node.high, node.high_given, node.high_moving,
    )  # fmt: skip


@compiled
def open_brackets(nodes: Records, active: Ints, end_down: Floats, end_up: Floats) -> int:
    """Everything that has a side is open, between price 0 and the end of the last band."""
    begin = active.size
    for v in range(nodes.size - 1, -1, -1):
        node = nodes[v]
        node.band = 0
        node.pressure = 0.0
        if node.side == 0:
            continue
        ends = end_down if node.side < 0 else end_up
        node.fixed = 0.0
        node.low_band = 0
        node.low = node.low_given = node.low_moving = 0.0
        node.high_band = ends.size - 1
        node.high = ends[ends.size - 1] * (1.0 + 1e-15)
        node.high_given = np.nan
        node.high_moving = 0.0
        if node.held == FOLLOWS:
            node.band, node.pressure = nodes[node.parent].band, nodes[node.parent].pressure
        else:
            choose(node, 0, node.near)
        begin -= 1
        active[begin] = v
    return begin


@compiled
def sweep_up(
    nodes: Records,
    active: Ints,
    asset_start: Ints,
    weight: Floats,
    class_down: Ints,
    class_up: Ints,
    reach_down_kw: Floats,
    reach_up_kw: Floats,
) -> None:
    """What each open node gives way by at the price it tries, and how much weight still moves there."""
    for v in active:
        nodes[v].given = nodes[v].fixed
        nodes[v].moving = 0.0
    for v in active:
        node = nodes[v]
        first, last = asset_start[v], asset_start[v + 1]
        if node.side < 0:
            given, moving = given_way(first, last, node.band, node.pressure, reach_down_kw, weight, class_down)
        else:
            given, moving = given_way(first, last, node.band, node.pressure, reach_up_kw, weight, class_up)
        if node.frozen == 0:
            node.given += given
            node.moving += moving
        if node.held == FOLLOWS:
            above = nodes[node.parent]
            start = max(node.near, 0.0)
            above.given += max(min(node.given, node.far) - start, 0.0)
            if start <= node.given < node.far:
                above.moving += node.moving


@compiled
def sweep_down(nodes: Records, active: Ints, begin: int, step: int, end_down: Floats, end_up: Floats) -> int:
    """Close in on each open price; hold the followers whose own bound holds them. Returns the new begin of `active`."""
    left = active.size
    for j in range(active.size - 1, begin - 1, -1):
        v = active[j]
        node = nodes[v]
        if node.held == FOLLOWS:
            above = nodes[node.parent]
            lies = above.lies
            if lies != BEYOND and node.near > 0.0 and node.given < node.near:
                node.held = HELD_NEAR
                lies = BEYOND
            elif lies != BEFORE and node.given > node.far:
                node.held = HELD_FAR
                above.fixed += node.far - max(node.near, 0.0)
                lies = BEFORE
        else:
            lies = compare(node, node.near if node.held == HELD_NEAR else node.far)
        node.lies = lies
        if lies == EXACT:
            continue
        narrow(node, end_down if node.side < 0 else end_up)
        if node.held == FOLLOWS:
            above = nodes[node.parent]
            node.band = above.band
            node.pressure = above.pressure
        else:
            choose(node, step, node.near if node.held == HELD_NEAR else node.far)
        left -= 1
        active[left] = v
    return left
