"""The undecided assets of a node: what they give way by, and which of them a bracket decides.

Each has a weight (`share`) and the pressure at which it hits its bound (`hits`), so its reach is their product, and at
pressure r it gives way by share * min(hits, r). Between two pressures low and high of the same class an asset is
decided if it hits its bound before low, or not before high; the decided ones are folded into a straight line,
fixed + slope * r, and those that are left move to the front of their block.

Choices that would be guessed wrong half the time are written as products, and indices as unsigned: both keep the
processor busy.
"""

import numpy as np

from balancer.clearing import Record
from balancer.compiled import inlined
from balancer.topology import Floats, Ints


@inlined
def press(hits: Floats, share: Floats, begin: int, end: int, pressure: float) -> tuple[float, float]:
    """What assets `begin` .. `end - 1`, all of the class that moves, give way by; and how much weight still moves."""
    given = moving = 0.0
    for i in range(np.uint64(begin), np.uint64(end)):
        given += share[i] * min(hits[i], pressure)
        moving += share[i] if hits[i] > pressure else 0.0
    return given, moving


@inlined
def fold(node: Record, bracket: Record, hits: Floats, share: Floats) -> None:
    """Fold away the assets that are at their bound at low, or not yet at high; those that are left move to the front."""
    low, high = bracket.low, bracket.high
    fixed = slope = 0.0
    kept = np.uint64(node.open_begin)
    for i in range(kept, np.uint64(node.open_end)):
        hit, weight = hits[i], share[i]
        fixed += weight * hit * np.float64(hit <= low)
        slope += weight * np.float64((hit >= high) & (hit > low))
        hits[kept] = hit
        share[kept] = weight
        kept += np.uint64((hit > low) & (hit < high))
    node.fixed += fixed
    node.slope += slope
    node.open_end = kept


@inlined
def fold_bands(node: Record, v: int, band: int, class_start: Ints, before_kw: Floats) -> None:
    """The same when the band has just been found: assets of earlier classes are at their bounds, later ones at rest.

    `class_start` [2, n_nodes, n_classes + 1] is where each class begins, `before_kw` what those before it give way by.
    """
    begins = 0 if node.side < 0 else 1
    node.fixed += before_kw[v, band]
    node.open_begin = class_start[begins, v, band]
    node.open_end = class_start[begins, v, band + 1]
    node.banded = 1
