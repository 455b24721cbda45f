"""The share of the park that each grid loop takes by itself when the hub agent is not heard, as the limits are now.

The hub folder's shares fit the limits that stand (R4). Under a limit that somebody set they shrink in proportion, by
one rule for the loops that fall back to them and the hub agent that counts with them. Pure.
"""

from collections.abc import Mapping, Sequence

from hub.model import PARK, GridLoop, NodeLimit
from streams.budgets import Interval


def fallback_shares(grid_loops: Sequence[GridLoop], limits: Sequence[NodeLimit]) -> dict[str, Interval]:
    """Per grid loop, its share; together they fit the tightest limit of the park in each direction.

    What a loop's share asks of the other direction (a share that is never below 50 kW import) stays as far as it can.
    """
    most_kw = _fitted({loop.id: loop.fallback_max_kw for loop in grid_loops}, _tightest_kw(limits, imports=True))
    least_kw = _fitted(
        {loop.id: 0.0 - loop.fallback_min_kw for loop in grid_loops}, _tightest_kw(limits, imports=False)
    )
    return {loop: Interval(min(0.0 - least_kw[loop], kw), kw) for loop, kw in most_kw.items()}


def _fitted(shares_kw: Mapping[str, float], limit_kw: float) -> dict[str, float]:
    """Scale what is above 0 down until the sum fits."""
    above_kw = sum(max(kw, 0.0) for kw in shares_kw.values())
    room_kw = limit_kw - sum(min(kw, 0.0) for kw in shares_kw.values())
    if above_kw <= room_kw:
        return dict(shares_kw)
    return {loop: kw * max(room_kw, 0.0) / above_kw if kw > 0 else kw for loop, kw in shares_kw.items()}


def _tightest_kw(limits: Sequence[NodeLimit], *, imports: bool) -> float:
    found = (limit.import_kw if imports else limit.export_kw for limit in limits if limit.node == PARK)
    return min((kw for kw in found if kw is not None), default=float("inf"))
