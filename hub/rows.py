"""Rows of a hub folder: cells read by their columns, with the place they came from.

The same for CSV and TOML. A cell that was refused is absent from `values`; a check that needs it is not made, so that
one slip is reported once.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.cells import Cell, Refused
from hub.errors import HubError
from hub.schema import REQUIRED, Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, or one table of `hub.toml`."""

    file: str
    number: int | None
    """As `HubError.row`."""
    path: str = ""
    """Dotted name of the TOML table; empty for CSV."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of a key where it differs from `number` (TOML)."""
    written: Mapping[str, Cell]
    """The cells as they stand in the file."""
    values: Mapping[str, Any]
    """The cells that could be read."""

    def error(self, column: str | None, problem: str, remedy: str) -> HubError:
        """Return an error at a cell of this row."""
        line = self.number if column is None else self.lines.get(column, self.number)
        name = ".".join(part for part in (self.path, column) if part) or None
        return HubError(self.file, line, name, problem, remedy)

    def has(self, columns: Iterable[str]) -> bool:
        """Whether all these cells could be read."""
        return all(column in self.values for column in columns)


def read_row(
    written: Mapping[str, Cell],
    columns: tuple[Column, ...],
    *,
    file: str,
    number: int | None,
    path: str = "",
    lines: Mapping[str, int] | None = None,
) -> tuple[Row, list[HubError]]:
    """Read the cells of one row; empty and absent cells get what their column says."""
    values: dict[str, Any] = {}
    row = Row(file=file, number=number, path=path, lines=lines or {}, written=written, values=values)
    errors = []
    for column in columns:
        value = _read_cell(written.get(column.name, ""), column)
        if isinstance(value, Refused):
            errors.append(row.error(column.name, value.problem, value.remedy))
        else:
            values[column.name] = value
    return row, errors


def _read_cell(cell: Cell, column: Column) -> Any:  # noqa: ANN401  (of the column's kind)
    if not (isinstance(cell, str) and not cell.strip()):
        return column.kind(cell)
    return Refused("is missing", "fill it in") if column.empty is REQUIRED else column.empty


def unknown_name(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Problem and remedy for a column or key that does not exist, with the nearest that does.

    >>> unknown_name("contract_import", ["contract_import_kw", "ean"])
    ("there is no 'contract_import'", "did you mean 'contract_import_kw'?")
    """
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    remedy = f"did you mean {nearest[0]!r}?" if nearest else f"remove it, or use one of {', '.join(names)}"
    return f"there is no {name!r}", remedy
