"""The least cost of a subtree as a function of its sum: a list of kinks (slope trick).

Within one layer a limit costs 1 per kW it is violated, so the least total violation below a node is a convex function
of the node's sum whose slopes are whole numbers: ... -2, -1, 0, 1, 2 ... It is known by where its slope rises by one:
`right[0] <= right[1] <= ...` to the right of its flat bottom, and the same to the left, kept mirrored (negated), so that
every function here serves both sides. Beyond the last kink it ends: the assets can do no more.

Two subtrees side by side fill up cheapest first, so their kinks add, place by place. A limit adds one kink.
"""

import numpy as np

from balancer.compiled import compiled
from balancer.topology import Floats

ALWAYS = -(2**40)
"""Slope index of a limit that is violated whatever is done."""

NEVER = 2**40
"""Slope index of a limit that the assets below cannot reach."""


@compiled
def insert_sorted(kinks: Floats, count: int, at: float) -> None:
    """Put `at` among the first `count` kinks, ascending."""
    j = count
    while j > 0 and kinks[j - 1] > at:
        kinks[j] = kinks[j - 1]
        j -= 1
    kinks[j] = at


@compiled
def count_below(kinks: Floats, count: int, at: float) -> int:
    """How many of the first `count` kinks are less than `at`."""
    return int(np.searchsorted(kinks[:count], at))


@compiled
def add_list(mine: Floats, count: int, my_end: float, theirs: Floats, their_count: int, their_end: float) -> int:
    """Add another subtree's kinks to mine; whichever list is shorter goes on with its end. Returns the new count."""
    for j in range(count, their_count):
        mine[j] = my_end
    for j in range(max(count, their_count)):
        mine[j] += theirs[j] if j < their_count else their_end
    return max(count, their_count)


@compiled
def cap_list(kinks: Floats, count: int, end: float) -> None:
    """Nothing lies beyond `end` any more."""
    for j in range(count - 1, -1, -1):
        if kinks[j] <= end:
            return
        kinks[j] = end


@compiled
def lift_list(kinks: Floats, count: int, begin: float) -> None:
    """Nothing lies before `begin` any more."""
    for j in range(count):
        if kinks[j] >= begin:
            return
        kinks[j] = begin


@compiled
def slope_at(mine: Floats, my_count: int, others: Floats, other_count: int, at: float) -> int:
    """The slope just before `at`, seen in the direction of `mine`; `others` is the mirrored other side."""
    if other_count > 0 and -others[0] > at:
        return -count_below(others, other_count, -at)
    return count_below(mine, my_count, at)


@compiled
def bend(mine: Floats, my_count: int, others: Floats, other_count: int, at: float) -> None:
    """Raise the slope by one beyond `at`: one kink more for `mine`, whose caller counts it.

    The slope at the far other end stays, and so does the number of kinks there: if `at` lies among them, the innermost
    of them comes over to this side.
    """
    if other_count > 0 and -others[0] > at:
        insert_sorted(mine, my_count, -others[0])
        for j in range(other_count - 1):
            others[j] = others[j + 1]
        insert_sorted(others, other_count - 1, -at)
    else:
        insert_sorted(mine, my_count, at)
