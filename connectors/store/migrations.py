"""Brings a database to the schema of this program, by numbered SQL files and a history that is checked.

Each file runs once, in order, in a transaction of its own, under an advisory lock. A file that was applied is never
edited: the history keeps its SHA-256, and a difference is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

import infra
from connectors.store.editions import Edition, ensure_extension, find_edition

SQL_FOLDER: Final = Path(infra.__file__).parent / "sql"
DAYS_AHEAD: Final = 3
"""Day partitions made by a migration; the recorder makes later ones."""

_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK: Final = 7_815_696_100  # any constant that no other program of this database uses
_LOCK_TIMEOUT: Final = "60s"


class MigrationError(Exception):
    """The database or the files are not as the history says; one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sha256: str
    sql: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the history."""

    number: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """What `migrate` did."""

    edition: Edition
    applied: tuple[str, ...]
    """Names of the files run now; empty when the database was up to date."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found; no drift means the database fits this program."""

    edition: Edition
    drift: tuple[str, ...]
    """One sentence each."""


def read_migrations(folder: Path = SQL_FOLDER) -> tuple[Migration, ...]:
    """Read the numbered files of a folder in order.

    Raises:
        MigrationError: a file name that does not fit, or a number that is missing or given twice.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: name it NNNN_what_it_does.sql")
        content = path.read_bytes()
        migrations.append(
            Migration(int(match[1]), match[2], hashlib.sha256(content).hexdigest(), content.decode("utf-8"))
        )
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"migrations in {folder} are numbered {numbers}: number them 1, 2, 3 without a gap")
    return tuple(migrations)


def find_drift(migrations: tuple[Migration, ...], history: tuple[Applied, ...]) -> tuple[str, ...]:
    """Compare files with the history; each difference that no migration can mend is one sentence."""
    drift = []
    for expected, applied in enumerate(history, start=1):
        label = f"migration {applied.number:04d} {applied.name}"
        if applied.number != expected:
            drift.append(f"history has a gap before {label}: restore the database from a backup")
            break
        if applied.number > len(migrations):
            drift.append(f"{label} is newer than this program: upgrade the program")
        elif migrations[applied.number - 1].sha256 != applied.sha256:
            drift.append(f"{label} was changed after it was applied: restore the file, write a new migration instead")
    return tuple(drift)


def migrate(dsn: str, migrations: tuple[Migration, ...] | None = None) -> Migrated:
    """Apply what is missing; a second run does nothing, concurrent runs wait for each other.

    Raises:
        MigrationError: the history does not fit the files, or another migration holds the lock for a minute.
        psycopg.Error: the database cannot be reached or refuses a statement; that file is rolled back whole.
    """
    wanted = read_migrations() if migrations is None else migrations
    with psycopg.connect(dsn, autocommit=True) as connection:
        _lock(connection)
        ensure_extension(connection)
        connection.execute(
            """
            create table if not exists schema_migration (
                number integer primary key,
                name text not null,
                sha256 text not null,
                applied_at timestamptz not null default now()
            )
            """
        )
        history = _read_history(connection)
        if drift := find_drift(wanted, history):
            raise MigrationError("; ".join(drift))
        pending = wanted[len(history) :]
        for migration in pending:
            _apply(connection, migration)
        if wanted:
            _make_days_ahead(connection)
        return Migrated(find_edition(connection), tuple(f"{each.number:04d}_{each.name}" for each in pending))


def check(dsn: str, migrations: tuple[Migration, ...] | None = None) -> Checked:
    """Compare the database with the files of this program; touches nothing.

    Raises:
        MigrationError: the files themselves are not usable.
        psycopg.Error: the database cannot be reached.
    """
    wanted = read_migrations() if migrations is None else migrations
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        edition = find_edition(connection)
        history = _read_history(connection) if _has_table(connection, "schema_migration") else ()
        drift = list(find_drift(wanted, history))
        drift += [f"migration {each.number:04d} {each.name} is not applied" for each in wanted[len(history) :]]
        if edition is not Edition.POSTGRESQL and _is_partitioned(connection, "telemetry"):
            drift.append("tables were made before TimescaleDB was there and stay native partitions")
        return Checked(edition, tuple(drift))


def _lock(connection: psycopg.Connection) -> None:
    connection.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
    try:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError(f"another migration runs for more than {_LOCK_TIMEOUT}: wait for it, or end it") from error


def _read_history(connection: psycopg.Connection) -> tuple[Applied, ...]:
    rows = connection.execute("select number, name, sha256 from schema_migration order by number").fetchall()
    return tuple(Applied(*row) for row in rows)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.sql)
        connection.execute(
            "insert into schema_migration (number, name, sha256) values (%s, %s, %s)",
            (migration.number, migration.name, migration.sha256),
        )


def _make_days_ahead(connection: psycopg.Connection) -> None:
    if connection.execute("select to_regproc('ensure_days') is not null").fetchone() == (True,):
        connection.execute(
            """
            select ensure_days(array(
                select (now() at time zone 'UTC')::date + ahead from generate_series(-1, %s) ahead
            ))
            """,
            (DAYS_AHEAD,),
        )


def _has_table(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("select to_regclass(%s) is not null", (name,)).fetchone() == (True,)


def _is_partitioned(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute("select relkind = 'p' from pg_class where oid = to_regclass(%s)", (name,)).fetchone()
    return row == (True,)
