"""Where limits contradict: the smallest subtrees that hold a contradiction, each resolved by itself.

One sweep up finds them: a node contradicts if what its bounds allow and what the bounds below it can make are apart.
All layers are then solved within its subtree alone (`layers`), and the sweep goes on with the sums that are left to it.

That is exact. If no contradiction comes above, each such subtree has its least violation of every layer and the rest has
none, and no solution of the whole can do better in any layer. If one comes above, its subtree is solved anew, the smaller
ones within it forgotten. So as not to do so again and again, all is solved at once when that comes to less.
"""

import numpy as np

from balancer.clearing import Records
from balancer.compiled import compiled
from balancer.layer_plan import list_limits
from balancer.layers import climb, crossed, descend
from balancer.prepare import sum_assets
from balancer.topology import Floats, Ints


@compiled
def resolve(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    layers: Ints,
    lower_kw: Floats,
    upper_kw: Floats,
    uncontrolled_kw: Floats,
    asset_start: Ints,
    min_kw: Floats,
    max_kw: Floats,
    aim_kw: Floats,
    sums_kw: Floats,
    kinks: Floats,
    todo: Ints,
) -> None:
    """Replace the bounds below each contradiction by what its limits leave once it is resolved; freeze what must be.

    `layers` are those in use, highest first; `tree` [n_nodes], `limits` [n_limits] are what `plan` made; `kinks`
    (all lists), `todo` [n_nodes] and the last two rows of `sums_kw` are scratch.
    """
    low, high = sums_kw[3], sums_kw[4]
    low[:] = sums_kw[0]
    high[:] = sums_kw[1]
    solved = 0
    v = 0
    while v < nodes.size:
        node = nodes[v]
        least = max(low[v], node.lower)
        most = min(high[v], node.upper)
        if crossed(least, most):
            if solved == 0:
                list_limits(limits, lower_kw, upper_kw, uncontrolled_kw)
            solved += v + 1 - tree[v].first
            if solved > nodes.size:  # one contradiction above another: once for all
                v = nodes.size - 1
            begin = tree[v].first
            thaw(nodes, begin, v + 1, asset_start, min_kw, max_kw, aim_kw, sums_kw)
            found = layers_of(limits, limit_start[begin], limit_start[v + 1])
            for layer in layers:
                if found >> layer & 1:
                    climb(nodes, tree, limits, limit_start, layer, begin, v + 1, sums_kw[0], sums_kw[1], kinks, todo)
                    descend(nodes, tree, limits, limit_start, layer, begin, v + 1, sums_kw)
            least, most = tree[v].least, tree[v].most
        if nodes[v].parent >= 0:
            low[nodes[v].parent] += least
            high[nodes[v].parent] += max(least, most)
        v += 1


@compiled
def layers_of(limits: Records, begin: int, end: int) -> int:
    """The layers of some limits, as bits."""
    found = 0
    for k in range(begin, end):
        found |= 1 << limits[k].layer
    return found


@compiled
def thaw(
    nodes: Records,
    begin: int,
    end: int,
    asset_start: Ints,
    min_kw: Floats,
    max_kw: Floats,
    aim_kw: Floats,
    sums_kw: Floats,
) -> None:
    """Forget what was found for nodes `begin` .. `end - 1`: no bounds, assets free."""
    for v in range(begin, end):
        nodes[v].lower = -np.inf
        nodes[v].upper = np.inf
        if nodes[v].frozen != 0:
            nodes[v].frozen = 0
            sum_assets(asset_start, min_kw, max_kw, aim_kw, sums_kw, v, v + 1)
