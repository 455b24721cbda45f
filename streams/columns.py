"""From a telemetry frame to checked columns: what each gateway said, as arrays, without what cannot be true.

Stateless: the same frame with the same arrival time gives the same columns, so that a rebuild from the log and the
live path agree. Only unequal columns refuse a whole frame; one bad reading is masked and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray

from streams.check_rows import sound_rows
from streams.codec import Rejected
from streams.messages import DeadLetterReason, Quality, TelemetryFrame

FUTURE_TOLERANCE_US: Final = 2_000_000
"""A device clock may run ahead by this much (as R2 allows a setpoint); later readings are refused."""

LATE_US: Final = 2_700_000_000
"""A reading older than this at its arrival is masked: no quarter's boundary reaches that far back
(`hub.quarter_figures.BOUNDARY_GAP_US`), and a clock that is an hour behind, say in local time, is seen at once."""

MAX_REGISTER_WH: Final = 2**53 - 1
"""Whole numbers up to here survive a float column, and none above becomes one of them; 9 PWh is no business park."""


@dataclass(frozen=True, slots=True)
class Points:
    """Everything that reports under one key: meters and assets, in a fixed order."""

    ids: tuple[str, ...]
    max_abs_kw: NDArray[np.float64]
    """[n_points] A larger reading is absurd."""

    def index(self) -> "PointIndex":
        """Position of each id."""
        return PointIndex({point: position for position, point in enumerate(self.ids)})


class PointIndex(dict[str, int]):
    """Position of each id. Remembers the ids it was asked for last: a gateway names the same ones each second."""

    __slots__ = ("_asked", "_found")

    def __init__(self, positions: Mapping[str, int]) -> None:
        super().__init__(positions)
        self._asked: list[str] = []
        self._found: NDArray[np.int64] = np.zeros(0, np.int64)

    def find(self, ids: list[str]) -> NDArray[np.int64]:
        """[n_ids] Positions, -1 for an id that is not there; not to be written to."""
        if ids is not self._asked and ids != self._asked:
            self._asked, self._found = ids, np.array([self.get(point, -1) for point in ids], np.int64)
        return self._found


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """A telemetry frame of which the numbers are arrays [n_rows], NaN where missing; fields as `TelemetryFrame`."""

    gateway: str
    sequence: int
    sent_at_us: int
    ids: list[str]
    measured_at_us: NDArray[np.float64]
    power_kw: NDArray[np.float64]
    energy_import_wh: NDArray[np.float64]
    energy_export_wh: NDArray[np.float64]
    min_kw: NDArray[np.float64]
    max_kw: NDArray[np.float64]
    soc_ratio: NDArray[np.float64]
    quality: tuple[str, ...] = ()
    """Always empty: a frame with bad readings is not read here."""
    reactive_kvar: NDArray[np.float64] | tuple[()] = ()
    phase_import_a: NDArray[np.float64] | tuple[()] = ()
    phase_export_a: NDArray[np.float64] | tuple[()] = ()


Frame = TelemetryFrame | ReadFrame


@dataclass(frozen=True, slots=True)
class BadReading:
    """One reading of a frame that was masked."""

    row: int
    point: str
    reason: DeadLetterReason


@dataclass(frozen=True, slots=True)
class Columns:
    """Checked readings of one frame; all arrays are [n_good_rows], NaN or -1 where missing."""

    row: NDArray[np.int64]
    """Which row of the frame."""
    point: NDArray[np.int64]
    at_us: NDArray[np.int64]
    power_kw: NDArray[np.float64]
    import_wh: NDArray[np.int64]
    export_wh: NDArray[np.int64]
    min_kw: NDArray[np.float64]
    max_kw: NDArray[np.float64]
    soc_ratio: NDArray[np.float64]
    reactive_kvar: NDArray[np.float64]
    phase_a: NDArray[np.float64]
    """[2, n_good_rows] Largest current of any phase, drawn and fed in."""
    bad: tuple[BadReading, ...]


def check_columns(frame: Frame, *, points: Points, index: PointIndex, received_at_us: int) -> Columns | Rejected:
    """Turn a frame into columns; `received_at_us` is the broker's time of arrival.

    A row without a power may still carry registers; a row of quality `bad` counts as missing and is not an error.
    """
    unequal = _unequal_column(frame) if isinstance(frame, TelemetryFrame) else ""
    if unequal:
        return Rejected(DeadLetterReason.UNEQUAL_COLUMNS, unequal)
    n_rows = len(frame.ids)
    point = index.find(frame.ids)
    at_us, power_kw = _registers(frame.measured_at_us, n_rows), _floats(frame.power_kw, n_rows)
    import_wh, export_wh = _registers(frame.energy_import_wh, n_rows), _registers(frame.energy_export_wh, n_rows)
    min_kw, max_kw, soc_ratio = (_floats(column, n_rows) for column in (frame.min_kw, frame.max_kw, frame.soc_ratio))
    reactive_kvar = _floats(_given(frame.reactive_kvar), n_rows)
    phase_a = _phases(_given(frame.phase_import_a), _given(frame.phase_export_a), n_rows)
    earliest_us, latest_us = received_at_us - LATE_US, received_at_us + FUTURE_TOLERANCE_US
    whole = np.empty((3, n_rows), np.int64)
    if Quality.BAD not in frame.quality and sound_rows(
        point, at_us, power_kw, import_wh, export_wh, reactive_kvar, phase_a, points.max_abs_kw,
        float(earliest_us), float(latest_us), float(MAX_REGISTER_WH), whole,
    ):  # fmt: skip
        return Columns(
            np.arange(n_rows), point, whole[0], power_kw, whole[1], whole[2], min_kw, max_kw, soc_ratio, reactive_kvar,
            phase_a, (),
        )  # fmt: skip
    registers_wh = np.stack([import_wh, export_wh])
    absurd_wh = (registers_wh < 0) | (registers_wh > MAX_REGISTER_WH)
    tests = (
        (DeadLetterReason.UNKNOWN_POINT, point < 0),
        (DeadLetterReason.FROM_THE_FUTURE, at_us > latest_us),
        (DeadLetterReason.TOO_LATE, (at_us < earliest_us) & (at_us > 0)),
        (
            DeadLetterReason.ABSURD_VALUE,
            (np.fmax(np.abs(power_kw), np.abs(reactive_kvar)) > points.max_abs_kw[point])
            | (at_us <= 0)
            | absurd_wh[0]
            | absurd_wh[1]
            | ~(np.nan_to_num(phase_a).min(axis=0) >= 0),
        ),
    )
    bad, failed = _failures(frame, tests)
    if Quality.BAD in frame.quality:
        failed |= np.array([quality == Quality.BAD for quality in frame.quality], np.bool_)
    good = np.flatnonzero(~failed)
    whole_wh = np.where(np.isnan(registers_wh), -1, registers_wh)[:, good].astype(np.int64, order="C")
    return Columns(
        row=good,
        point=point[good],
        at_us=at_us[good].astype(np.int64),
        power_kw=power_kw[good],
        import_wh=whole_wh[0],
        export_wh=whole_wh[1],
        min_kw=min_kw[good],
        max_kw=max_kw[good],
        soc_ratio=soc_ratio[good],
        reactive_kvar=reactive_kvar[good],
        phase_a=phase_a[:, good],
        bad=bad,
    )


def _failures(
    frame: Frame, tests: Sequence[tuple[DeadLetterReason, NDArray[np.bool_]]]
) -> tuple[tuple[BadReading, ...], NDArray[np.bool_]]:
    """Rows that fail a test, each named by the first it fails; and where they are, [n_rows]."""
    failed = np.logical_or.reduce([fails for _, fails in tests])
    if not failed.any():
        return (), failed
    bad: list[BadReading] = []
    named = np.zeros(len(failed), np.bool_)
    for reason, fails in tests:
        bad.extend(BadReading(int(row), frame.ids[row], reason) for row in np.flatnonzero(fails & ~named))
        named |= fails
    return tuple(bad), failed


def _unequal_column(frame: Frame) -> str:
    """Names of the columns that do not have a row per id; those a gateway does not have are empty."""
    n_rows = len(frame.ids)
    lengths = [len(frame.measured_at_us), len(frame.power_kw)]
    lengths += [len(_given(getattr(frame, name))) or n_rows for name in _OPTIONAL]
    if lengths.count(n_rows) == len(lengths):
        return ""
    names = ("measured_at_us", "power_kw", *_OPTIONAL)
    return "; ".join(
        f"{name} has {length} of {n_rows}" for name, length in zip(names, lengths, strict=True) if length != n_rows
    )


_OPTIONAL: Final = (
    "energy_import_wh",
    "energy_export_wh",
    "min_kw",
    "max_kw",
    "soc_ratio",
    "quality",
    "reactive_kvar",
    "phase_import_a",
    "phase_export_a",
)


_Column = TypeVar("_Column")


def _given(column: _Column | UnsetType) -> _Column | tuple[()]:
    """A column that an older gateway does not know is empty."""
    return () if isinstance(column, UnsetType) else column


def _floats(column: Sequence[float | None] | NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    if isinstance(column, np.ndarray):
        return column
    if not column:
        return _missing(n_rows)
    try:
        values = np.fromiter(column, np.float64, n_rows)
    except TypeError:  # some are missing
        values = np.array([np.nan if value is None else value for value in column], np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _phases(
    drawn: Sequence[float | None] | NDArray[np.float64],
    fed_in: Sequence[float | None] | NDArray[np.float64],
    n_rows: int,
) -> NDArray[np.float64]:
    if not len(drawn) and not len(fed_in):
        return _missing_phases(n_rows)
    return np.stack([_floats(drawn, n_rows), _floats(fed_in, n_rows)])


@lru_cache(maxsize=256)
def _missing(n_rows: int) -> NDArray[np.float64]:
    """A column that a gateway does not have; never written to."""
    return np.full(n_rows, np.nan)


@lru_cache(maxsize=256)
def _missing_phases(n_rows: int) -> NDArray[np.float64]:
    return np.full((2, n_rows), np.nan)


def _registers(column: Sequence[int | None] | NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    try:
        return _floats(column, n_rows)
    except OverflowError:  # a whole number beyond any float
        most = 2 * MAX_REGISTER_WH
        return np.array([np.nan if value is None else float(max(min(value, most), -1)) for value in column])
