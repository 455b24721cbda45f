"""Empty and migrated databases, on plain PostgreSQL and on TimescaleDB."""

from collections.abc import Iterator

import psycopg
import pytest

from connectors.store.migrations import migrate
from connectors.store.writer import connect


@pytest.fixture(
    params=[
        pytest.param("postgres_dsn", id="plain PostgreSQL"),
        pytest.param("timescaledb_dsn", id="TimescaleDB", marks=pytest.mark.timescaledb),
    ]
)
def empty_dsn(request: pytest.FixtureRequest) -> str:
    """An empty database on each server."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def store_dsn(empty_dsn: str) -> str:
    """A migrated database on each server."""
    migrate(empty_dsn)
    return empty_dsn


@pytest.fixture
def store(store_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection as the recorder has it."""
    with connect(store_dsn, application_name="test") as connection:
        yield connection
