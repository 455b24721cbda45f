"""From what stands in one cell to a value: the kinds of column a hub folder knows.

A cell is a text (CSV) or a TOML value. What cannot be read becomes `Refused`, never an exception, so that all errors
of a folder are found in one go.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from hub.ean import EAN_DIGITS, check_digit, is_ean18

Cell = object
"""Text from a CSV file, or a TOML value."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a cell has no value, and what to write instead."""

    problem: str
    remedy: str


Kind = Callable[[Cell], Any]
"""Reads a cell: its value, or `Refused`."""

ABSURD: Final = 1e7
"""No park has a figure as large (10 GW, 10 GWh in kW and kWh): a larger one is a slip of the keyboard (R14)."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?[\d.]*\d,\d+", re.ASCII)
_NUMBER_WITH_UNIT: Final = re.compile(r"[+-]?[\d.,]+\s*[^\d\s.,+-].*", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_YES_NO: Final = {"yes": True, "no": False, "true": True, "false": False, "ja": True, "nee": False}


def text(cell: Cell) -> str | Refused:
    """Read a text of one line that is not empty."""
    if not isinstance(cell, str):
        return Refused(f"{cell!r} is not a text", "put it between quotes")
    if not cell.strip() or not cell.isprintable():
        return Refused(f"{cell!r} is empty or has unprintable characters", "write a text on one line")
    return cell.strip()


def identifier(cell: Cell) -> str | Refused:
    """Read an id. Slash and @ are kept out because message keys and arms use them (`lus-1/a`, `@station`)."""
    value = text(cell)
    if isinstance(value, str) and not _ID.fullmatch(value):
        return Refused(f"{value!r} is not an id", "use letters, digits, '-', '_' and '.', first a letter or digit")
    return value


def ean(cell: Cell) -> str | Refused:
    """Read an EAN-18, its check digit included."""
    value = text(cell)
    if isinstance(value, Refused) or is_ean18(value):
        return value
    if re.fullmatch(r"\d(\.\d+)?E\+?\d+", value, re.ASCII):
        return Refused(f"{value} is an EAN that a spreadsheet rounded", "format the column as text, type the 18 digits")
    if not re.fullmatch(rf"[0-9]{{{EAN_DIGITS}}}", value, re.ASCII):
        return Refused(f"{value!r} is not an EAN-18", "write the 18 digits, without spaces")
    return Refused(
        f"{value} has a wrong check digit",
        f"compare with the meter or the contract (after {value[:-1]} comes {check_digit(value[:-1])})",
    )


def yes_no(cell: Cell) -> bool | Refused:
    """Read yes or no (also true/false, ja/nee)."""
    if isinstance(cell, bool):
        return cell
    value = _YES_NO.get(cell.strip().lower()) if isinstance(cell, str) else None
    return Refused(f"{cell!r} is neither yes nor no", "write yes or no") if value is None else value


def day(cell: Cell) -> date | Refused:
    """Read a day, written 2027-12-31."""
    if type(cell) is date:  # not a datetime, which is a date too
        return cell
    try:
        return date.fromisoformat(cell.strip() if isinstance(cell, str) else "")
    except ValueError:
        return Refused(f"{cell!r} is not a day", "write it as year-month-day, such as 2027-12-31")


def timezone(cell: Cell) -> str | Refused:
    """Read a time zone by its IANA name."""
    value = text(cell)
    if isinstance(value, Refused):
        return value
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # not found, not a name, the name of a folder
        return Refused(f"no time zone {value!r}", "write an IANA name, such as Europe/Amsterdam")
    return value


def one_of(choices: type[StrEnum]) -> Kind:
    """Kind of a column that holds a member of an enumeration."""

    def read(cell: Cell) -> StrEnum | Refused:
        try:
            return choices(cell.strip() if isinstance(cell, str) else "")
        except ValueError:
            return Refused(f"{cell!r} is not known", f"write one of {', '.join(choices)}")

    return read


def number(*, at_least: float = -ABSURD, above: float = -math.inf, at_most: float = ABSURD) -> Kind:
    """Kind of a column that holds a finite number within bounds."""

    def read(cell: Cell) -> float | Refused:
        value = _to_float(cell)
        if isinstance(value, Refused):
            return value
        if above < value and at_least <= value <= at_most:
            return value
        if value > at_most:
            return Refused(f"{value:g} is too large", f"write {at_most:g} at most; mind the unit")
        bound = f"more than {above:g}" if value <= above else f"{at_least:g} or more"
        return Refused(f"{value:g} is too small", f"write {bound}")

    return read


def whole(*, at_least: int = 0) -> Kind:
    """Kind of a column that holds a whole number."""
    read_number = number(at_least=at_least)

    def read(cell: Cell) -> int | Refused:
        value = read_number(cell)
        if isinstance(value, float) and not value.is_integer():
            return Refused(f"{value:g} is not a whole number", "write a whole number")
        return int(value) if isinstance(value, float) else value

    return read


def _to_float(cell: Cell) -> float | Refused:
    if isinstance(cell, str):
        return _parse_float(cell.strip())
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return Refused(f"{cell!r} is not a number", "write a number")
    return _finite(float(cell)) if abs(cell) <= ABSURD or isinstance(cell, float) else _too_large(cell)


def _parse_float(cell: str) -> float | Refused:
    if _NUMBER.fullmatch(cell):
        return _finite(float(cell))
    if _DECIMAL_COMMA.fullmatch(cell):
        point = cell.replace(".", "").replace(",", ".")
        return Refused(f"{cell!r} has a decimal comma", f"write {point}, with a decimal point and no thousands mark")
    if cell.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
        return Refused(f"{cell!r} is not a finite number", "write a number")
    if _NUMBER_WITH_UNIT.fullmatch(cell):
        return Refused(f"{cell!r} is not a number alone", "leave the unit out: the column's name says it")
    return Refused(f"{cell!r} is not a number", "write a number")


def _finite(value: float) -> float | Refused:
    return value if math.isfinite(value) else Refused(f"{value} is not a finite number", "write a number")


def _too_large(cell: int) -> Refused:
    return Refused(f"{'-' if cell < 0 else ''}{str(abs(cell))[:6]}… is too large", "write a smaller number")
