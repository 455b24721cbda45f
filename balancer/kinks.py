"""The least cost of a subtree as a function of its sum: a list of kinks (slope trick).

Within one layer a limit costs 1 per kW it is violated, so the least total violation below a node is a convex function
of the node's sum whose slopes are whole numbers: ... -2, -1, 0, 1, 2 ... It is known by where its slope rises by one:
`right[0] <= right[1] <= ...` to the right of its flat bottom, and the same to the left, kept mirrored (negated), so that
every function here serves both sides. Beyond the last kink it ends: the assets can do no more.

Two subtrees side by side fill up cheapest first, so their kinks add, place by place. A limit adds one kink.

All lists lie in one array; a list is named by where it begins in `kinks` and how many it holds.
"""

from balancer.compiled import compiled
from balancer.topology import Floats

ALWAYS = -(2**40)
"""Slope index of a limit that is violated whatever is done."""

NEVER = 2**40
"""Slope index of a limit that the assets below cannot reach."""


@compiled
def insert_sorted(kinks: Floats, mine: int, count: int, at: float) -> None:
    """Put `at` among the `count` kinks of a list, ascending."""
    j = mine + count
    while j > mine and kinks[j - 1] > at:
        kinks[j] = kinks[j - 1]
        j -= 1
    kinks[j] = at


@compiled
def count_below(kinks: Floats, mine: int, count: int, at: float) -> int:
    """How many kinks of a list are less than `at`, by halving."""
    low, high = mine, mine + count
    while low < high:
        middle = (low + high) // 2
        if kinks[middle] < at:
            low = middle + 1
        else:
            high = middle
    return low - mine


@compiled
def add_list(
    kinks: Floats, mine: int, count: int, my_end: float, theirs: int, their_count: int, their_end: float
) -> int:
    """Add another subtree's kinks to mine; whichever list is shorter goes on with its end. Returns the new count."""
    for j in range(count, their_count):
        kinks[mine + j] = my_end
    for j in range(their_count):
        kinks[mine + j] += kinks[theirs + j]
    for j in range(their_count, count):
        kinks[mine + j] += their_end
    return max(count, their_count)


@compiled
def cap_list(kinks: Floats, mine: int, count: int, end: float) -> None:
    """Nothing lies beyond `end` any more."""
    j = mine + count
    while j > mine and kinks[j - 1] > end:
        j -= 1
        kinks[j] = end


@compiled
def lift_list(kinks: Floats, mine: int, count: int, begin: float) -> None:
    """Nothing lies before `begin` any more."""
    j = mine
    while j < mine + count and kinks[j] < begin:
        kinks[j] = begin
        j += 1


@compiled
def slope_at(kinks: Floats, mine: int, my_count: int, others: int, other_count: int, at: float) -> int:
    """The slope just before `at`, seen in the direction of `mine`; `others` is the mirrored other side.

    A kink of the other side that lies at `at` has been passed: the flat bottom begins there.
    """
    if other_count > 0 and -kinks[others] > at:
        return -count_below(kinks, others, other_count, -at)
    return count_below(kinks, mine, my_count, at)


@compiled
def bend(kinks: Floats, mine: int, my_count: int, others: int, other_count: int, at: float) -> None:
    """Raise the slope by one beyond `at`: one kink more for `mine`, whose caller counts it.

    The slope at the far other end stays, and so does the number of kinks there: if `at` lies among them, the innermost
    of them comes over to this side.
    """
    if other_count > 0 and -kinks[others] > at:
        insert_sorted(kinks, mine, my_count, -kinks[others])
        for j in range(others, others + other_count - 1):
            kinks[j] = kinks[j + 1]
        insert_sorted(kinks, others, other_count - 1, -at)
    else:
        insert_sorted(kinks, mine, my_count, at)
