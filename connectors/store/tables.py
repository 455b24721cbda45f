"""The tables that rows are packed for: their columns in the order of the schema, and what makes a row unique."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

MISSING: Final = np.iinfo(np.int64).min
"""Stands for null in an integer column of rows; NaN does in the others."""

Array = NDArray[np.float64] | NDArray[np.int64]
Rows = dict[str, Array]
"""Rows by column, all of one length. Instants are microseconds since 1970, flags 0 or 1, ids and labels whatever
whole number stands for them at that stage."""


class Kind(Enum):
    """How a column is stored: name in PostgreSQL, numpy's code for its bytes on the wire."""

    INSTANT = ("timestamptz", ">i8")
    BIGINT = ("int8", ">i8")
    INTEGER = ("int4", ">i4")
    SMALLINT = ("int2", ">i2")
    REAL = ("float4", ">f4")
    FLAG = ("bool", ">u1")

    def __init__(self, sql_type: str, wire_code: str) -> None:
        self.sql_type = sql_type
        self.wire_code = wire_code


class Names(Enum):
    """Which registry an integer column refers to."""

    POINT = "point"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `names` where its rows hold codes of names until they are stored."""

    name: str
    kind: Kind
    names: Names | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table; rows are sorted by `key`, the primary key, before they are sent."""

    name: str
    instant: str
    """The column that decides the day partition."""
    key: tuple[str, ...]
    columns: tuple[Column, ...]


def _reals(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.REAL) for name in names)


def _bigints(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.BIGINT) for name in names)


def _points(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.INTEGER, Names.POINT) for name in names)


def _labels(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.INTEGER, Names.LABEL) for name in names)


TELEMETRY: Final = Table(
    name="telemetry",
    instant="measured_at",
    key=("point_id", "measured_at"),
    columns=(
        Column("measured_at", Kind.INSTANT),
        *_bigints("energy_import_wh", "energy_export_wh"),
        *_points("point_id"),
        *_reals("power_kw", "min_kw", "max_kw", "soc_ratio"),
        Column("quality", Kind.SMALLINT),
    ),
)

LOOP_STATE: Final = Table(
    name="loop_state",
    instant="at",
    key=("point_id", "at"),
    columns=(
        Column("at", Kind.INSTANT),
        *_bigints("tick"),
        *_points("point_id", "grid_loop_id"),
        *_reals("power_kw", "limit_import_kw", "limit_export_kw", "headroom_import_kw", "headroom_export_kw"),
        *_reals("quarter_import_kw", "quarter_export_kw", "projected_import_kw", "projected_export_kw"),
        *_reals("coverage_ratio"),
        *_labels("binding", "mode"),
        Column("fresh", Kind.FLAG),
    ),
)

SETPOINT: Final = Table(
    name="setpoint",
    instant="issued_at",
    key=("point_id", "issued_at", "incarnation", "generation", "claim_offset", "sequence"),
    columns=(
        Column("issued_at", Kind.INSTANT),
        *_bigints("claim_offset", "sequence", "tick", "valid_for_ms", "incarnation", "generation"),
        *_points("point_id", "grid_loop_id"),
        *_reals("power_kw"),
        *_labels("bound", "reason", "binding"),
    ),
)

SETPOINT_RESULT: Final = Table(
    name="setpoint_result",
    instant="at",
    key=("point_id", "at", "incarnation", "generation", "claim_offset", "sequence", "outcome"),
    columns=(
        Column("at", Kind.INSTANT),
        *_bigints("claim_offset", "sequence", "incarnation", "generation"),
        *_points("point_id", "grid_loop_id"),
        *_labels("outcome", "refusal"),
        *_reals("latency_ms"),
    ),
)

TABLES: Final = (TELEMETRY, LOOP_STATE, SETPOINT, SETPOINT_RESULT)
