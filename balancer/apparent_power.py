"""What a limit in kVA or A leaves for active power, given the reactive power that flows."""

import numpy as np

from balancer.model import InputError
from balancer.topology import Floats

SQRT_3 = float(np.sqrt(3.0))


def active_limit_kw(apparent_kva: float | Floats, reactive_kvar: float | Floats) -> Floats:
    """sqrt(S^2 - Q^2), kW; 0 where reactive power alone takes all. An infinite S is no limit.

    Raises `InputError` for a negative or NaN S, or a Q that is not finite.

    >>> round(float(active_limit_kw(100.0, 60.0)), 9)
    80.0
    """
    apparent = np.asarray(apparent_kva, dtype=np.float64)
    reactive = np.abs(np.asarray(reactive_kvar, dtype=np.float64))
    if not np.all(apparent >= 0):
        raise InputError("apparent power", "apparent_kva must not be negative")
    if not np.all(np.isfinite(reactive)):
        raise InputError("apparent power", "reactive_kvar must be a finite number")
    room = np.maximum(apparent - reactive, 0.0)
    return np.asarray(np.sqrt(room) * np.sqrt(apparent + reactive), dtype=np.float64)


def apparent_limit_kva(current_a: float, *, line_voltage_v: float = 400.0) -> float:
    """Three phases: sqrt(3) * U * I, kVA; U between the lines.

    >>> round(apparent_limit_kva(80.0), 1)
    55.4
    """
    if not 0 <= current_a < float("inf"):
        raise InputError("apparent power", "current_a must be a finite number, not negative")
    return SQRT_3 * line_voltage_v * current_a / 1000.0
