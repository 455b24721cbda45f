"""A hub folder as read, before it is checked: rows of cells with their places."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.rows import Row
from hub.toml_rows import ParkRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All rows of all files."""

    park: ParkRows
    connections: tuple[Row, ...]
    assets: tuple[Row, ...]
    envelope: tuple[Row, ...] = ()

    @property
    def sections(self) -> Iterator[Row]:
        """The sections of all grid loops."""
        for sections in self.park.sections:
            yield from sections

    @property
    def micro_groups(self) -> dict[str, list[Row]]:
        """Rows of the connections in each micro group."""
        groups: dict[str, list[Row]] = {}
        for row in self.connections:
            name = row.values.get("micro_group")
            if name is not None:
                groups.setdefault(name, []).append(row)
        return groups


def written_id(row: Row, column: str) -> str:
    """Return an id as it stands in the file, also where it was refused: what refers to it is then not an orphan."""
    return str(row.written.get(column, "")).strip()
