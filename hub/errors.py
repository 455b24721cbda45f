"""What is wrong with a hub folder: where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubError:
    """One thing that must be mended."""

    file: str
    """Name within the hub folder."""
    row: int | None
    """Row as a spreadsheet counts it (1 is the header), or line of `hub.toml`; None where the whole file is meant."""
    column: str | None
    """Column, or dotted key of `hub.toml`; None where the whole row is meant."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """One line.

        >>> str(HubError("assets.csv", 4, "ean", "no such connection", "add it"))
        'assets.csv, row 4, ean: no such connection; add it'
        """
        place = [self.file]
        if self.row is not None:
            place.append(f"{'line' if self.file.endswith('.toml') else 'row'} {self.row}")
        if self.column is not None:
            place.append(_clip(self.column, 60))
        return f"{', '.join(place)}: {_clip(self.problem, 300)}; {self.remedy}"


def _clip(text: str, length: int) -> str:
    """What stands in a file may be anything; a terminal gets one printable line of it."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable if len(printable) <= length else f"{printable[: length - 1]}…"


class HubErrors(Exception):  # noqa: N818  (they are errors: several, raised together)
    """A hub folder that cannot be used, with everything that is wrong with it."""

    def __init__(self, errors: Iterable[HubError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.file, error.row or 0)))
        super().__init__("\n".join(map(str, self.errors)))
