"""The fold of a frame, row by row: the compiled inner loop of `streams.fold`, on plain arrays.

Rows come in order, so a point that a frame names twice is folded twice. Arrays of the state are changed in place.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.compiled import compiled
from hub.quarters import QUARTER_US

Instants = NDArray[np.int64]
Floats = NDArray[np.float64]
Registers = NDArray[np.int64]

NEVER: Final = -1
"""Instant of a reading that does not exist."""

REGISTER_HEADROOM: Final = 1.2
"""A register may gain 120 % of what the meter can carry before the step is absurd (Meetcode 5.3.9)."""

REGISTER_GRAIN_WH: Final = 2
"""Whole-Wh registers step by one; within a second that looks like kilowatts."""

FINE: Final = 0
WENT_BACK: Final = 1
LEAPT: Final = 2
"""What `fold_registers` says of a row's registers."""


# numba knows no keyword-only arguments
# ruff: noqa: PLR0917


@compiled
def fold_newest(
    at_us: Instants,
    shown: Floats,
    point: NDArray[np.int64],
    row_at_us: Instants,
    power_kw: Floats,
    min_kw: Floats,
    max_kw: Floats,
    soc_ratio: Floats,
    reactive_kvar: Floats,
    phase_a: Floats,
) -> None:
    """Keep what each point showed last in `shown` [7, n_points]; a row without a power tells nothing."""
    for row in range(point.size):
        p = point[row]
        if row_at_us[row] > at_us[p] and not np.isnan(power_kw[row]):
            at_us[p] = row_at_us[row]
            shown[0, p], shown[1, p], shown[2, p], shown[3, p] = power_kw[row], min_kw[row], max_kw[row], soc_ratio[row]
            shown[4, p], shown[5, p], shown[6, p] = reactive_kvar[row], phase_a[0, row], phase_a[1, row]


@compiled
def fold_late_register(
    p: int,
    at: int,
    imported: int,
    exported: int,
    quarter_us: Instants,
    before_us: Instants,
    before_wh: Registers,
    after_us: Instants,
    after_wh: Registers,
) -> None:
    """Let a late reading of point `p`, where it tells the register at the start of the quarter better, do so."""
    if before_us[p] < at <= quarter_us[p]:
        before_us[p], before_wh[p, 0], before_wh[p, 1] = at, imported, exported
    if quarter_us[p] <= at < after_us[p]:
        after_us[p], after_wh[p, 0], after_wh[p, 1] = at, imported, exported


@compiled
def fold_registers(
    register_us: Instants,
    register_wh: Registers,
    broken_us: Instants,
    quarter_us: Instants,
    before_us: Instants,
    before_wh: Registers,
    after_us: Instants,
    after_wh: Registers,
    max_abs_kw: Floats,
    point: NDArray[np.int64],
    row_at_us: Instants,
    import_wh: Registers,
    export_wh: Registers,
    faults: NDArray[np.int8],
) -> int:
    """Keep the newest register reading of each point and those on both sides of its quarter's start.

    A row without both registers, -1, tells nothing. Writes what is wrong with each row into `faults` [n_rows] and
    returns how many rows have a fault.
    """
    n_faults = 0
    for row in range(point.size):
        p, at, imported, exported = point[row], row_at_us[row], import_wh[row], export_wh[row]
        if imported < 0 or exported < 0:
            continue
        known = register_us[p] != NEVER
        most_wh = REGISTER_HEADROOM * 1000 * max_abs_kw[p] * abs(at - register_us[p]) / 3.6e9 + REGISTER_GRAIN_WH
        gained_import, gained_export = imported - register_wh[p, 0], exported - register_wh[p, 1]
        least_wh, largest_wh = min(gained_import, gained_export), max(gained_import, gained_export)
        if at <= register_us[p]:
            if largest_wh <= 0 and 0 - least_wh <= most_wh and at >= broken_us[p]:
                fold_late_register(p, at, imported, exported, quarter_us, before_us, before_wh, after_us, after_wh)
            continue
        broken = known and (least_wh < 0 or largest_wh > most_wh)
        start = at - at % QUARTER_US
        if broken:
            faults[row] = WENT_BACK if least_wh < 0 else LEAPT
            broken_us[p] = at
            n_faults += 1
        if broken or not known:
            before_us[p] = NEVER
        elif start > quarter_us[p]:
            before_us[p], before_wh[p, 0], before_wh[p, 1] = register_us[p], register_wh[p, 0], register_wh[p, 1]
        if broken or start > quarter_us[p]:  # a point never heard before has no quarter yet
            quarter_us[p] = start
            after_us[p], after_wh[p, 0], after_wh[p, 1] = at, imported, exported
        register_us[p], register_wh[p, 0], register_wh[p, 1] = at, imported, exported
    return n_faults
