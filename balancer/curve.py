"""The flexibility curve: what the assets below a node would take in all, as a function of the price from above.

PowerMatcher's aggregated bid: piecewise linear, non-decreasing, cut off at the limits below and at the node itself. A
price is written as (order, pressure), both with the sign of the price, so that it means the same in every grid loop:

    order     -(k + 1) while class k gives way, 0 at rest, k + 1 while class k takes more
    pressure  kW per unit of weight within that class (see `response`)

Points rise lexicographically. Within an order the curve is straight between points; from one order to the next it is
level. It has at most four points per asset and two per limit; `simplify` bounds that, and says what it costs.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from balancer.clearing import Records
from balancer.compiled import compiled
from balancer.simplify import choose_points
from balancer.topology import Floats, Ints


@dataclass(frozen=True, slots=True)
class FlexibilityCurve:
    """Points of the curve; plain lists, as they go over the wire. `error_kw` is what a simplification may be off."""

    order: list[int]
    pressure: list[float]
    power_kw: list[float]
    error_kw: float = 0.0


def inelastic(power_kw: float) -> FlexibilityCurve:
    """A grid loop that takes what it takes: the curve of one that cannot, or did not, answer."""
    return FlexibilityCurve([0], [0.0], [power_kw])


def check_curve(curve: FlexibilityCurve) -> str | None:
    """What is wrong with a curve that came from outside; None if nothing is."""
    if not len(curve.order) == len(curve.pressure) == len(curve.power_kw) > 0:
        return "order, pressure and power_kw must have one length, not 0"
    if not np.all(np.isfinite([*curve.pressure, *curve.power_kw])):
        return "pressure and power_kw must be finite numbers"
    points = list(zip(curve.order, curve.pressure, strict=True))
    if not all(p < q for p, q in pairwise(points)):
        return "prices must rise"
    if not all(a <= b for a, b in pairwise(curve.power_kw)):
        return "power_kw must not fall"
    return None


def draw(events: Floats, count: int, start_kw: float, most_points: int) -> FlexibilityCurve:
    """The curve of the first `count` sorted events, with the point of rest, simplified to `most_points`."""
    events[count] = 0.0
    sort_events(events[: count + 1])
    points = np.zeros((count + 1, 3))
    points = points[: trace(events[: count + 1], start_kw, points)]
    points, error_kw = choose_points(points, most_points)
    return FlexibilityCurve(
        order=[int(order) for order in points[:, 0]],
        pressure=points[:, 1].tolist(),
        power_kw=np.maximum.accumulate(points[:, 2]).tolist(),
        error_kw=float(error_kw),
    )


@compiled
def own_events(
    begin: int,
    end: int,
    weight: Floats,
    order_down: Ints,
    order_up: Ints,
    min_kw: Floats,
    max_kw: Floats,
    target_kw: Floats,
    events: Floats,
    top: int,
) -> int:
    """Where the assets of one node begin and stop moving, from row `top` of `events`: order, pressure, change of slope."""
    for i in range(begin, end):
        target = min(max(target_kw[i], min_kw[i]), max_kw[i])
        if target > min_kw[i]:
            events[top] = -(order_down[i] + 1.0), -(target - min_kw[i]) / weight[i], weight[i]
            events[top + 1] = -(order_down[i] + 1.0), 0.0, -weight[i]
            top += 2
        if target < max_kw[i]:
            events[top] = order_up[i] + 1.0, 0.0, weight[i]
            events[top + 1] = order_up[i] + 1.0, (max_kw[i] - target) / weight[i], -weight[i]
            top += 2
    return top


@compiled
def sort_events(events: Floats) -> None:
    """By price: order first, then pressure. Equal prices stay in their order, so that the result is always the same."""
    events[:] = events[np.argsort(events[:, 1], kind="mergesort")]
    events[:] = events[np.argsort(events[:, 0], kind="mergesort")]


@compiled
def cut_events(events: Floats, start_kw: float, lower: float, upper: float) -> tuple[int, float]:
    """Cut a sorted curve off at two bounds, in place. Returns how many events are left and the value it starts at."""
    if start_kw >= upper:
        return 0, upper
    kept = 0
    power_kw = start_kw
    slope = 0.0
    open_at = start_kw >= lower
    for j in range(events.shape[0]):
        order, pressure, change = events[j, 0], events[j, 1], events[j, 2]
        if j > 0 and events[j - 1, 0] == order:
            before = events[j - 1, 1]
        else:
            before, slope = pressure, 0.0
        after_kw = power_kw + slope * (pressure - before)
        if not open_at and after_kw > lower:
            events[kept] = order, pressure - (after_kw - lower) / slope, slope
            kept += 1
            open_at = True
        if open_at and after_kw >= upper and slope > 0.0:
            events[kept] = order, pressure - (after_kw - upper) / slope, -slope
            return kept + 1, min(max(start_kw, lower), upper)
        power_kw = after_kw
        slope += change
        if open_at:
            events[kept] = order, pressure, change
            kept += 1
    return kept, min(max(start_kw, lower), upper)


@compiled
def merge_events(
    nodes: Records,
    first: Ints,
    asset_start: Ints,
    weight: Floats,
    order_down: Ints,
    order_up: Ints,
    min_kw: Floats,
    max_kw: Floats,
    target_kw: Floats,
    sums_kw: Floats,
    events: Floats,
) -> tuple[int, float]:
    """The events of the whole tree, bottom-up, each subtree cut at its bounds; and the value the curve starts at.

    Those of a subtree lie together in `events` [4 * n_assets + 2 * n_nodes, 3], in post-order.
    """
    begin = np.zeros(nodes.size, dtype=np.int64)
    low = sums_kw[0].copy()
    high = sums_kw[1].copy()
    top = 0
    for v in range(nodes.size):
        node = nodes[v]
        begin[v] = begin[first[v]] if first[v] < v else top
        if node.frozen == 0:
            top = own_events(
                asset_start[v],
                asset_start[v + 1],
                weight,
                order_down,
                order_up,
                min_kw,
                max_kw,
                target_kw,
                events,
                top,
            )
        start_kw = low[v]
        end_kw = high[v]
        if start_kw < node.lower or end_kw > node.upper:
            sort_events(events[begin[v] : top])
            left, start_kw = cut_events(events[begin[v] : top], start_kw, node.lower, node.upper)
            top = begin[v] + left
            end_kw = min(max(end_kw, node.lower), node.upper)
        if node.parent >= 0:
            low[node.parent] += start_kw
            high[node.parent] += end_kw
        else:
            sort_events(events[:top])
            return top, start_kw
    return 0, 0.0


@compiled
def trace(events: Floats, start_kw: float, points: Floats) -> int:
    """The points of a curve from its events, one per price, into `points` [n_events, 3]. Returns how many."""
    count = 0
    power_kw = start_kw
    slope = 0.0
    for j in range(events.shape[0]):
        if j == 0 or events[j, 0] != events[j - 1, 0]:
            slope = 0.0
        else:
            power_kw += max(slope, 0.0) * (events[j, 1] - events[j - 1, 1])
        slope += events[j, 2]
        if count > 0 and points[count - 1, 0] == events[j, 0] and points[count - 1, 1] == events[j, 1]:
            count -= 1
        points[count] = events[j, 0], events[j, 1], power_kw
        count += 1
    return count
