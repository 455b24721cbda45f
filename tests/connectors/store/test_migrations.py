"""Migrations: history, drift, and what happens when two run at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from connectors.store.editions import Edition
from connectors.store.migrations import MigrationError, check, migrate, read_migrations

WANTED = read_migrations()

services = pytest.mark.services


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        pytest.param(["0001_a.sql", "0003_b.sql"], "without a gap", id="gap"),
        pytest.param(["0001_a.sql", "0001_b.sql"], "without a gap", id="same number twice"),
        pytest.param(["0002_a.sql"], "without a gap", id="does not begin at 1"),
        pytest.param(["1_a.sql"], "NNNN", id="short number"),
        pytest.param(["0001_A b.sql"], "NNNN", id="name with a space"),
    ],
)
def test_files_that_are_not_numbered_from_one_are_refused(tmp_path, names, complaint):
    for name in names:
        (tmp_path / name).write_text("select 1;")
    with pytest.raises(MigrationError, match=complaint):
        read_migrations(tmp_path)


@services
def test_first_run_applies_all_and_second_run_nothing(empty_dsn):
    assert len(check(empty_dsn).drift) == len(WANTED)
    assert len(migrate(empty_dsn).applied) == len(WANTED)
    assert migrate(empty_dsn).applied == ()
    assert check(empty_dsn).drift == ()


@services
def test_check_of_an_empty_database_leaves_it_empty(postgres_dsn):
    check(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("select count(*) from pg_class where relname = 'schema_migration'").fetchone() == (0,)


@services
@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        pytest.param("update schema_migration set sha256 = 'x' where number = 2", "was changed", id="changed file"),
        pytest.param("delete from schema_migration where number = 2", "gap", id="gap"),
        pytest.param("insert into schema_migration values (99, 'a', 'x')", "gap", id="number far ahead"),
    ],
)
def test_history_that_does_not_fit_the_files_is_refused(postgres_dsn, tampering, complaint):
    migrate(postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(tampering)
    assert check(postgres_dsn).drift != ()
    with pytest.raises(MigrationError, match=complaint):
        migrate(postgres_dsn)


@services
def test_database_of_a_newer_program_is_refused(postgres_dsn):
    migrate(postgres_dsn)
    with pytest.raises(MigrationError, match="newer than this program"):
        migrate(postgres_dsn, WANTED[:-1])


@services
def test_file_that_fails_is_rolled_back_whole_and_the_ones_before_stay(postgres_dsn):
    broken = replace(WANTED[2], sql="create table half (id integer); select no_such_column")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        migrate(postgres_dsn, (*WANTED[:2], broken))
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("select to_regclass('half'), to_regclass('point')").fetchone() == (None, "point")
    assert len(migrate(postgres_dsn).applied) == len(WANTED) - 2


@services
def test_concurrent_runs_apply_each_file_once(empty_dsn):
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(migrate, [empty_dsn] * 4))
    assert sorted(len(run.applied) for run in runs) == [0, 0, 0, len(WANTED)]
    assert check(empty_dsn).drift == ()


@services
@pytest.mark.parametrize(
    ("server", "editions", "partitioned"),
    [
        pytest.param("postgres_dsn", {Edition.POSTGRESQL}, True, id="plain PostgreSQL"),
        pytest.param(
            "timescaledb_dsn",
            {Edition.TIMESCALEDB_APACHE, Edition.TIMESCALEDB_COMMUNITY},
            False,
            id="TimescaleDB",
            marks=pytest.mark.timescaledb,
        ),
    ],
)
def test_edition_is_named_and_decides_how_days_are_kept_apart(request, server, editions, partitioned):
    dsn = request.getfixturevalue(server)
    assert migrate(dsn).edition in editions
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select relkind = 'p' from pg_class where relname = 'telemetry'").fetchone()
    assert found == (partitioned,)


@services
@pytest.mark.timescaledb
def test_tables_made_before_timescaledb_came_are_drift(timescaledb_dsn):
    migrate(timescaledb_dsn)
    with psycopg.connect(timescaledb_dsn) as connection:
        connection.execute("drop table telemetry")
        connection.execute("create table telemetry (at timestamptz) partition by range (at)")
    assert any("native partitions" in line for line in check(timescaledb_dsn).drift)


@services
def test_migration_needs_no_superuser(postgres_dsn):
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("create role plain_migrator")
        connection.execute("grant create on schema public to plain_migrator")
        plain_dsn = psycopg.conninfo.make_conninfo(postgres_dsn, options="-c role=plain_migrator")
        assert len(migrate(plain_dsn).applied) == len(WANTED)
        assert check(plain_dsn).drift == ()
        connection.execute("drop owned by plain_migrator cascade")
        connection.execute("drop role plain_migrator")
