"""How many rows of a run are in the tables, and whether that is all."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from connectors.store.offsets import LogPartition, read_offsets
from connectors.store.tables import TABLES


def count_rows(connection: psycopg.Connection, *, since_us: int) -> dict[str, int]:
    """Rows by table whose instant is not before `since_us` (microseconds UTC)."""
    counts = {}
    for table in TABLES:
        query = sql.SQL("select count(*) from {} where {} >= to_timestamp(%s)").format(
            sql.Identifier(table.name), sql.Identifier(table.instant)
        )
        row = connection.execute(query, (since_us / 1e6,)).fetchone()
        counts[table.name] = 0 if row is None else int(row[0])
    return counts


def is_stored(connection: psycopg.Connection, ends: Mapping[LogPartition, int]) -> bool:
    """Whether everything before these ends of the log is in the tables."""
    stored = read_offsets(connection, ends)
    return all(stored.get(partition, 0) >= end for partition, end in ends.items())
