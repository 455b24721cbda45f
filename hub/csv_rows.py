"""Reads `connections.csv` and `assets.csv`: comma-separated, UTF-8, a header, one row per thing.

What a spreadsheet makes of them on a Dutch machine (semicolons, decimal commas, a byte-order mark) is either accepted
or refused with the way out; it is never guessed at.
"""

import csv
import io
from pathlib import Path
from typing import Final

from hub.errors import HubError
from hub.rows import Row, read_row, unknown_name
from hub.schema import REQUIRED, Column

_SAVE_AS: Final = "save it as CSV UTF-8, separated by commas"


def read_csv(path: Path, columns: tuple[Column, ...]) -> tuple[tuple[Row, ...] | None, list[HubError]]:
    """Read all rows and everything that is wrong with them; None where the file as a whole cannot be read."""
    lines = _read_lines(path)
    if isinstance(lines, HubError):
        return None, [lines]
    header = [name.strip() for name in lines[0]] if lines else []
    errors = _check_header(path.name, header, columns)
    if errors:
        return None, errors
    rows = []
    for number, cells in enumerate(lines[1:], start=2):  # as a spreadsheet counts: the header is row 1
        if not any(cell.strip() for cell in cells):  # an empty line
            continue
        if len(cells) != len(header):
            errors.append(_wrong_length(path.name, number, cells, header))
            continue
        written = dict(zip(header, cells, strict=True))
        row, row_errors = read_row(written, columns, file=path.name, number=number)
        rows.append(row)
        errors += row_errors
    return tuple(rows), errors


def _read_lines(path: Path) -> list[list[str]] | HubError:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        return HubError(path.name, None, None, "the file is missing", "add it; `lusbalans hub init` writes an example")
    except OSError as error:
        return HubError(path.name, None, None, f"cannot be read: {error.strerror}", "check the file's permissions")
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        return HubError(path.name, row, None, "is not UTF-8", _SAVE_AS)
    except csv.Error as error:
        return HubError(path.name, None, None, f"is not comma-separated text: {error}", _SAVE_AS)


def _check_header(file: str, header: list[str], columns: tuple[Column, ...]) -> list[HubError]:
    names = [column.name for column in columns]
    if not header:
        return [HubError(file, 1, None, "the file is empty", f"begin it with the header {','.join(names)}")]
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and separator in header[0]:
            return [HubError(file, 1, None, f"the columns are separated by {name}", _SAVE_AS)]
    errors = [HubError(file, 1, name, *unknown_name(name, names)) for name in header if name not in names]
    errors += [
        HubError(file, 1, name, "the column is there twice", "remove one of them")
        for name in names
        if header.count(name) > 1
    ]
    errors += [
        HubError(file, 1, column.name, "the column is missing", "add it")
        for column in columns
        if column.name not in header and column.empty is REQUIRED
    ]
    return errors


def _wrong_length(file: str, number: int, cells: list[str], header: list[str]) -> HubError:
    if len(cells) > len(header):
        remedy = "remove the surplus; a number has a decimal point, and a text with a comma stands between quotes"
    else:
        remedy = f"add those after {header[len(cells) - 1]!r}; an empty cell still needs its comma"
    return HubError(file, number, None, f"there are {len(cells)} cells under {len(header)} columns", remedy)
