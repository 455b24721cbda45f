"""Which database this is: the schema is the same in all, the way days are kept apart is not."""

from enum import StrEnum

import psycopg


class Edition(StrEnum):
    """The three databases the store runs on; figures are the same in all."""

    POSTGRESQL = "PostgreSQL"
    """Native day partitions."""
    TIMESCALEDB_APACHE = "TimescaleDB Apache edition"
    """Hypertables."""
    TIMESCALEDB_COMMUNITY = "TimescaleDB Community edition"
    """Hypertables, and compression where the operator wants it."""


def find_edition(connection: psycopg.Connection) -> Edition:
    """Tell the edition of the connected database by the extension and its licence."""
    row = connection.execute(
        """
        select current_setting('timescaledb.license', true)
        from pg_extension where extname = 'timescaledb'
        """
    ).fetchone()
    if row is None:
        return Edition.POSTGRESQL
    return Edition.TIMESCALEDB_APACHE if row[0] == "apache" else Edition.TIMESCALEDB_COMMUNITY


def ensure_extension(connection: psycopg.Connection) -> None:
    """Create TimescaleDB's extension where the server has it loaded; it is a trusted one, no superuser is needed.

    Must come before the first migration: tables made without it stay native partitions.

    Raises:
        psycopg.errors.InsufficientPrivilege: the role may not create anything in this database.
    """
    connection.execute(
        """
        do $$
        begin
            if current_setting('timescaledb.disable_load', true) is not null
               and exists (select from pg_available_extensions where name = 'timescaledb') then
                create extension if not exists timescaledb;
            end if;
        end
        $$
        """
    )
