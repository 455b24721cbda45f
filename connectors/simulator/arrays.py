"""Array types of the simulated park, and the one rule of motion that all its devices share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """What n devices of one kind did in a step, and what they could do next; load convention."""

    power_w: Ints
    """During the step."""
    min_kw: Floats
    """Least (most negative) power after it."""
    max_kw: Floats
    """Largest power after it."""


def ramped_kw(from_kw: Floats, to_kw: Floats, *, ramp_kw_per_s: Floats, dt_s: float) -> Floats:
    """Move towards `to_kw` [n], no faster than each device can."""
    reach_kw = ramp_kw_per_s * dt_s
    return from_kw + np.clip(to_kw - from_kw, -reach_kw, reach_kw)


def whole_watts(power_kw: Floats) -> Ints:
    """Whole watts [n], towards zero: rounding never takes a device over a limit of its own."""
    # A thousandth of a watt is added, so that 4.14 kW is 4140 W and not 4139.
    return np.trunc(power_kw * 1000.0 + np.copysign(1e-3, power_kw)).astype(np.int64)
