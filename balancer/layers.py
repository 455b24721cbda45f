"""Contradictory limits: which give way, and by how much, layer by layer, exactly.

First the total violation of the highest layer is made least, then, without giving any of it up, the next layer's. One
layer is a linear programme on the tree with a price of a whole number per node: what one more kW of the node's sum
would save in violations of this layer. `kinks` finds those prices bottom-up; they are carried down; and whatever has
a price beyond what a limit costs gives way. The solutions of a layer are then exactly those sums which

    stay on the side of each limit (kept: within it; giving way: beyond it) that the price says, and
    have the assets at a node whose price is not 0 at a bound ("frozen"),

which are bounds on the same tree again (complementary slackness). So the next layer is solved within them, and in the
end the clearing decides what is left to decide by the assets' order. No penalty constants are added up anywhere.

Only subtrees below a contradiction are looked into: elsewhere the price is 0 and every limit is kept.
"""

import numpy as np

from balancer.clearing import Record, Records
from balancer.compiled import compiled
from balancer.kinks import ALWAYS, NEVER, add_list, bend, cap_list, lift_list, slope_at
from balancer.topology import Floats, Ints

SAME = 1e-12
"""Bounds that cross by less, relatively, do not contradict: they met exactly before rounding."""


@compiled
def crossed(low: float, high: float) -> bool:
    """Whether a lower bound is above an upper one, by more than rounding."""
    return low - high > SAME * (abs(low) + abs(high))


@compiled
def contradicts(nodes: Records, sums_kw: Floats) -> bool:
    """Whether the bounds of all nodes cannot be met at once. The last two rows of `sums_kw` are scratch."""
    low, high = sums_kw[3], sums_kw[4]
    low[:] = sums_kw[0]
    high[:] = sums_kw[1]
    for v in range(nodes.size):
        node = nodes[v]
        least = max(low[v], node.lower)
        most = min(high[v], node.upper)
        if crossed(least, most):
            return True
        if node.parent >= 0:
            low[node.parent] += least
            high[node.parent] += most
    return False


@compiled
def resolve(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layers: Ints,
    sums_kw: Floats,
    kinks: Floats,
    todo: Ints,
) -> None:
    """Replace each node's bounds by what its limits leave once the contradictions are resolved; freeze what must be.

    `layers` are those in use, highest first; `tree` [n_nodes], `limits` [n_limits] are what `plan` made; `kinks` [2, room], `todo` [n_nodes] are scratch.
    """
    sum_min_kw, sum_max_kw, sum_aim_kw = sums_kw[0], sums_kw[1], sums_kw[2]
    for v in range(nodes.size):
        nodes[v].lower = -np.inf
        nodes[v].upper = np.inf
    for layer in layers:
        climb(nodes, tree, limits, limit_start, layer, sum_min_kw, sum_max_kw, kinks, todo)
        descend(nodes, tree, limits, limit_start, layer, sum_min_kw, sum_max_kw, sum_aim_kw)


@compiled
def climb(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layer: int,
    sum_min_kw: Floats,
    sum_max_kw: Floats,
    kinks: Floats,
    todo: Ints,
) -> None:
    """For each node, where the least violation of this layer below it is reached; kinks only where it is not 0."""
    for v in range(nodes.size):
        tree[v].built = 0
        tree[v].least = sum_min_kw[v]
        tree[v].most = sum_max_kw[v]
    for v in range(nodes.size):
        node = tree[v]
        least = max(node.least, nodes[v].lower)
        most = min(node.most, nodes[v].upper)
        for k in range(limit_start[v], limit_start[v + 1]):
            if limits[k].layer == layer:
                least = max(least, limits[k].lower)
                most = min(most, limits[k].upper)
        if crossed(least, most):
            build_below(v, nodes, tree, limits, limit_start, layer, sum_min_kw, sum_max_kw, kinks, todo)
        else:
            node.least = least
            node.most = max(least, most)
        if nodes[v].parent >= 0:
            tree[nodes[v].parent].least += node.least
            tree[nodes[v].parent].most += node.most


@compiled
def build_below(
    top: int,
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layer: int,
    sum_min_kw: Floats,
    sum_max_kw: Floats,
    kinks: Floats,
    todo: Ints,
) -> None:
    """Find the kinks of `top` and of everything below it that is not built yet."""
    count = 0
    v = top
    while v >= tree[top].first:
        if tree[v].built:
            v = tree[v].first
        else:
            todo[count] = v
            count += 1
        v -= 1
    for j in range(count - 1, -1, -1):
        u = todo[j]
        gather(u, tree, sum_min_kw[u], sum_max_kw[u], kinks)
        right, left = lists(tree[u], kinks)
        bound(tree[u], right, left, nodes[u].lower, nodes[u].upper)
        for k in range(limit_start[u], limit_start[u + 1]):
            if limits[k].layer == layer:
                limits[k].slope_upper = price_limit(tree[u], right, left, limits[k].upper)
                limits[k].slope_lower = price_floor(tree[u], right, left, limits[k].lower)
        tree[u].most = right[0] if tree[u].n_right > 0 else tree[u].highest
        tree[u].least = -left[0] if tree[u].n_left > 0 else tree[u].lowest
        tree[u].built = 1


@compiled
def lists(node: Record, kinks: Floats) -> tuple[Floats, Floats]:
    """The kinks of a node to the right and, mirrored, to the left."""
    return kinks[0, node.slot : node.slot + node.room], kinks[1, node.slot : node.slot + node.room]


@compiled
def gather(v: int, tree: Records, sum_min_kw: float, sum_max_kw: float, kinks: Floats) -> None:
    """The node's own assets and its children side by side. The heavy child's list is taken over where it lies."""
    node = tree[v]
    right, left = lists(node, kinks)
    node.lowest, node.highest = sum_min_kw, sum_max_kw
    node.n_right = node.n_left = 0
    if node.heavy >= 0:
        heavy = tree[node.heavy]
        node.n_right = add_list(right, heavy.n_right, 0.0, right, 0, sum_max_kw)
        node.n_left = add_list(left, heavy.n_left, 0.0, left, 0, -sum_min_kw)
        node.lowest += heavy.lowest
        node.highest += heavy.highest
    child = v - 1
    while child >= node.first:
        if child != node.heavy:
            other = tree[child]
            other_right, other_left = lists(other, kinks)
            node.n_right = add_list(right, node.n_right, node.highest, other_right, other.n_right, other.highest)
            node.n_left = add_list(left, node.n_left, -node.lowest, other_left, other.n_left, -other.lowest)
            node.lowest += other.lowest
            node.highest += other.highest
        child = tree[child].first - 1


@compiled
def bound(node: Record, right: Floats, left: Floats, lower: float, upper: float) -> None:
    """Cut a node's function off at its hard bounds, which higher layers left, and note the slopes there."""
    node.slope_upper = node.slope_lower = NEVER
    if upper < node.highest:
        node.highest = max(upper, node.lowest)
        node.slope_upper = slope_at(right, node.n_right, left, node.n_left, node.highest)
        cap_list(right, node.n_right, node.highest)
        lift_list(left, node.n_left, -node.highest)
    if lower > node.lowest:
        node.lowest = min(lower, node.highest)
        node.slope_lower = slope_at(left, node.n_left, right, node.n_right, -node.lowest)
        cap_list(left, node.n_left, -node.lowest)
        lift_list(right, node.n_right, node.lowest)


@compiled
def price_limit(node: Record, right: Floats, left: Floats, upper: float) -> int:
    """Let every kW above `upper` cost 1. Returns the slope there: a higher price than that breaks the limit."""
    if upper >= node.highest:
        return NEVER
    at = max(upper, node.lowest)
    slope = slope_at(right, node.n_right, left, node.n_left, at)
    bend(right, node.n_right, left, node.n_left, at)
    node.n_right += 1
    return slope if upper >= node.lowest else ALWAYS


@compiled
def price_floor(node: Record, right: Floats, left: Floats, lower: float) -> int:
    """The same for every kW below `lower`, mirrored."""
    if lower <= node.lowest:
        return NEVER
    at = min(lower, node.highest)
    slope = slope_at(left, node.n_left, right, node.n_right, -at)
    bend(left, node.n_left, right, node.n_right, -at)
    node.n_left += 1
    return slope if lower <= node.highest else ALWAYS


@compiled
def descend(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layer: int,
    sum_min_kw: Floats,
    sum_max_kw: Floats,
    sum_aim_kw: Floats,
) -> None:
    """Carry the prices down: at each limit and hard bound the price says on which side of it the sum stays."""
    for v in range(nodes.size - 1, -1, -1):
        node = nodes[v]
        price = tree[node.parent].price if node.parent >= 0 else 0
        low, high = node.lower, node.upper
        for k in range(limit_start[v + 1] - 1, limit_start[v] - 1, -1):
            limit = limits[k]
            if limit.layer != layer:
                continue
            if tree[v].built and -price > limit.slope_lower:
                high = min(high, limit.lower)
                price += 1
            else:
                low = max(low, limit.lower)
            if tree[v].built and price > limit.slope_upper:
                low = max(low, limit.upper)
                price -= 1
            else:
                high = min(high, limit.upper)
        if tree[v].built and -price > tree[v].slope_lower:
            high = node.lower
            price = -tree[v].slope_lower
        if tree[v].built and price > tree[v].slope_upper:
            low = node.upper
            price = tree[v].slope_upper
        tree[v].price = price
        node.lower, node.upper = min(low, high), max(low, high)
        if price != 0 and node.frozen == 0:
            node.frozen = 1 if price > 0 else -1
            held = sum_max_kw[v] if price > 0 else sum_min_kw[v]
            sum_min_kw[v] = sum_max_kw[v] = sum_aim_kw[v] = held
