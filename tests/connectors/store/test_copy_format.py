"""Rows to the bytes of binary COPY, against psycopg's own dumpers."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.bool import BoolBinaryDumper
from psycopg.types.datetime import DatetimeBinaryDumper
from psycopg.types.numeric import Float4BinaryDumper, Int2BinaryDumper, Int4BinaryDumper, Int8BinaryDumper

from connectors.store.copy_format import HEADER, TRAILER, sort_unique, to_copy
from connectors.store.tables import MISSING, TELEMETRY, Column, Kind, Rows, Table

ALL_KINDS = Table("t", "at", ("id",), tuple(Column(kind.name.lower(), kind) for kind in Kind))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Line = tuple[int, int | None, int | None, int | None, float | None, bool]


def lines() -> st.SearchStrategy[list[Line]]:
    """Rows of ALL_KINDS as Python values."""
    instant = st.integers(0, 4_102_444_800_000_000)
    whole = [st.none() | st.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1) for bits in (64, 32, 16)]
    real = st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)
    return st.lists(st.tuples(instant, *whole, real, st.booleans()), max_size=20)


def as_rows(given_lines: list[Line]) -> Rows:
    columns = list(zip(*given_lines, strict=True)) or [()] * len(Kind)
    return {
        column.name: np.array(
            [
                np.nan if value is None and column.kind is Kind.REAL else MISSING if value is None else value
                for value in values
            ],
            dtype=np.float64 if column.kind is Kind.REAL else np.int64,
        )
        for column, values in zip(ALL_KINDS.columns, columns, strict=True)
    }


DUMPERS = {
    Kind.INSTANT: DatetimeBinaryDumper(datetime),
    Kind.BIGINT: Int8BinaryDumper(int),
    Kind.INTEGER: Int4BinaryDumper(int),
    Kind.SMALLINT: Int2BinaryDumper(int),
    Kind.REAL: Float4BinaryDumper(float),
    Kind.FLAG: BoolBinaryDumper(bool),
}


def psycopg_field(kind: Kind, value: float | None) -> bytes:
    if value is None:
        return (-1).to_bytes(4, "big", signed=True)
    data = bytes(DUMPERS[kind].dump(EPOCH + timedelta(microseconds=value) if kind is Kind.INSTANT else value))
    return len(data).to_bytes(4, "big") + data


@given(lines())
def test_bytes_are_those_of_psycopgs_own_dumpers(given_lines):
    expected = b"".join(
        len(Kind).to_bytes(2, "big")
        + b"".join(psycopg_field(kind, value) for kind, value in zip(Kind, line, strict=True))
        for line in given_lines
    )
    assert to_copy(ALL_KINDS, as_rows(given_lines)) == HEADER + expected + TRAILER


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_sorting_keeps_the_first_of_each_key_in_key_order(keys):
    rows: Rows = {name: np.zeros(len(keys)) for name in (column.name for column in TELEMETRY.columns)}
    rows["point_id"] = np.array([point for point, _ in keys], dtype=np.int64)
    rows["measured_at"] = np.array([at for _, at in keys], dtype=np.int64)
    rows["power_kw"] = np.arange(len(keys), dtype=np.float64)
    kept = sort_unique(TELEMETRY, rows)
    assert list(zip(kept["point_id"], kept["measured_at"], strict=True)) == sorted(set(keys))
    assert [keys.index(key) for key in sorted(set(keys))] == kept["power_kw"].tolist()


def test_real_too_large_for_four_bytes_is_null():
    rows = as_rows([(0, 1, 1, 1, None, False)])
    too_large = rows | {"real": np.array([1e300])}
    assert to_copy(ALL_KINDS, too_large) == to_copy(ALL_KINDS, rows)
