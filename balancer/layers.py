"""Contradictory limits: which give way, and by how much, layer by layer, exactly.

First the total violation of the highest layer is made least, then, without giving any of it up, the next layer's. One
layer is a linear programme on the tree with a price of a whole number per node: what one more kW of the node's sum
would save in violations of this layer. `kinks` finds those prices bottom-up; they are carried down; and whatever has
a price beyond what a limit costs gives way. The solutions of a layer are then exactly those sums which

    stay on the side of each limit (kept: within it; giving way: beyond it) that the price says, and
    have the assets at a node whose price is not 0 at a bound ("frozen"),

which are bounds on the same tree again (complementary slackness). So the next layer is solved within them, and in the
end the clearing decides what is left to decide by the assets' order. No penalty constants are added up anywhere.

`contradictions` says which subtrees to look into; what is here solves one layer of one subtree, nodes `begin` ..
`end - 1`. Where nothing is over a limit no kinks are built.
"""

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
def climb(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layer: int,
    begin: int,
    end: int,
    sum_min_kw: Floats,
    sum_max_kw: Floats,
    kinks: Floats,
    todo: Ints,
) -> None:
    """For each node of a subtree, where the least violation of this layer below it is reached; kinks only where it is not 0."""
    for v in range(begin, end):
        tree[v].built = 0
        tree[v].least = sum_min_kw[v]
        tree[v].most = sum_max_kw[v]
    for v in range(begin, end):
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
        if v < end - 1:
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
        node = tree[u]
        gather(u, tree, sum_min_kw[u], sum_max_kw[u], kinks)
        bound(node, kinks, nodes[u].lower, nodes[u].upper)
        for k in range(limit_start[u], limit_start[u + 1]):
            if limits[k].layer == layer:
                limits[k].slope_upper = price_limit(node, kinks, limits[k].upper)
                limits[k].slope_lower = price_floor(node, kinks, limits[k].lower)
        node.most = kinks[node.right] if node.n_right > 0 else node.highest
        node.least = -kinks[node.left] if node.n_left > 0 else node.lowest
        node.built = 1


@compiled
def gather(v: int, tree: Records, sum_min_kw: float, sum_max_kw: float, kinks: Floats) -> None:
    """The node's own assets and its children side by side. The heavy child's list is taken over where it lies."""
    node = tree[v]
    node.lowest, node.highest = sum_min_kw, sum_max_kw
    node.n_right = node.n_left = 0
    if node.heavy >= 0:
        heavy = tree[node.heavy]
        node.n_right, node.n_left = heavy.n_right, heavy.n_left
        for j in range(node.n_right):
            kinks[node.right + j] += sum_max_kw
        for j in range(node.n_left):
            kinks[node.left + j] -= sum_min_kw
        node.lowest += heavy.lowest
        node.highest += heavy.highest
    child = v - 1
    while child >= node.first:
        if child != node.heavy:
            other = tree[child]
            node.n_right = add_list(
                kinks, node.right, node.n_right, node.highest, other.right, other.n_right, other.highest
            )
            node.n_left = add_list(kinks, node.left, node.n_left, -node.lowest, other.left, other.n_left, -other.lowest)
            node.lowest += other.lowest
            node.highest += other.highest
        child = tree[child].first - 1


@compiled
def bound(node: Record, kinks: Floats, lower: float, upper: float) -> None:
    """Cut a node's function off at its hard bounds, which higher layers left, and note the slopes there."""
    node.slope_upper = node.slope_lower = NEVER
    if upper < node.highest:
        node.highest = max(upper, node.lowest)
        node.slope_upper = slope_at(kinks, node.right, node.n_right, node.left, node.n_left, node.highest)
        cap_list(kinks, node.right, node.n_right, node.highest)
        lift_list(kinks, node.left, node.n_left, -node.highest)
    if lower > node.lowest:
        node.lowest = min(lower, node.highest)
        node.slope_lower = slope_at(kinks, node.left, node.n_left, node.right, node.n_right, -node.lowest)
        cap_list(kinks, node.left, node.n_left, -node.lowest)
        lift_list(kinks, node.right, node.n_right, node.lowest)


@compiled
def price_limit(node: Record, kinks: Floats, upper: float) -> int:
    """Let every kW above `upper` cost 1. Returns the slope there: a higher price than that breaks the limit."""
    if upper >= node.highest:
        return NEVER
    at = max(upper, node.lowest)
    slope = slope_at(kinks, node.right, node.n_right, node.left, node.n_left, at)
    bend(kinks, node.right, node.n_right, node.left, node.n_left, at)
    node.n_right += 1
    return slope if upper >= node.lowest else ALWAYS


@compiled
def price_floor(node: Record, kinks: Floats, lower: float) -> int:
    """The same for every kW below `lower`, mirrored."""
    if lower <= node.lowest:
        return NEVER
    at = min(lower, node.highest)
    slope = slope_at(kinks, node.left, node.n_left, node.right, node.n_right, -at)
    bend(kinks, node.left, node.n_left, node.right, node.n_right, -at)
    node.n_left += 1
    return slope if lower <= node.highest else ALWAYS


@compiled
def descend(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layer: int,
    begin: int,
    end: int,
    sums_kw: Floats,
) -> None:
    """Carry the prices down: at each limit and hard bound the price says on which side of it the sum stays."""
    for v in range(end - 1, begin - 1, -1):
        node = nodes[v]
        price = tree[node.parent].price if v < end - 1 else 0
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
            sums_kw[0, v] = sums_kw[1, v] = sums_kw[2, v] = sums_kw[1, v] if price > 0 else sums_kw[0, v]
