"""What is known before any price: each node's hard bounds, and what its assets could do.

Says so when a number cannot be computed with: NaN, an infinite box, crossed bounds.
"""

import numpy as np

from balancer.clearing import Records
from balancer.compiled import compiled
from balancer.topology import Floats, Ints


@compiled
def bound_nodes(nodes: Records, limit_start: Ints, lower_kw: Floats, upper_kw: Floats, uncontrolled_kw: Floats) -> bool:
    """What the assets below each node may take in all: the tightest of its limits, less what each counts beside them.

    False if a limit is NaN or its lower bound is above its upper.
    """
    unsound = 0
    for v in range(nodes.size):
        low = -np.inf
        high = np.inf
        for k in range(limit_start[v], limit_start[v + 1]):
            beside = uncontrolled_kw[k]
            unsound += 0 if (lower_kw[k] <= upper_kw[k]) & (abs(beside) < np.inf) else 1
            low = max(low, lower_kw[k] - beside)
            high = min(high, upper_kw[k] - beside)
        nodes[v].lower = low
        nodes[v].upper = high
        nodes[v].frozen = 0
    return unsound == 0


@compiled
def measure_assets(
    per_weight: Floats, min_kw: Floats, max_kw: Floats, target_kw: Floats, aim_kw: Floats, full: Floats
) -> bool:
    """Each asset's target within its box (`aim_kw`), and the pressures at which it hits its bounds (`full` [2, n_assets]).

    False if a box is not a pair of finite, ordered numbers or a target is not a number.
    """
    down, up = full[0], full[1]
    unsound = 0
    for i in range(min_kw.size):
        low, high = min_kw[i], max_kw[i]
        aim = min(max(target_kw[i], low), high)
        aim_kw[i] = aim
        down[i] = (aim - low) * per_weight[i]
        up[i] = (high - aim) * per_weight[i]
        ordered = (low <= high) & (abs(low) < np.inf) & (abs(high) < np.inf) & (abs(target_kw[i]) < np.inf)
        unsound += 0 if ordered else 1
    return unsound == 0


@compiled
def measure_bands(
    nodes: Records,
    side: int,
    by_class: Ints,
    class_start: Ints,
    full: Floats,
    weight: Floats,
    rank: Ints,
    bands: Floats,
    before_kw: Floats,
    hits: Floats,
    share: Floats,
) -> None:
    """`bands` [1, n_classes] becomes R_k per class, the pressure at which its last asset hits its bound.

    With more than one class, the assets at each node that is on this side are laid out class by class: `hits` and
    `share` [n_assets] become their `full` and `weight`, and row v of `before_kw` [n_nodes, most classes] what they have
    given way by where each band begins, kW. Of the arrays for both directions, these are the rows of this one.
    """
    bands[:] = 0.0
    if before_kw.shape[1] == 1:
        bits, last = (
            full.view(np.int64),
            np.int64(0),
        )  # floats >= 0 are in the order of their bits, and those are quicker
        for i in range(bits.size):
            last = max(last, bits[i])
        bands.view(np.int64)[0, 0] = last
        return
    for i in range(full.size):
        if full[i] > bands[0, np.uint64(rank[i])]:  # noqa: PLR1730  seldom, so this is faster than a maximum
            bands[0, np.uint64(rank[i])] = full[i]
    for v in range(nodes.size):
        if nodes[v].side != side:
            continue
        given_kw = 0.0
        for k in range(bands.shape[1]):
            before_kw[v, k] = given_kw
            for j in range(np.uint64(class_start[v, k]), np.uint64(class_start[v, k + 1])):
                asset = np.uint64(by_class[j])
                hits[j], share[j] = full[asset], weight[asset]
                given_kw += full[asset] * weight[asset]


@compiled
def sum_assets(
    asset_start: Ints, min_kw: Floats, max_kw: Floats, aim_kw: Floats, sums_kw: Floats, begin: int, end: int
) -> None:
    """The sums of the boxes' lower and upper ends and of the targets, for nodes `begin` .. `end - 1`.

    They are the first three rows of `sums_kw`.
    """
    for v in range(begin, end):
        low = high = aim = 0.0
        for i in range(np.uint64(asset_start[v]), np.uint64(asset_start[v + 1])):
            low += min_kw[i]
            high += max_kw[i]
            aim += aim_kw[i]
        sums_kw[0, v] = low
        sums_kw[1, v] = high
        sums_kw[2, v] = aim
