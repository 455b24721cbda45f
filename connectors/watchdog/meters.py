"""What the meters under one message key last said, and their registers since the quarter began. Pure.

A fold of its own, not the worker's (R19): row by row, no more than a breach needs. A quarter holds its end, not its
beginning: the reading at the boundary is the last word on the quarter before it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray

from hub.quarter_figures import BOUNDARY_GAP_US
from hub.quarters import QUARTER_US, RegisterReading, quarter_start_us, register_at_wh
from streams.messages import Quality, TelemetryFrame

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
_Cell = TypeVar("_Cell")

NEVER: Final = -1

_AHEAD_US: Final = 2_000_000
"""A device's clock may be ahead of ours by this much, as R2 lets a setpoint be; later readings are not believed."""

_MOST_WH: Final = 2**53 - 1
"""Whole numbers up to here survive as floats; 9 PWh is no business park."""

_WH_PER_KWUS: Final = 1 / 3.6e6


@dataclass(slots=True)
class Meters:
    """Arrays are [n_meters], of registers [2, n_meters] (A+, A-); NaN is not known."""

    absurd_kw: Mapping[str, float]
    """By meter id, in order: a reading beyond this magnitude is not believed."""
    place: dict[str, int] = field(init=False)
    at_us: Instants = field(init=False)
    power_kw: Floats = field(init=False)
    reactive_kvar: Floats = field(init=False)
    register_wh: Floats = field(init=False)
    quarter_us: Instants = field(init=False)
    """Start of the quarter that holds the newest reading."""
    start_wh: Floats = field(init=False)
    """Registers at that start."""
    closed_wh: Floats = field(init=False)
    """Energy of the quarter before it."""

    def __post_init__(self) -> None:
        n_meters = len(self.absurd_kw)
        self.place = {meter: at for at, meter in enumerate(self.absurd_kw)}
        self.at_us, self.quarter_us = (np.full(n_meters, NEVER, np.int64) for _ in range(2))
        self.power_kw, self.reactive_kvar = (np.full(n_meters, np.nan) for _ in range(2))
        self.register_wh, self.start_wh, self.closed_wh = (np.full((2, n_meters), np.nan) for _ in range(3))

    def fold(self, frame: TelemetryFrame, *, now_us: int) -> int:
        """Take what is newer than all before; returns the newest instant taken, `NEVER` where there is none.

        Of unequal columns nothing is believed; of one bad reading nothing but the rest. Who buries them is the worker.
        """
        n_rows = len(frame.ids)
        reactive = () if isinstance(frame.reactive_kvar, UnsetType) else frame.reactive_kvar
        optional = (frame.energy_import_wh, frame.energy_export_wh, frame.quality, reactive)
        if {len(frame.measured_at_us), len(frame.power_kw)} != {n_rows} or {*map(len, optional)} - {0, n_rows}:
            return NEVER
        newest_us = NEVER
        for row, meter in enumerate(frame.ids):
            at, at_us, power_kw = self.place.get(meter), frame.measured_at_us[row], frame.power_kw[row]
            if at is None or power_kw is None or not abs(power_kw) <= self.absurd_kw[meter]:
                continue
            if not self.at_us[at] < at_us <= now_us + _AHEAD_US or _cell(frame.quality, row) == Quality.BAD:
                continue
            registers_wh = [
                _believed(_cell(column, row), least=0, most=_MOST_WH)
                for column in (frame.energy_import_wh, frame.energy_export_wh)
            ]
            self._read_registers(at, at_us, registers_wh, self.absurd_kw[meter])
            absurd_kvar = self.absurd_kw[meter]
            self.power_kw[at] = power_kw
            self.reactive_kvar[at] = _believed(_cell(reactive, row), least=-absurd_kvar, most=absurd_kvar)
            self.at_us[at] = at_us
            newest_us = max(newest_us, at_us)
        return newest_us

    def energy_wh(self, quarter_us: int) -> Floats:
        """[2, n_meters] A+ and A- of a quarter up to each meter's newest reading in it; NaN where no register tells."""
        own = np.where(self.quarter_us == quarter_us, self.register_wh - self.start_wh, np.nan)
        return np.where(self.quarter_us == quarter_us + QUARTER_US, self.closed_wh, own)

    def _read_registers(self, at: int, at_us: int, register_wh: list[float], absurd_kw: float) -> None:
        """Before the reading itself is taken: the one before it is needed at a boundary."""
        start_us, was_us = quarter_start_us(at_us), int(self.at_us[at])
        was_wh = self.register_wh[:, at].tolist()
        follows = [
            0 <= now - was <= absurd_kw * (at_us - was_us) * _WH_PER_KWUS + 1
            for now, was in zip(register_wh, was_wh, strict=True)
        ]
        if start_us != self.quarter_us[at]:
            is_near = was_us != NEVER and at_us - was_us <= BOUNDARY_GAP_US
            for side, now_wh in enumerate(register_wh):
                before = (was_us, was_wh[side]) if is_near and follows[side] else None
                boundary_wh = _register_at(start_us, before, (at_us, now_wh))
                is_next = self.quarter_us[at] == start_us - QUARTER_US
                self.closed_wh[side, at] = boundary_wh - self.start_wh[side, at] if is_next else math.nan
                self.start_wh[side, at] = boundary_wh
            self.quarter_us[at] = start_us
        else:
            # one that was exchanged or leapt tells nothing of the rest of this quarter
            for side in (0, 1):
                if not follows[side]:
                    self.start_wh[side, at] = math.nan
        self.register_wh[:, at] = register_wh


def _register_at(boundary_us: int, before: tuple[int, float] | None, after: tuple[int, float]) -> float:
    """By the one function that all quarters are counted with; NaN where it cannot be told."""
    if after[0] == boundary_us or math.isnan(after[1]):
        return after[1]
    if before is None:
        return math.nan
    return float(
        register_at_wh(
            boundary_us, RegisterReading(before[0], int(before[1])), RegisterReading(after[0], int(after[1]))
        )
    )  # fmt: skip


def _believed(value: float | None, *, least: float, most: float) -> float:
    """NaN for what is missing or cannot be; compared before it becomes a float, for it may be larger than any."""
    return float(value) if value is not None and least <= value <= most else math.nan


def _cell(column: Sequence[_Cell], row: int) -> _Cell | None:
    return column[row] if column else None
