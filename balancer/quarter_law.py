"""The quarter budget: how much power is left for the rest of a quarter hour whose mean must not pass a limit.

For one direction at a time; power and energy in that direction are positive here, import counts the meter's A+
registers, export its A-. Earlier import never pays for later export inside a quarter.

    U = min( instantaneous limit,  k * limit,  (3600 * (limit * 0.25 - m - E) + limit * t_next) / max(t_left, T_min) )
    t_next = max(T_min - t_left, 0);  in the last T_min seconds also  U <= limit

The factor k and T_min keep a half-used quarter from turning into a surge of the whole park in its last minute. What is
told in the last T_min seconds acts in the next quarter too, so that one's even share (t_next) counts with it: dividing
what little is left of this quarter alone by T_min would push a park that runs at its limit down at every quarter's
end. The result may be negative: then more energy was used than the margin leaves, and the direction must reverse.
"""

import numpy as np
from numpy.typing import NDArray

from balancer.model import InputError
from balancer.topology import Floats

QUARTER_H = 0.25
"""A settlement period, h: the Dutch imbalance settlement period."""

QUARTER_S = 900.0
"""The same, s."""

SURGE = 1.1
"""k: how far above the limit power may go to use what a quiet start of the quarter left. More makes a sawtooth."""

Quantity = float | Floats


def quarter_bound_kw(
    limit_kw: Quantity,
    *,
    energy_kwh: Quantity,
    left_s: Quantity,
    instant_kw: Quantity,
    margin_kwh: Quantity,
    reaction_s: Quantity,
    surge: Quantity = SURGE,
) -> Floats:
    """Upper bound of the power in this direction, kW, for the rest of the quarter; scalars or arrays that broadcast.

    `energy_kwh` was used in this quarter so far, `left_s` remain of it by the settlement meter's clock (0..900),
    `margin_kwh` is for clock skew and measurement, `reaction_s` (T_min) at least the delay of meter and actuator.
    Infinite limits are none. Raises `InputError` for NaN, negative limits or margins, and `left_s` outside the quarter.

    >>> def bound(energy_kwh, left_s):
    ...     bound_kw = quarter_bound_kw(100.0, energy_kwh=energy_kwh, left_s=left_s, instant_kw=1000.0,
    ...                                 margin_kwh=0.0, reaction_s=10.0)
    ...     return round(float(bound_kw), 9)
    >>> bound(0.0, 900.0), bound(5.0, 450.0), bound(26.0, 60.0), bound(5.0, 10.0)
    (100.0, 110.0, -60.0, 100.0)
    """
    _check(np.isfinite(energy_kwh), "energy_kwh must be a finite number")
    _check(np.greater_equal(left_s, 0) & np.less_equal(left_s, QUARTER_S), "left_s must be within the quarter")
    _check(np.greater_equal(limit_kw, 0), "limit_kw must not be negative")
    _check(np.greater_equal(instant_kw, 0), "instant_kw must not be negative")
    _check(np.isfinite(margin_kwh) & np.greater_equal(margin_kwh, 0), "margin_kwh must not be negative")
    _check(np.isfinite(reaction_s) & np.greater(reaction_s, 0), "reaction_s must be positive")
    _check(np.greater_equal(surge, 1), "surge must be at least 1")
    left_kwh = np.asarray(limit_kw) * QUARTER_H - margin_kwh - energy_kwh
    next_s = np.maximum(np.subtract(reaction_s, left_s), 0.0)
    next_kws = np.where(np.isinf(limit_kw), 0.0, limit_kw) * next_s
    even_kw = (3600.0 * left_kwh + next_kws) / np.maximum(left_s, reaction_s)
    most_kw = np.where(np.less_equal(left_s, reaction_s), limit_kw, np.multiply(surge, limit_kw))
    return np.asarray(np.minimum(np.minimum(instant_kw, most_kw), even_kw), dtype=np.float64)


def _check(kept: np.bool_ | NDArray[np.bool_], rule: str) -> None:
    if not np.all(kept):
        raise InputError("quarter", rule)
