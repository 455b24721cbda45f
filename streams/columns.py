"""From a telemetry frame to checked columns: what each gateway said, as arrays, without what cannot be true.

Stateless: the same frame with the same arrival time gives the same columns, so that a rebuild from the log and the
live path agree. Only unequal columns refuse a whole frame; one bad reading is masked and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.codec import Rejected
from streams.messages import DeadLetterReason, Quality, TelemetryFrame

FUTURE_TOLERANCE_US: Final = 2_000_000
"""A device clock may run ahead by this much (as R2 allows a setpoint); later readings are refused."""

MAX_REGISTER_WH: Final = 2**53
"""Whole numbers above this do not survive a float column; 9 PWh is no business park."""


@dataclass(frozen=True, slots=True)
class Points:
    """Everything that reports under one key: meters and assets, in a fixed order."""

    ids: tuple[str, ...]
    max_abs_kw: NDArray[np.float64]
    """[n_points] A larger reading is absurd."""

    def index(self) -> dict[str, int]:
        """Position of each id."""
        return {point: position for position, point in enumerate(self.ids)}


@dataclass(frozen=True, slots=True)
class BadReading:
    """One reading of a frame that was masked."""

    row: int
    point: str
    reason: DeadLetterReason


@dataclass(frozen=True, slots=True)
class Columns:
    """Checked readings of one frame; all arrays are [n_good_rows], NaN or -1 where missing."""

    point: NDArray[np.int64]
    at_us: NDArray[np.int64]
    power_kw: NDArray[np.float64]
    import_wh: NDArray[np.int64]
    export_wh: NDArray[np.int64]
    min_kw: NDArray[np.float64]
    max_kw: NDArray[np.float64]
    soc_ratio: NDArray[np.float64]
    bad: tuple[BadReading, ...]


def check_columns(
    frame: TelemetryFrame, *, points: Points, index: dict[str, int], received_at_us: int
) -> Columns | Rejected:
    """Turn a frame into columns; `received_at_us` is the broker's time of arrival.

    A row without a power may still carry registers; a row of quality `bad` counts as missing and is not an error.
    """
    unequal = _unequal_column(frame)
    if unequal:
        return Rejected(DeadLetterReason.UNEQUAL_COLUMNS, unequal)
    n_rows = len(frame.ids)
    point = np.fromiter((index.get(name, -1) for name in frame.ids), np.int64, n_rows)
    at_us = _registers(frame.measured_at_us, n_rows)
    power_kw = _floats(frame.power_kw, n_rows)
    import_wh = _registers(frame.energy_import_wh, n_rows)
    export_wh = _registers(frame.energy_export_wh, n_rows)
    ceiling_kw = points.max_abs_kw[point]
    with np.errstate(invalid="ignore"):
        tests = (
            (DeadLetterReason.UNKNOWN_POINT, point < 0),
            (DeadLetterReason.FROM_THE_FUTURE, at_us > received_at_us + FUTURE_TOLERANCE_US),
            (DeadLetterReason.ABSURD_VALUE, (np.abs(power_kw) > ceiling_kw) | (at_us <= 0) | (import_wh < 0)),
            (DeadLetterReason.ABSURD_VALUE, (export_wh < 0) | (np.fmax(import_wh, export_wh) > MAX_REGISTER_WH)),
        )
    good = np.ones(n_rows, np.bool_)
    bad: list[BadReading] = []
    for reason, failed in tests:
        bad.extend(BadReading(int(row), frame.ids[row], reason) for row in np.flatnonzero(failed & good))
        good &= ~failed
    if Quality.BAD in frame.quality:
        good &= np.array([quality != Quality.BAD for quality in frame.quality], np.bool_)
    return Columns(
        point=point[good],
        at_us=at_us[good].astype(np.int64),
        power_kw=power_kw[good],
        import_wh=_whole(import_wh[good]),
        export_wh=_whole(export_wh[good]),
        min_kw=_floats(frame.min_kw, n_rows)[good],
        max_kw=_floats(frame.max_kw, n_rows)[good],
        soc_ratio=_floats(frame.soc_ratio, n_rows)[good],
        bad=tuple(bad),
    )


def _unequal_column(frame: TelemetryFrame) -> str:
    n_rows = len(frame.ids)
    required: dict[str, Sequence[object]] = {"measured_at_us": frame.measured_at_us, "power_kw": frame.power_kw}
    optional: dict[str, Sequence[object]] = {
        "energy_import_wh": frame.energy_import_wh,
        "energy_export_wh": frame.energy_export_wh,
        "min_kw": frame.min_kw,
        "max_kw": frame.max_kw,
        "soc_ratio": frame.soc_ratio,
        "quality": frame.quality,
    }
    present = required | {name: column for name, column in optional.items() if column}
    return "; ".join(
        f"{name} has {len(column)} of {n_rows}" for name, column in present.items() if len(column) != n_rows
    )


def _floats(column: Sequence[float | None], n_rows: int) -> NDArray[np.float64]:
    if not column:
        return np.full(n_rows, np.nan)
    values = np.array(column, np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _registers(column: Sequence[int | None], n_rows: int) -> NDArray[np.float64]:
    try:
        return _floats(column, n_rows)
    except OverflowError:  # a whole number beyond any float
        return np.array([np.nan if value is None else float(min(value, 2 * MAX_REGISTER_WH)) for value in column])


def _whole(registers_wh: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isnan(registers_wh), -1, registers_wh).astype(np.int64)
