"""Independent solvers on the equivalent problems: a linear programme per layer (HiGHS), then a quadratic one.

Nothing here shares code with the kernel.
"""

from dataclasses import dataclass

import highspy
import numpy as np

from balancer.model import Layer, Limit
from tests.balancer.trees import Problem


@dataclass(frozen=True, slots=True)
class Row:
    """`low <= sum of the assets in members <= high`, or by how much it may miss."""

    members: np.ndarray
    low: float
    high: float
    layer: Layer


def rows_of(problem: Problem) -> list[Row]:
    parent = {node.id: node.parent for node in problem.nodes}
    below: dict[str, list[int]] = {node.id: [] for node in problem.nodes}
    for i, asset in enumerate(problem.assets):
        at: str | None = asset.node
        while at is not None:
            below[at].append(i)
            at = parent[at]
    return [_row(limit, np.array(below[limit.node], dtype=np.int32)) for limit in problem.limits]


def _row(limit: Limit, members: np.ndarray) -> Row:
    low = -np.inf if limit.export_kw is None else -limit.export_kw - limit.uncontrolled_kw
    high = np.inf if limit.import_kw is None else limit.import_kw - limit.uncontrolled_kw
    return Row(members, low, high, limit.layer)


def violation(rows: list[Row], power_kw: np.ndarray, layer: Layer) -> float:
    """Total violation of a layer's limits at these setpoints, kW."""
    total = 0.0
    for row in rows:
        if row.layer == layer:
            power = power_kw[row.members].sum()
            total += max(0.0, power - row.high, row.low - power)
    return total


def least_violations(problem: Problem) -> dict[Layer, float]:
    """The least total violation of each layer, the higher layers' totals kept (HiGHS), kW."""
    rows = rows_of(problem)
    kept: dict[Layer, float] = {}
    for layer in Layer:
        if any(row.layer == layer for row in rows):
            kept[layer] = _least(problem, rows, layer, kept)
    return kept


def _least(problem: Problem, rows: list[Row], layer: Layer, kept: dict[Layer, float]) -> float:
    """Assets, then one slack per row of this or a higher layer; those of the higher layers sum to what was kept."""
    model = highspy.Highs()
    model.silent()
    inf = highspy.kHighsInf
    for asset in problem.assets:
        model.addVar(asset.min_kw, asset.max_kw)
    slacks: dict[Layer, list[int]] = {}
    for row in (row for row in rows if row.layer <= layer):
        column = model.getNumCol()
        model.addVar(0.0, inf)
        slacks.setdefault(row.layer, []).append(column)
        n, ones = len(row.members) + 1, np.ones(len(row.members))
        columns = np.append(row.members, column).astype(np.int32)
        model.addRow(-inf, min(row.high, inf), n, columns, np.append(ones, -1.0))
        model.addRow(max(row.low, -inf), inf, n, columns, np.append(ones, 1.0))
    for above, total in kept.items():
        columns = np.array(slacks[above], dtype=np.int32)
        model.addRow(-inf, total * (1 + 1e-10) + 1e-10, len(columns), columns, np.ones(len(columns)))
    for column in slacks[layer]:
        model.changeColCost(column, 1.0)
    model.run()
    return float(model.getInfo().objective_function_value)
