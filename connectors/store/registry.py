"""Whole numbers for names: codes given here at once, the database's ids when a batch is stored.

A name is registered in a transaction of its own before the rows that use it: registering twice is harmless, so a batch
that is rolled back leaves nothing to undo.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
import psycopg

from connectors.store.tables import Names, Rows, Table
from hub.model import GROUP, PARK, Hub, NodeKind

_N = TypeVar("_N", str, tuple[str, str])


class Interner(Generic[_N]):
    """Codes 0, 1, 2 … for names in the order they are first seen; it never forgets one."""

    def __init__(self) -> None:
        self.names: list[_N] = []
        self._codes: dict[_N, int] = {}

    def code(self, name: _N) -> int:
        """Code of the name."""
        code = self._codes.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        return code


class Registry:
    """The names a process has seen and, once resolved, their ids in the database."""

    def __init__(self) -> None:
        self._points: Interner[tuple[str, str]] = Interner()
        self._labels: Interner[str] = Interner()
        self._point_ids: list[int] = []
        self._label_ids: list[int] = []

    def point(self, hub_id: str, name: str) -> int:
        """Code of a point; ids are unique within a hub only."""
        return self._points.code((hub_id, name))

    def label(self, name: str) -> int:
        """Code of a word."""
        return self._labels.code(name)

    def resolve(self, connection: psycopg.Connection) -> None:
        """Register the names that have no id yet; commits."""
        points = self._points.names[len(self._point_ids) :]
        labels = self._labels.names[len(self._label_ids) :]
        if points:
            self._point_ids += _register_points(connection, points)
        if labels:
            self._label_ids += _register_labels(connection, labels)

    def to_ids(self, table: Table, rows: Rows) -> Rows:
        """Rows with the database's ids in place of codes; all names must have been resolved."""
        ids = {Names.POINT: np.array(self._point_ids), Names.LABEL: np.array(self._label_ids)}
        named = {column.name: ids[column.names] for column in table.columns if column.names is not None}
        return {name: named[name][values] if name in named else values for name, values in rows.items()}

    def forget_ids(self) -> None:
        """Ask the database again: it may be another one, or restored from a backup."""
        self._point_ids.clear()
        self._label_ids.clear()


def register_hub(connection: psycopg.Connection, hub: Hub) -> None:
    """Register every node and asset of the hub folder with its kind, whether heard or not; commits."""
    names, kinds = zip(*_points_of(hub), strict=True)
    with connection.transaction():
        connection.execute("insert into hub (name) values (%s) on conflict do nothing", (hub.id,))
        connection.execute(
            """
            insert into point (hub_id, name, kind)
            select hub_id, given.name, given.kind
            from hub cross join unnest(%s::text[], %s::text[]) given (name, kind)
            where hub.name = %s
            on conflict (hub_id, name) do update set kind = excluded.kind
            where point.kind is distinct from excluded.kind
            """,
            (list(names), list(kinds), hub.id),
        )


def _points_of(hub: Hub) -> Iterable[tuple[str, str]]:
    kinds: dict[str, str] = {PARK: NodeKind.PARK, GROUP: NodeKind.GROUP}
    for grid_loop in hub.grid_loops:
        kinds[grid_loop.id] = NodeKind.GRID_LOOP
        kinds |= {f"{grid_loop.id}/{arm}": NodeKind.ARM for arm in "ab"}
        kinds |= {section.id: NodeKind.SEGMENT for section in grid_loop.sections}
    for connection in hub.connections:
        if connection.micro_group is not None:
            kinds[connection.micro_group] = NodeKind.MICRO_GROUP
        kinds[connection.ean] = NodeKind.CONNECTION
    kinds |= {asset.id: asset.kind for asset in hub.assets}
    return [(name, str(kind)) for name, kind in kinds.items()]


def _register_points(connection: psycopg.Connection, points: Sequence[tuple[str, str]]) -> list[int]:
    hubs, names = [hub for hub, _ in points], [name for _, name in points]
    with connection.transaction():
        connection.execute(
            "insert into hub (name) select distinct unnest(%s::text[]) order by 1 on conflict do nothing", (hubs,)
        )
        connection.execute(
            """
            insert into point (hub_id, name)
            select hub_id, given.point
            from unnest(%s::text[], %s::text[]) given (hub, point) join hub on hub.name = given.hub
            order by 1, 2
            on conflict do nothing
            """,
            (hubs, names),
        )
        rows = connection.execute(
            """
            select point_id
            from unnest(%s::text[], %s::text[]) with ordinality given (hub, point, position)
            join hub on hub.name = given.hub
            join point on point.hub_id = hub.hub_id and point.name = given.point
            order by position
            """,
            (hubs, names),
        ).fetchall()
    return [point_id for (point_id,) in rows]


def _register_labels(connection: psycopg.Connection, names: Sequence[str]) -> list[int]:
    with connection.transaction():
        connection.execute(
            "insert into label (name) select unnest(%s::text[]) order by 1 on conflict do nothing", (list(names),)
        )
        rows = connection.execute(
            """
            select label_id
            from unnest(%s::text[]) with ordinality given (name, position) join label using (name)
            order by position
            """,
            (list(names),),
        ).fetchall()
    return [label_id for (label_id,) in rows]
