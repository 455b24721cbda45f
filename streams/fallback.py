"""The share of the park that each grid loop takes by itself when the hub agent is not heard, as the limits are now.

The hub folder's shares fit the limits that stand (R4). Under a limit that somebody set they shrink in proportion, by
one rule for the loops that fall back to them and the hub agent that counts with them. Pure.
"""

from collections.abc import Mapping, Sequence

from hub.limits import tightest_kw
from hub.model import PARK, GridLoop, NodeLimit
from streams.budgets import Interval


def fallback_shares(
    grid_loops: Sequence[GridLoop], limits: Sequence[NodeLimit], *, cos_phi_ratio: float
) -> dict[str, Interval]:
    """Per grid loop, its share; together they fit the tightest limit of the park in each direction.

    Of a limit in kVA counts what the hub's power factor leaves: without a hub agent nobody measures reactive power.
    What a loop's share asks of the other direction (a share that is never below 50 kW import) stays as far as it can.
    """
    of_park = [limit for limit in limits if limit.node == PARK]
    most_kw, least_kw = (
        _fitted(shares_kw, tightest_kw(of_park, imports=imports, cos_phi_ratio=cos_phi_ratio))
        for imports, shares_kw in (
            (True, {loop.id: loop.fallback_max_kw for loop in grid_loops}),
            (False, {loop.id: 0.0 - loop.fallback_min_kw for loop in grid_loops}),
        )
    )
    return {loop: Interval(min(0.0 - least_kw[loop], kw), kw) for loop, kw in most_kw.items()}


def _fitted(shares_kw: Mapping[str, float], limit_kw: float) -> dict[str, float]:
    """Scale what is above 0 down until the sum fits."""
    above_kw = sum(max(kw, 0.0) for kw in shares_kw.values())
    room_kw = limit_kw - sum(min(kw, 0.0) for kw in shares_kw.values())
    if above_kw <= room_kw:
        return dict(shares_kw)
    return {loop: kw * max(room_kw, 0.0) / above_kw if kw > 0 else kw for loop, kw in shares_kw.items()}
