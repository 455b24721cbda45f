"""The second level: the nodes above the grid loops are cleared on the loops' curves, and each loop gets a quantity.

A loop is an asset of the upper tree whose box is the reach of its curve; contradictions among the upper limits are
resolved by layer, as everywhere. Then the curves are added up the tree, cut at each node, and the price is carried
down: the definition of the clearing itself, since there are few nodes here. On the same inputs, and with curves that
were not simplified, the quantities are those of clearing everything at once.
"""

from collections.abc import Mapping

import numpy as np

from balancer.curve import FlexibilityCurve, check_curve
from balancer.kernel import Solver, State
from balancer.model import InputError
from balancer.topology import Floats, Topology

Line = tuple[Floats, Floats]
"""Places on the common price line, ascending, and the kW there; straight between, constant outside."""


def clear_curves(
    upper: Topology,
    *,
    lower_kw: Floats,
    upper_kw: Floats,
    uncontrolled_kw: Floats,
    curves: Mapping[str, FlexibilityCurve],
) -> dict[str, float]:
    """The quantity of each grid loop, kW net of its controllable assets.

    `upper` is the compiled tree above the loops, with one asset per loop, whose id is the loop's; the arrays
    [n_limits] are as in `State`. Raises `InputError` for a curve that is missing or means nothing.
    """
    for name in upper.asset_ids:
        wrong = check_curve(curves[name]) if name in curves else "there is no curve"
        if wrong is not None:
            raise InputError(f"grid loop {name}", wrong)
    rest, loops = common_line([curves[name] for name in upper.asset_ids])
    state = State(
        min_kw=np.array([kw[0] for _, kw in loops]),
        max_kw=np.array([kw[-1] for _, kw in loops]),
        target_kw=np.array([value_at(line, rest) for line in loops]),
        lower_kw=lower_kw,
        upper_kw=upper_kw,
        uncontrolled_kw=uncontrolled_kw,
    )
    bounds = Solver(upper).bounds(state)
    quantities = walk_down(upper, bounds.lower_kw, bounds.upper_kw, loops, rest)
    for i, frozen in enumerate(bounds.frozen[upper.asset_node]):
        if frozen != 0:
            quantities[i] = state.min_kw[i] if frozen < 0 else state.max_kw[i]
    return dict(zip(upper.asset_ids, quantities.tolist(), strict=True))


def common_line(curves: list[FlexibilityCurve]) -> tuple[float, list[Line]]:
    """All curves over the same places: the prices of any of them, numbered. Also returns the place of rest.

    Between two numbered prices of one order every curve is straight, between orders level, so nothing is lost.
    """
    prices = sorted({(0, 0.0)}.union(*(zip(curve.order, curve.pressure, strict=True) for curve in curves)))
    order = np.array([price[0] for price in prices])
    pressure = np.array([price[1] for price in prices])
    places = np.arange(len(prices), dtype=np.float64)
    lines: list[Line] = []
    for curve in curves:
        own_order, own_pressure, own_kw = (np.array(c) for c in (curve.order, curve.pressure, curve.power_kw))
        power_kw = np.full(len(prices), own_kw[0])
        for k in np.unique(order):
            here, mine = order == k, own_order == k
            passed = own_kw[own_order < k]
            if mine.any():
                power_kw[here] = np.interp(pressure[here], own_pressure[mine], own_kw[mine])
            elif passed.size:
                power_kw[here] = passed[-1]
        lines.append((places, power_kw))
    return float(prices.index((0, 0.0))), lines


def walk_down(upper: Topology, lower_kw: Floats, upper_kw: Floats, loops: list[Line], rest: float) -> Floats:
    """Add and cut the lines up the tree, then carry the place on the price line down."""
    n_nodes = len(upper.node_ids)
    below: list[list[Line]] = [[] for _ in range(n_nodes)]
    for i, line in enumerate(loops):
        below[upper.asset_node[i]].append(line)
    uncut: list[Line] = []
    for v in range(n_nodes):
        uncut.append(add(below[v]))
        if upper.parent[v] >= 0:
            below[upper.parent[v]].append(cut(uncut[v], float(lower_kw[v]), float(upper_kw[v])))
    place = np.full(n_nodes, rest)
    for v in range(n_nodes - 1, -1, -1):
        if upper.parent[v] >= 0:
            place[v] = place[upper.parent[v]]
        power_kw = value_at(uncut[v], place[v])
        if power_kw > upper_kw[v]:
            place[v] = place_of(uncut[v], float(upper_kw[v]))
        elif power_kw < lower_kw[v]:
            place[v] = place_of(uncut[v], float(lower_kw[v]))
    return np.array([value_at(line, float(place[v])) for line, v in zip(loops, upper.asset_node, strict=True)])


def value_at(line: Line, place: float) -> float:
    """The kW at a place of the price line."""
    return float(np.interp(place, *line))


def place_of(line: Line, power_kw: float) -> float:
    """A place at which the line has this value; the end nearest to it if there is none."""
    places, values = line
    j = int(np.searchsorted(values, power_kw))
    if j == 0:
        return float(places[0])
    if j == len(values):
        return float(places[-1])
    return float(places[j - 1] + (places[j] - places[j - 1]) * (power_kw - values[j - 1]) / (values[j] - values[j - 1]))


def add(lines: list[Line]) -> Line:
    """The sum of several lines; 0 for none."""
    if not lines:
        return np.zeros(1), np.zeros(1)
    places = np.unique(np.concatenate([line[0] for line in lines]))
    return places, np.sum([np.interp(places, *line) for line in lines], axis=0)


def cut(line: Line, lower_kw: float, upper_kw: float) -> Line:
    """The line held between two values, with a place where it meets each."""
    meets = [place_of(line, bound) for bound in (lower_kw, upper_kw) if line[1][0] < bound < line[1][-1]]
    places = np.union1d(line[0], meets)
    return places, np.clip(np.interp(places, *line), lower_kw, upper_kw)
