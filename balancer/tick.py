"""One tick, step by step: what the compiled kernel does from the numbers of the moment to the setpoints.

One call from Python for all of it, since a call costs as much as clearing a hundred assets. Nothing is allocated.
"""

from balancer.clearing import Records, place, quote, settle, sum_nodes, take_sides
from balancer.compiled import compiled
from balancer.contradictions import resolve
from balancer.prepare import bound_nodes, measure_assets, measure_bands, sum_assets
from balancer.search import search
from balancer.topology import Floats, Ints

BAD_LIMIT, BAD_ASSET = -1, -2
"""Returned instead of the number of rounds: numbers that cannot be computed with."""


@compiled
def bound(
    nodes: Records,
    tree: Records,
    limits: Records,
    limit_start: Ints,
    asset_start: Ints,
    per_weight: Floats,
    lower_kw: Floats,
    upper_kw: Floats,
    uncontrolled_kw: Floats,
    min_kw: Floats,
    max_kw: Floats,
    target_kw: Floats,
    layers: Ints,
    aim_kw: Floats,
    full: Floats,
    sums_kw: Floats,
    kinks: Floats,
    active: Ints,
) -> int:
    """The hard bounds of each node, contradictions resolved. Returns 0, or what is wrong.

    `sums_kw` [5, n_nodes] becomes the sums of the boxes' lower and upper ends and of the targets; two rows are scratch.
    """
    if not bound_nodes(nodes, limit_start, lower_kw, upper_kw, uncontrolled_kw):
        return BAD_LIMIT
    if not measure_assets(per_weight, min_kw, max_kw, target_kw, aim_kw, full):
        return BAD_ASSET
    sum_assets(asset_start, min_kw, max_kw, aim_kw, sums_kw, 0, nodes.size)
    resolve(
        nodes, tree, limits, limit_start, layers, lower_kw, upper_kw, uncontrolled_kw,
        asset_start, min_kw, max_kw, aim_kw, sums_kw, kinks, active,
    )  # fmt: skip
    return 0


@compiled
def clear(
    nodes: Records,
    brackets: Records,
    asset_start: Ints,
    weight: Floats,
    by_class: Ints,
    class_start: Ints,
    class_weight: Floats,
    class_down: Ints,
    class_up: Ints,
    order_down: Ints,
    order_up: Ints,
    min_kw: Floats,
    max_kw: Floats,
    aim_kw: Floats,
    full: Floats,
    hits: Floats,
    share: Floats,
    before_kw: Floats,
    sums_kw: Floats,
    bands_down: Floats,
    bands_up: Floats,
    active: Ints,
    power_kw: Floats,
    node_power_kw: Floats,
    node_price: Floats,
) -> int:
    """The setpoints within the bounds. Returns the number of rounds."""
    settle(nodes, sums_kw[2])
    downs, ups = take_sides(nodes)
    if before_kw.shape[1] == 1:
        share[:] = weight
    if downs:
        measure_bands(
            nodes, -1, by_class[0], class_start[0], full[0], weight, class_down, bands_down, before_kw, hits[0], share
        )
    if ups:
        measure_bands(
            nodes, 1, by_class[1], class_start[1], full[1], weight, class_up, bands_up, before_kw, hits[1], share
        )
    rounds = search(
        nodes, brackets, hits, share, active, asset_start, class_start, class_weight, sums_kw, before_kw,
        bands_down, bands_up,
    )  # fmt: skip
    place(nodes, asset_start, weight, class_down, class_up, min_kw, max_kw, aim_kw, power_kw)
    sum_nodes(nodes, asset_start, power_kw, node_power_kw)
    quote(nodes, order_down, order_up, bands_down, bands_up, node_price)
    return rounds
