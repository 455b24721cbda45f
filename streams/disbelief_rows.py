"""Whether registers and powers agree, point by point: the compiled inner loop of `streams.disbelief`, on plain arrays."""

from typing import Final

from balancer.compiled import compiled
from streams.fold_rows import NEVER, Floats, Instants

CONTRADICTED_S: Final = 60.0
"""A contradiction that lasts as long is believed: some meters move their register every ten seconds only, and a reading
beside a step of power is wrong for one. Shorter, and such meters are lost; longer, and a frozen one guards on."""

TOLERANCE_RATIO: Final = 0.02
"""Power that registers may tell otherwise, as share of what the point can carry: two meters of class 1."""

TOLERANCE_KW: Final = 10.0
"""Nor more than this and the same share of the reading: the rating of a feeder is the sum of all connections."""

GRAIN_WH: Final = 2.0
"""A register steps by whole Wh, and is read a moment before or after the power."""


# numba knows no keyword-only arguments
# ruff: noqa: PLR0917


@compiled
def compare_readings(
    at_us: Instants,
    power_kw: Floats,
    register_us: Instants,
    register_wh: Instants,
    rated_kw: Floats,
    gap_us: float,
    seen_us: Instants,
    seen_kw: Floats,
    seen_wh: Instants,
    missing_wh: Floats,
    since_us: Instants,
    doubted_us: Instants,
    forever_us: int,
) -> None:
    """Compare each point's reading, where it is new and has registers, with the one before; arrays from `seen_us` on change.

    `missing_wh` and `since_us` [2, n_points] are by how much the registers tell less, or more, than the power, and since
    when; `doubted_us` since when the point is not believed. A register that went back is another one and tells nothing.
    """
    for p in range(at_us.size):
        at = at_us[p]
        if at <= seen_us[p] or register_us[p] != at:
            continue
        passed_us = at - seen_us[p]
        drawn_wh, fed_in_wh = register_wh[p, 0] - seen_wh[p, 0], register_wh[p, 1] - seen_wh[p, 1]
        if seen_us[p] != NEVER and passed_us <= gap_us and drawn_wh >= 0 and fed_in_wh >= 0:
            gained_wh, wh_per_kw = drawn_wh - fed_in_wh, passed_us / 3.6e6
            tolerance_kw = min(TOLERANCE_RATIO * rated_kw[p], TOLERANCE_KW + TOLERANCE_RATIO * abs(power_kw[p]))
            # half a minute of the tolerance is the most that is remembered: who agrees again is believed after that
            most_wh = GRAIN_WH + tolerance_kw * CONTRADICTED_S / 7.2
            less_wh = min(seen_kw[p], power_kw[p]) * wh_per_kw - gained_wh
            more_wh = gained_wh - max(seen_kw[p], power_kw[p]) * wh_per_kw
            contradicted, oldest_us = False, forever_us
            for side in range(2):
                gap_wh = (less_wh if side == 0 else more_wh) - tolerance_kw * wh_per_kw
                missing_wh[side, p] = min(max(missing_wh[side, p] + gap_wh, 0.0), most_wh)
                if missing_wh[side, p] == 0.0:
                    since_us[side, p] = at
                else:
                    oldest_us = min(oldest_us, since_us[side, p])
                    lasts = at - since_us[side, p] >= CONTRADICTED_S * 1e6
                    contradicted = contradicted or (lasts and missing_wh[side, p] > GRAIN_WH)
            if contradicted or doubted_us[p] != forever_us:
                doubted_us[p] = oldest_us
        else:
            for side in range(2):
                if missing_wh[side, p] == 0.0:
                    since_us[side, p] = at
        seen_us[p], seen_kw[p] = at, power_kw[p]
        seen_wh[p, 0], seen_wh[p, 1] = register_wh[p, 0], register_wh[p, 1]
