"""The checks of a frame, row by row, for the frames that pass them all: the compiled inner loop of `streams.columns`."""

import numpy as np
from numpy.typing import NDArray

from balancer.compiled import compiled

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


# numba knows no keyword-only arguments
@compiled
def sound_rows(  # noqa: PLR0917
    point: Whole,
    at_us: Floats,
    power_kw: Floats,
    import_wh: Floats,
    export_wh: Floats,
    reactive_kvar: Floats,
    phase_a: Floats,
    most_kw: Floats,
    earliest_us: float,
    latest_us: float,
    most_wh: float,
    whole: Whole,
) -> bool:
    """Whether every row can be true. Then `whole` [3, n_rows] has the instants and registers, -1 for one that is missing.

    Missing numbers are NaN; `most_kw` [n_points] and the other bounds are the largest that are no absurdity.
    """
    for row in range(point.size):
        if point[row] < 0 or not max(earliest_us, 1.0) <= at_us[row] <= latest_us:
            return False
        most = most_kw[point[row]]
        if abs(power_kw[row]) > most or abs(reactive_kvar[row]) > most:
            return False
        if phase_a[0, row] < 0.0 or phase_a[1, row] < 0.0:
            return False
        whole[0, row] = np.int64(at_us[row])
        for side, register_wh in ((1, import_wh[row]), (2, export_wh[row])):
            if np.isnan(register_wh):
                whole[side, row] = -1
            elif 0.0 <= register_wh <= most_wh:
                whole[side, row] = np.int64(register_wh)
            else:
                return False
    return True
