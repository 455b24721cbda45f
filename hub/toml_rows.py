"""Reads `hub.toml`: the station, its timing and margin, the grid loops with their sections, limits, profiles."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.cells import Cell
from hub.errors import HubError
from hub.rows import Row, read_row, unknown_name
from hub.schema import ACCEPTED, GRID_LOOPS, HUB, LIMITS, MARGIN, POSITIONS, PROFILES, SECTIONS, STEPS, TIMING, Column
from hub.toml_lines import find_lines

FILE: Final = "hub.toml"
_TOP: Final = ("hub", "timing", "margin", "grid_loops", "steps", "accepted", "limits", "profiles")
_DECODE_ERROR: Final = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkRows:
    """The tables of `hub.toml`, as rows."""

    hub: Row
    timing: Row
    margin: Row
    grid_loops: tuple[Row, ...]
    sections: tuple[tuple[Row, ...], ...]
    """Of each grid loop, in ring order."""
    positions: tuple[tuple[Row, ...], ...]
    """Of each grid loop."""
    steps: tuple[Row, ...]
    accepted: tuple[Row, ...]
    limits: tuple[Row, ...]
    profiles: Row | None
    sectors: Row | None
    """Keys are sectors, values are names of load profiles."""


def read_toml(path: Path) -> tuple[ParkRows | None, list[HubError]]:
    """Read all tables and everything that is wrong with them; None where the file as a whole cannot be read."""
    text = _read_text(path)
    if isinstance(text, HubError):
        return None, [text]
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_error(str(error))]
    reader = _Reader(find_lines(text))
    park = reader.read_park(tables)
    return park, reader.errors


def _read_text(path: Path) -> str | HubError:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return HubError(FILE, None, None, "the file is missing", "add it; `lusbalans hub init` writes an example")
    except OSError as error:
        return HubError(FILE, None, None, f"cannot be read: {error.strerror}", "check the file's permissions")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return HubError(FILE, line, None, "is not UTF-8", "save it as UTF-8")


def _syntax_error(message: str) -> HubError:
    match = _DECODE_ERROR.fullmatch(message)
    problem, line, column = (match[1], int(match[2]), f"character {match[3]}") if match else (message, None, None)
    return HubError(FILE, line, column, f"is not TOML: {problem}", "compare with an example: `lusbalans hub init`")


class _Reader:
    """Walks the tables and gathers rows and errors."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        self.errors: list[HubError] = []
        self._lines = lines

    def read_park(self, tables: Mapping[str, Cell]) -> ParkRows:
        self._refuse_unknown(tables, _TOP, where="")
        loops = self._tables(tables, "grid_loops")
        sections, positions = [], []
        for at, loop in enumerate(loops):
            where = f"grid_loops[{at}]"
            listed = self._tables(loop, "sections", where)
            sections.append(self._rows(listed, SECTIONS, f"{where}.sections"))
            permitted = self._tables(loop, "positions", where) if "positions" in loop else []
            positions.append(self._rows(permitted, POSITIONS, f"{where}.positions"))
        profiles, sectors = self._read_profiles(tables)
        return ParkRows(
            hub=self._row(self._table(tables, "hub"), HUB, "hub"),
            timing=self._row(self._table(tables, "timing"), TIMING, "timing"),
            margin=self._row(self._table(tables, "margin"), MARGIN, "margin"),
            grid_loops=self._rows(loops, GRID_LOOPS, "grid_loops", also=("sections", "positions")),
            sections=tuple(sections),
            positions=tuple(positions),
            steps=self._optional_rows(tables, STEPS, "steps"),
            accepted=self._optional_rows(tables, ACCEPTED, "accepted"),
            limits=self._rows(self._tables(tables, "limits"), LIMITS, "limits"),
            profiles=profiles,
            sectors=sectors,
        )

    def _read_profiles(self, tables: Mapping[str, Cell]) -> tuple[Row | None, Row | None]:
        if "profiles" not in tables:
            return None, None
        table = self._table(tables, "profiles")
        listed = self._table(table, "sectors", "profiles")
        columns = tuple(Column(name, PROFILES[0].kind) for name in listed)
        return (
            self._row(table, PROFILES, "profiles", also=("sectors",)),
            self._row(listed, columns, "profiles.sectors"),
        )

    def _optional_rows(self, tables: Mapping[str, Cell], columns: tuple[Column, ...], key: str) -> tuple[Row, ...]:
        return self._rows(self._tables(tables, key), columns, key) if key in tables else ()

    def _rows(
        self, tables: list[Mapping[str, Cell]], columns: tuple[Column, ...], where: str, *, also: tuple[str, ...] = ()
    ) -> tuple[Row, ...]:
        return tuple(self._row(table, columns, f"{where}[{at}]", also=also) for at, table in enumerate(tables))

    def _row(
        self, table: Mapping[str, Cell], columns: tuple[Column, ...], where: str, *, also: tuple[str, ...] = ()
    ) -> Row:
        self._refuse_unknown(table, (*(column.name for column in columns), *also), where=where)
        keys = {key: self._line(f"{where}.{key}") for key in table}
        lines = {key: line for key, line in keys.items() if line is not None}
        row, errors = read_row(table, columns, file=FILE, number=self._line(where), path=_plain(where), lines=lines)
        self.errors += errors
        return row

    def _table(self, parent: Mapping[str, Cell], key: str, where: str = "") -> Mapping[str, Cell]:
        table = parent.get(key, {})
        if isinstance(table, dict):
            return table
        self._refuse(_join(where, key), "is not a table", f"write it as [{_plain(_join(where, key))}]")
        return {}

    def _tables(self, parent: Mapping[str, Cell], key: str, where: str = "") -> list[Mapping[str, Cell]]:
        tables = parent.get(key, [])
        if isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables):
            return tables
        problem = "there is none" if tables == [] else "is not a list of tables"
        self._refuse(_join(where, key), problem, f"write each as [[{_plain(_join(where, key))}]]")
        return []

    def _refuse_unknown(self, table: Mapping[str, Cell], known: tuple[str, ...], *, where: str) -> None:
        for key in table:
            if key not in known:
                self._refuse(_join(where, key), *unknown_name(key, known))

    def _refuse(self, path: str, problem: str, remedy: str) -> None:
        self.errors.append(HubError(FILE, self._line(path), _plain(path), problem, remedy))

    def _line(self, path: str) -> int | None:
        """Line of a path, or of the nearest table around it that was found."""
        while path and path not in self._lines:
            path = path.rpartition(".")[0]
        return self._lines.get(path)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _plain(path: str) -> str:
    """Return a path without the numbers of its items: the line says which."""
    return re.sub(r"\[\d+\]", "", path)
