"""Stores a batch in one transaction: offsets first, which fences, then rows, then the quarters they touch.

Rows go by binary COPY straight into their table. Only where a key is already there (a gateway or a producer sent twice)
the whole transaction is rolled back and done again with `on conflict do nothing`; what was there touches no quarter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import psycopg
from psycopg import sql

from connectors.store.batch import Batch
from connectors.store.copy_format import count_rows, sort_unique, to_copy
from connectors.store.offsets import move_offsets, record_gap
from connectors.store.quarter_plan import QuarterPlan, Touched
from connectors.store.quarter_store import recompute
from connectors.store.registry import Registry
from connectors.store.tables import TABLES, TELEMETRY, Rows, Table

_DAY_US: Final = 86_400 * 1_000_000
_EPOCH: Final = date(1970, 1, 1)
_NOTHING_TOUCHED: Final = Touched(frozenset(), frozenset(), {})

_BOUNDS: Final = (
    "set statement_timeout = '60s'; set lock_timeout = '10s'; set idle_in_transaction_session_timeout = '60s'"
)
_CONNECT_TIMEOUT_S: Final = 3
_SILENCE_MS: Final = 10_000
"""A database host that is gone without a word is given up after this; else a COMMIT could wait for ever."""


def connect(dsn: str, *, application_name: str) -> psycopg.Connection:
    """Open one connection for writing, with a bound on every wait.

    Raises:
        psycopg.OperationalError: the database is away.
    """
    connection = psycopg.connect(
        dsn,
        autocommit=True,
        application_name=application_name,
        connect_timeout=_CONNECT_TIMEOUT_S,
        tcp_user_timeout=_SILENCE_MS,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
    )
    connection.execute(_BOUNDS)  # not as options, which would displace those of the DSN
    connection.prepare_threshold = None  # a generic plan could not leave out days
    return connection


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be stored: sorted, without repetitions, with the database's ids."""

    batch: Batch
    rows: tuple[tuple[Table, Rows], ...]
    touched: Touched
    repeated: int
    """Rows whose key came twice within the batch."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a batch added."""

    rows: int
    duplicates: int
    """Rows not added because their key was there, within the batch or in the table."""


class Writer:
    """Remembers what need not be asked of the database again; one per process."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.quarters = QuarterPlan()
        self._days: set[date] = set()

    def prepare(self, connection: psycopg.Connection, batch: Batch) -> Prepared:
        """Register names and make day partitions, each in a transaction of its own; sort the rows."""
        self.registry.resolve(connection)
        rows = [
            (table, sort_unique(table, self.registry.to_ids(table, arrived)))
            for table in TABLES
            if (arrived := batch.rows_of(table)) is not None
        ]
        self._ensure_days(connection, rows)
        telemetry = next((kept for table, kept in rows if table is TELEMETRY), None)
        touched = _NOTHING_TOUCHED if telemetry is None else self.quarters.touched_by(telemetry)
        kept_count = sum(count_rows(kept) for _, kept in rows)
        return Prepared(batch, tuple(rows), touched, batch.rows_count - kept_count)

    def store(self, connection: psycopg.Connection, prepared: Prepared) -> Stored:
        """Store the batch, all of it or nothing.

        Raises:
            FencedError: another recorder stored these offsets; nothing was stored now.
            psycopg.OperationalError: the database went away; only the offsets there tell whether it was stored.
        """
        try:
            added = _copy_all(connection, prepared)
            touched = prepared.touched
        except psycopg.errors.UniqueViolation:
            added, touched = self._merge_all(connection, prepared)
        self.quarters.committed(touched)
        return Stored(added, prepared.batch.rows_count - added)

    def _merge_all(self, connection: psycopg.Connection, prepared: Prepared) -> tuple[int, Touched]:
        added, touched = 0, _NOTHING_TOUCHED
        with connection.transaction():
            _move(connection, prepared.batch)
            for table, rows in prepared.rows:
                new = _merge_into(connection, table, rows)
                added += len(new)
                if table is TELEMETRY:
                    touched = self.quarters.touched_by(self._new_to_quarters(rows, set(new)))
            recompute(connection, touched.due)
        return added, touched

    def _new_to_quarters(self, rows: Rows, new: set[tuple[int, int]]) -> Rows:
        """Leave out what was in the table and has its quarters recomputed, or noted as stale, by us."""
        keys = zip(rows["point_id"].tolist(), rows["measured_at"].tolist(), strict=True)
        counts = np.array([key in new or not self.quarters.knows(key[0]) for key in keys])
        return {name: values[counts] for name, values in rows.items()}

    def refresh_quarters(self, connection: psycopg.Connection) -> int:
        """Bring provisional figures up to their readings; returns how many were behind."""
        stale = self.quarters.stale
        if stale:
            with connection.transaction():
                recompute(connection, stale)
            self.quarters.committed(Touched(stale, frozenset(), {}))
        return len(stale)

    def forget(self) -> None:
        """Another recorder has been writing, or this is another database: ask everything again."""
        self.registry.forget_ids()
        self.quarters.forget()
        self._days.clear()

    def _ensure_days(self, connection: psycopg.Connection, rows: Iterable[tuple[Table, Rows]]) -> None:
        """Make the partitions of the batch's days and of the day after each, so that midnight finds its own ready."""
        numbers = {int(number) for table, kept in rows for number in np.unique(kept[table.instant] // _DAY_US)}
        days = {_EPOCH + timedelta(days=number + ahead) for number in numbers for ahead in (0, 1)}
        if missing := days - self._days:
            connection.execute("select ensure_days(%s)", (sorted(missing),))
            self._days |= missing


def _move(connection: psycopg.Connection, batch: Batch) -> None:
    move_offsets(connection, batch.moves)
    for partition, gap in batch.gaps:
        record_gap(connection, partition, gap)


def _copy_all(connection: psycopg.Connection, prepared: Prepared) -> int:
    with connection.transaction():
        _move(connection, prepared.batch)
        for table, rows in prepared.rows:
            _copy(connection, table, rows, into=table.name)
        recompute(connection, prepared.touched.due)
    return sum(count_rows(rows) for _, rows in prepared.rows)


def _merge_into(connection: psycopg.Connection, table: Table, rows: Rows) -> list[tuple[int, int]]:
    """Add the rows whose key is not there yet; returns the point and instant (microseconds) of each."""
    staging = f"staging_{table.name}"
    connection.execute(
        sql.SQL("create temporary table if not exists {} (like {}) on commit delete rows").format(
            sql.Identifier(staging), sql.Identifier(table.name)
        )
    )
    _copy(connection, table, rows, into=staging)
    statement = sql.SQL(
        """
        insert into {table} ({columns}) select {columns} from {staging} on conflict do nothing
        returning point_id, (extract(epoch from {instant}) * 1000000)::bigint
        """
    ).format(
        table=sql.Identifier(table.name),
        columns=_column_list(table),
        staging=sql.Identifier(staging),
        instant=sql.Identifier(table.instant),
    )
    return connection.execute(statement).fetchall()


def _copy(connection: psycopg.Connection, table: Table, rows: Rows, *, into: str) -> None:
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(sql.Identifier(into), _column_list(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(to_copy(table, rows))


def _column_list(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
