"""A bare binary COPY into the recorder's own tables: what the server takes for the rows alone.

No offsets, no names, no quarters, nothing against rows that come twice; packed before the clock starts.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from connectors.store.copy_format import to_copy
from connectors.store.tables import Rows, Table


class BareCopy:
    """One database and one table of it."""

    def __init__(self, connection: psycopg.Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        columns = ", ".join(column.name for column in table.columns)
        self._statement = f"copy {table.name} ({columns}) from stdin (format binary)"

    def ensure_day(self, at_us: int) -> None:
        """Make the partitions around an instant, where days are partitions."""
        day = datetime.fromtimestamp(at_us / 1e6, UTC).date()
        self._connection.execute("select ensure_days(array[%s - 1, %s, %s + 1])", (day, day, day))

    def side(self, rows: Rows) -> tuple[psycopg.Connection, Callable[[], None]]:
        """The connection, and what is timed on it: one COPY that commits by itself."""
        data = to_copy(self._table, rows)

        def copy() -> None:
            with self._connection.cursor() as cursor, cursor.copy(self._statement) as sending:
                sending.write(data)

        return self._connection, copy
