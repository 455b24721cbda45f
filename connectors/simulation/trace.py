"""The trace of a simulation: a wide table of net power, powers and setpoints, for a load flow or a spreadsheet.

One row per step, named by the instant at which the step begins; values are means over the step in kW, load convention.
Columns: `time_utc`, every node (connections by their EAN), every asset, and `ID setpoint` for each asset that has one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np

from connectors.simulation.profile_file import PARQUET, TIME, load_parquet
from connectors.simulator.arrays import Floats, Ints

SETPOINT: Final = " setpoint"

_ROWS_AT_ONCE: Final = 900


class Trace(AbstractContextManager["Trace"], Protocol):
    """Takes rows in order of time, some at once; leaving the context completes the file."""

    def write(self, at_us: Ints, power_kw: Floats) -> None:
        """Append rows: `at_us` [rows], `power_kw` [rows, columns], NaN where there is no value."""


def open_trace(path: Path | None, columns: Sequence[str]) -> Trace:
    """A trace of these columns beside the time; by its suffix CSV or Parquet, None for nowhere.

    Raises:
        HubErrors: Parquet is asked for and not installed.
        OSError: the file cannot be written.
    """
    if path is None:
        return _Nowhere()
    return _Parquet(path, columns) if path.suffix in PARQUET else _Csv(path, columns)


def columns_of(node_ids: Sequence[str], asset_ids: Sequence[str], controllable: Sequence[str]) -> list[str]:
    """Names of the columns of a park's trace, in order."""
    return [*node_ids, *asset_ids, *(f"{asset}{SETPOINT}" for asset in controllable)]


class _Nowhere:
    def write(self, at_us: Ints, power_kw: Floats) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class _Csv:
    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(",".join([TIME, *columns]) + "\n")

    def write(self, at_us: Ints, power_kw: Floats) -> None:
        times = np.datetime_as_string(at_us.astype("datetime64[us]").astype("datetime64[s]")).tolist()
        for time, row in zip(times, np.round(power_kw, 3).tolist(), strict=True):
            cells = ",".join(["" if value != value else repr(value + 0.0) for value in row])  # noqa: PLR0124  (NaN)
            self._file.write(f"{time}Z,{cells}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._pa, parquet = load_parquet(path)
        instant = self._pa.field(TIME, self._pa.timestamp("us", tz="UTC"))
        self._schema = self._pa.schema([instant, *((name, self._pa.float64()) for name in columns)])
        self._file: Any = parquet.ParquetWriter(path, self._schema)
        self._at_us: list[Ints] = []
        self._power_kw: list[Floats] = []

    def write(self, at_us: Ints, power_kw: Floats) -> None:
        self._at_us.append(at_us)
        self._power_kw.append(np.round(power_kw, 3))
        if sum(map(len, self._at_us)) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._at_us:
            columns = [self._pa.array(np.concatenate(self._at_us), self._schema.field(0).type)]
            columns += [self._pa.array(column, from_pandas=True) for column in np.concatenate(self._power_kw, axis=0).T]
            self._file.write_table(self._pa.table(columns, self._schema))
            self._at_us.clear()
            self._power_kw.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._flush()
        self._file.close()
