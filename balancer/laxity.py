"""Before the clearing: who charges now, when not all can at their smallest current.

Least laxity first: laxity is the time left until departure minus the time the energy still needs at full power. Among
cars of equal laxity, and all that have none left to lose anyway, the one that waited longest goes first, so that waiting
rotates. A car that charges keeps its place unless another is more urgent by a margin: contactors wear out.
"""

import numpy as np
from numpy.typing import NDArray

from balancer.model import InputError
from balancer.topology import Floats


def laxity_s(needed_kwh: Floats, max_kw: Floats, left_s: Floats) -> Floats:
    """[n] Seconds a car can still wait; negative = will not make it; infinite where nothing is needed.

    >>> laxity_s(np.array([10.0, 0.0]), np.array([10.0, 10.0]), np.array([7200.0, 60.0])).tolist()
    [3600.0, inf]
    """
    if not (np.all(max_kw > 0) and np.all(np.isfinite(needed_kwh)) and not np.any(np.isnan(left_s))):
        raise InputError("charger", "max_kw must be positive, needed_kwh finite and left_s a number")
    duration_s = 3600.0 * np.maximum(needed_kwh, 0.0) / max_kw
    return np.asarray(np.where(needed_kwh > 0, left_s - duration_s, np.inf), dtype=np.float64)


def choose_chargers(
    laxity: Floats, waited_s: Floats, *, least_kw: Floats, room_kw: float, charging: NDArray[np.bool_], keep_s: float
) -> NDArray[np.bool_]:
    """[n] Which chargers may be on, so that their smallest powers fit in `room_kw` together.

    Goes by laxity, then by who waited longest, then by place in the list; one that does not fit is passed over for the
    next. `keep_s` is by how much a charging car counts as more urgent than it is.
    """
    urgency_s = np.where(charging, laxity - keep_s, laxity)
    order = np.lexsort((np.arange(laxity.size), -waited_s, urgency_s))
    chosen = np.zeros(laxity.size, dtype=np.bool_)
    left_kw = room_kw
    for i in order:
        if np.isfinite(laxity[i]) and least_kw[i] <= left_kw:
            chosen[i] = True
            left_kw -= float(least_kw[i])
    return chosen
