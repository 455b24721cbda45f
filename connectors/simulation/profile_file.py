"""Reads a file of profiles, wide CSV or Parquet: UTC time by connection or asset, kW. Says everything that is wrong.

The file as a table only; whether the columns and values fit a hub is `connectors.simulation.profile_checks`.
"""

import csv
import gzip
import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from connectors.simulation.instants import instant_us
from connectors.simulator.arrays import Floats, Ints
from hub.cells import Refused, number
from hub.errors import HubError, HubErrors

TIME: Final = "time_utc"
PARQUET: Final = (".parquet", ".pq")

NO_INSTANT: Final = -(2**62)
"""Stands for a time that could not be read."""

_MOST_CELLS: Final = 50
"""Cells that are told one by one; of a file that is wrong throughout these are enough."""

_read_number: Final = number()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A file of profiles as it stands there."""

    file: str
    first_row: int
    """How whoever looks at the file counts the first row of values."""
    names: tuple[str, ...]
    at_us: Ints
    """[rows]."""
    power_kw: Floats
    """[rows, names], NaN where a cell has no number."""
    errors: tuple[HubError, ...]
    """Cells that could not be read."""


def read_table(path: Path) -> Table:
    """Read a file by its suffix: `.csv`, `.csv.gz`, `.parquet`.

    Raises:
        HubErrors: the file as a whole cannot be read.
    """
    try:
        return _read_parquet(path) if path.suffix in PARQUET else _read_csv(path)
    except FileNotFoundError as error:
        raise _unreadable(path, "the file is missing", "check the path") from error
    except (OSError, EOFError) as error:
        raise _unreadable(path, f"cannot be read: {error}", "check the file and its permissions") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not UTF-8", "save it as CSV UTF-8, separated by commas") from error


def open_text(path: Path) -> io.TextIOWrapper:
    """Open a CSV file, also a compressed one; a byte-order mark is no part of it."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _unreadable(path: Path, problem: str, remedy: str, column: str | None = None) -> HubErrors:
    return HubErrors([HubError(path.name, None if column is None else 1, column, problem, remedy)])


def _read_csv(path: Path) -> Table:
    errors: list[HubError] = []
    at_us, powers_kw = array("q"), array("d")
    with open_text(path) as file:
        lines = enumerate(file, start=1)
        names = _header(path, next(lines, (1, ""))[1])
        for row, line in lines:
            cells = line.rstrip("\r\n").split(",") if '"' not in line else next(csv.reader([line]))
            if not any(cell.strip() for cell in cells):
                continue
            at_us.append(_instant(path, row, cells[0], errors))
            _take_powers(path, row, cells[1:], names=names, powers_kw=powers_kw, errors=errors)
    return Table(
        file=path.name,
        first_row=2,
        names=names,
        at_us=np.array(at_us, np.int64),
        power_kw=np.frombuffer(powers_kw, np.float64).reshape(len(at_us), len(names)),
        errors=_some(path, errors),
    )


def _some(path: Path, errors: list[HubError]) -> tuple[HubError, ...]:
    if len(errors) <= _MOST_CELLS:
        return tuple(errors)
    more = HubError(path.name, None, None, f"there are {len(errors) - _MOST_CELLS} more such cells", "mend these first")
    return (*errors[:_MOST_CELLS], more)


def _header(path: Path, line: str) -> tuple[str, ...]:
    names = [name.strip() for name in next(csv.reader([line]), [])]
    if len(names) == 1 and ";" in names[0]:
        remedy = "save it as CSV UTF-8, separated by commas, with decimal points"
        raise _unreadable(path, "the columns are separated by semicolons", remedy)
    if not names or names[0] != TIME or len(names) < 2:
        remedy = f"begin it with {TIME}, then one column per connection (its EAN) or asset (its id)"
        raise _unreadable(path, f"the first column is {names[0]!r}" if names else "the file is empty", remedy, TIME)
    return tuple(names[1:])


def _instant(path: Path, row: int, cell: str, errors: list[HubError]) -> int:
    at_us = instant_us(cell.strip())
    if at_us is not None:
        return at_us
    remedy = "write an ISO 8601 time in UTC that ends in Z, such as 2026-06-21T12:00Z"
    errors.append(HubError(path.name, row, TIME, f"{cell!r} is no time that says its zone", remedy))
    return NO_INSTANT


def _take_powers(
    path: Path,
    row: int,
    cells: list[str],
    *,
    names: tuple[str, ...],
    powers_kw: "array[float]",
    errors: list[HubError],
) -> None:
    """Append one row of powers: at once where all are plain numbers, which is what costs time."""
    began = len(powers_kw)
    if len(cells) == len(names):
        try:
            powers_kw.extend(map(float, cells))
        except ValueError:
            del powers_kw[began:]
        else:
            return
    else:
        problem = f"there are {len(cells) + 1} cells under {len(names) + 1} columns"
        errors.append(HubError(path.name, row, None, problem, "every column needs its cell, numbers a decimal point"))
    for name, cell in zip(names, [*cells, *[""] * len(names)], strict=False):
        value = _read_number(cell.strip()) if cell.strip() else Refused("is empty", "fill it in: a gap has no power")
        if isinstance(value, Refused) and len(cells) == len(names):
            errors.append(HubError(path.name, row, name, value.problem, value.remedy))
        powers_kw.append(np.nan if isinstance(value, Refused) else value)


def _read_parquet(path: Path) -> Table:
    pa, parquet = load_parquet(path)
    try:
        table = parquet.read_table(path)
    except pa.ArrowInvalid as error:
        raise _unreadable(path, f"is no Parquet file: {error}", "write it anew, or give a .csv file") from error
    names = table.column_names
    if names[:1] != [TIME] or len(names) < 2 or not getattr(table.schema.field(0).type, "tz", None):
        remedy = f"let {TIME} be the first column, a timestamp with a time zone"
        raise _unreadable(path, "there is no time that says its zone", remedy, TIME)
    errors = [
        HubError(path.name, None, name, f"holds {table.schema.field(name).type}", "let it hold numbers, kW")
        for name in names[1:]
        if not _is_number(pa, table.schema.field(name).type)
    ]
    if errors:
        raise HubErrors(errors)
    instants = table.column(0).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    columns = (np.asarray(column.to_numpy(), np.float64) for column in table.columns[1:])
    return Table(
        file=path.name,
        first_row=1,
        names=tuple(names[1:]),
        at_us=instants.fill_null(NO_INSTANT).to_numpy(),
        power_kw=np.stack(list(columns), axis=1),
        errors=tuple(_without_number(path, table)),
    )


def _is_number(pa: Any, kind: Any) -> bool:  # noqa: ANN401  (an optional package)
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _without_number(path: Path, table: Any) -> Iterator[HubError]:  # noqa: ANN401  (an optional package)
    """The first row without a value of each column that has such."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy())) + 1
            problem = f"has no value in {column.null_count} rows, the first of them here"
            yield HubError(path.name, row, name, problem, "fill it in: a gap has no power")


def load_parquet(path: Path) -> tuple[Any, Any]:
    """The packages that read and write Parquet, which are loaded only where they are needed.

    Raises:
        HubErrors: they are not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        remedy = "pip install 'lusbalans[simulate]', or use a .csv file"
        raise _unreadable(path, "Parquet needs the package pyarrow, which is not installed", remedy) from error
    return pa, parquet
