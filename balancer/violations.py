"""Which limits the answer does not keep, by how much, and what outranks them."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from balancer.kernel import Answer
from balancer.model import Layer, Limit
from balancer.topology import Floats, Topology

TOLERANCE = 1e-9
"""Of the summed ratings below a node: less than this over a limit is rounding, not a violation."""


class Direction(StrEnum):
    """Which side of a limit: too much from the grid, or too much into it."""

    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that is missed by `kw` > 0. `outranked_by` is None where the boxes of the assets alone forbid it."""

    limit: Limit
    direction: Direction
    kw: float
    outranked_by: Limit | None


def find_violations(answer: Answer) -> list[Violation]:
    """Every limit that is not kept, in the order of the topology's limits. Empty unless limits contradict."""
    over_kw, under_kw = excess(answer)
    tolerance_kw = TOLERANCE * rating_below_kw(answer)[answer.topology.limit_node]
    found = []
    for k in np.flatnonzero((over_kw > tolerance_kw) | (under_kw > tolerance_kw)):
        imports = over_kw[k] > tolerance_kw[k]
        pulls_back = (under_kw if imports else over_kw) >= -tolerance_kw
        found.append(
            Violation(
                limit=answer.topology.limits[k],
                direction=Direction.IMPORT if imports else Direction.EXPORT,
                kw=float(over_kw[k] if imports else under_kw[k]),
                outranked_by=_opponent(answer.topology, int(k), pulls_back),
            )
        )
    return found


def excess(answer: Answer) -> tuple[Floats, Floats]:
    """[n_limits] twice: kW above the upper and below the lower bound of each limit; negative is room left."""
    power_kw = answer.node_power_kw[answer.topology.limit_node] + answer.state.uncontrolled_kw
    return power_kw - answer.state.upper_kw, answer.state.lower_kw - power_kw


def rating_below_kw(answer: Answer) -> Floats:
    """[n_nodes] the summed ratings of the assets below, kW: the scale of a node's sums."""
    topology, state = answer.topology, answer.state
    rating_kw = np.maximum(np.abs(state.min_kw), np.abs(state.max_kw))
    total_kw: Floats = np.zeros(len(topology.node_ids))
    np.add.at(total_kw, topology.asset_node, rating_kw)
    for v in range(len(topology.node_ids) - 1):
        total_kw[topology.parent[v]] += total_kw[v]
    return total_kw


def _opponent(topology: Topology, k: int, pulls_back: NDArray[np.bool_]) -> Limit | None:
    """The limit that pulls the other way and weighs at least as much: tight or missed itself, highest layer first.

    It stands below the violated limit's node, or above it; among equals the nearest counts.
    """
    node = int(topology.limit_node[k])
    start = topology.limit_start
    related = list(range(start[topology.first[node]], start[node + 1]))
    for above in topology.path(node)[1:]:
        related += range(start[above], start[above + 1])
    ranks = [
        (int(topology.limit_layer[j]), abs(int(topology.limit_node[j]) - node), j)
        for j in related
        if pulls_back[j] and topology.limit_layer[j] <= topology.limit_layer[k]
    ]
    return topology.limits[min(ranks)[2]] if ranks else None


def worst_layer(violations: list[Violation]) -> Layer | None:
    """The highest layer that is not kept; None if all are."""
    return min((violation.limit.layer for violation in violations), default=None)
