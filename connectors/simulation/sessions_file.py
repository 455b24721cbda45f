"""Reads real charging sessions: which car stood at which charger, from when to when, and what it came for."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from connectors.simulation.instants import instant_us
from connectors.simulation.profile_file import open_text
from hub.cells import Refused, number
from hub.errors import HubError, HubErrors
from hub.model import AssetKind, Hub
from hub.rows import unknown_name

COLUMNS: Final = ("charger", "arrival", "departure", "energy_kwh", "max_kw")

_above_zero: Final = number(above=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSession:
    """One car at one charger."""

    charger: str
    arrival_us: int
    departure_us: int
    energy_kwh: float
    """What it came for."""
    max_kw: float
    """What the car can take at most."""
    row: int
    """Of the file, as a spreadsheet counts."""


def read_sessions(path: Path, hub: Hub) -> tuple[PlannedSession, ...]:
    """Read a CSV file of sessions, sorted by charger and arrival.

    Raises:
        HubErrors: with everything that is wrong.
    """
    try:
        with open_text(path) as file:
            rows = list(csv.reader(file))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise HubErrors([HubError(path.name, None, None, f"cannot be read: {error}", "check the file")]) from error
    header = [name.strip() for name in rows[0]] if rows else []
    if sorted(header) != sorted(COLUMNS):
        problem = f"the columns are {', '.join(header) or 'none'}"
        raise HubErrors([HubError(path.name, 1, None, problem, f"write {','.join(COLUMNS)}")])
    errors: list[HubError] = []
    chargers = sorted(asset.id for asset in hub.assets if asset.kind is AssetKind.CHARGER)
    read = (
        _session(path.name, at, dict(zip(header, cells, strict=False)), chargers=chargers, errors=errors)
        for at, cells in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in cells)
    )
    sessions = sorted((one for one in read if one is not None), key=lambda one: (one.charger, one.arrival_us))
    errors += _overlaps(path.name, sessions)
    if errors:
        raise HubErrors(errors)
    return tuple(sessions)


def _session(
    file: str, row: int, cells: dict[str, str], *, chargers: list[str], errors: list[HubError]
) -> PlannedSession | None:
    wrong = list(_wrong_cells(file, row, cells, chargers))
    errors += wrong
    if wrong:
        return None
    return PlannedSession(
        charger=cells["charger"].strip(),
        arrival_us=instant_us(cells["arrival"].strip()) or 0,
        departure_us=instant_us(cells["departure"].strip()) or 0,
        energy_kwh=float(cells["energy_kwh"]),
        max_kw=float(cells["max_kw"]),
        row=row,
    )


def _wrong_cells(file: str, row: int, cells: dict[str, str], chargers: list[str]) -> Iterator[HubError]:
    missing = [name for name in COLUMNS if not cells.get(name, "").strip()]
    for name in missing:
        yield HubError(file, row, name, "is missing", "fill it in")
    if "charger" not in missing and (charger := cells["charger"].strip()) not in chargers:
        yield HubError(file, row, "charger", *unknown_name(charger, chargers))
    instants = {name: instant_us(cells[name].strip()) for name in ("arrival", "departure") if name not in missing}
    for name, at_us in instants.items():
        if at_us is None:
            remedy = "write an ISO 8601 time with its zone, such as 2026-06-21T12:00Z"
            yield HubError(file, row, name, f"{cells[name]!r} is no time that says its zone", remedy)
    arrival_us, departure_us = instants.get("arrival"), instants.get("departure")
    if arrival_us is not None and departure_us is not None and departure_us <= arrival_us:
        yield HubError(file, row, "departure", "is not later than the arrival", "mend one of the two")
    for name in ("energy_kwh", "max_kw"):
        if name not in missing and isinstance(value := _above_zero(cells[name]), Refused):
            yield HubError(file, row, name, value.problem, value.remedy)


def _overlaps(file: str, sessions: list[PlannedSession]) -> Iterator[HubError]:
    for one, other in pairwise(sessions):
        if one.charger == other.charger and other.arrival_us < one.departure_us:
            problem = f"a car arrives at {one.charger} while that of row {one.row} is there"
            yield HubError(file, other.row, "arrival", problem, "a charger has one car at a time")
