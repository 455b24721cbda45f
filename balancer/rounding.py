"""After the clearing: setpoints rounded to what devices can do, never so that a limit breaks.

A charger takes 0 or at least its smallest current, and moves in whole steps. A setpoint that import limits hold down is
rounded down, one that export limits push up is rounded up, towards the side where the limit has room; one that nothing
binds goes to the nearest step. That costs at most one step per device. What bound the node then has at least as much
room as before, on its own side; on the other side `margin_kw` must hold the steps, which `spent_kw` tells.
"""

import numpy as np
from numpy.typing import NDArray

from balancer.topology import Floats

SAME_STEP = 1e-9
"""A setpoint this close to a step, in steps, is on it: the clearing's rounding must not cost a whole step."""


def round_to_steps(
    power_kw: Floats, price: Floats, *, step_kw: Floats, least_kw: Floats, min_kw: Floats, max_kw: Floats
) -> Floats:
    """[n_assets] Setpoints the devices can do, kW. `step_kw` 0 = any power; `least_kw` > 0 = nothing between 0 and it.

    `price` is the clearing's: negative = held down, rounds towards less; positive = pushed up, towards more. Where the
    safe side leaves the box, the box wins: its bounds are taken to be powers the device can do.
    """
    steps = np.where(step_kw > 0, power_kw / np.where(step_kw > 0, step_kw, 1.0), 0.0)
    lower, upper = np.floor(steps + SAME_STEP), np.ceil(steps - SAME_STEP)
    chosen = np.where(price < 0, lower, np.where(price > 0, upper, np.rint(steps)))
    rounded = np.where(step_kw > 0, chosen * step_kw, power_kw)
    rounded = _leave_gap(rounded, price, least_kw)
    return np.asarray(np.clip(rounded, min_kw, max_kw), dtype=np.float64)


def _leave_gap(power_kw: Floats, price: Floats, least_kw: Floats) -> Floats:
    """Nothing between 0 and the smallest power: off when held down, on when pushed up, else the nearer of the two."""
    inside = (power_kw > 0) & (power_kw < least_kw * (1.0 - SAME_STEP))
    on = (price > 0) | ((price == 0) & (power_kw >= 0.5 * least_kw))
    return np.asarray(np.where(inside, np.where(on, least_kw, 0.0), power_kw), dtype=np.float64)


def spent_kw(power_kw: Floats, rounded_kw: Floats, below: NDArray[np.intp]) -> tuple[float, float]:
    """What rounding added to and took from the sum of the assets `below` a node, kW, both >= 0."""
    moved = rounded_kw[below] - power_kw[below]
    return float(moved[moved > 0].sum()), float(-moved[moved < 0].sum())
