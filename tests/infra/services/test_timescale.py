import psycopg
import pytest

from infra.services.timescale import find_installed


@pytest.mark.services
@pytest.mark.timescaledb
def test_a_hypertable_puts_days_in_chunks(timescaledb_dsn):
    with psycopg.connect(timescaledb_dsn) as connection:
        connection.execute("create extension timescaledb")
        connection.execute("create table reading (measured_at timestamptz not null, power_kw float8)")
        connection.execute("select create_hypertable('reading', by_range('measured_at', interval '1 day'))")
        connection.execute("insert into reading values ('2026-03-28 12:00Z', 1.0), ('2026-03-29 12:00Z', 2.0)")
        chunks = connection.execute("select count(*) from show_chunks('reading')").fetchone()
    assert chunks == (2,)


def test_an_installed_timescaledb_is_found_by_its_extension(tmp_path):
    for file in ("usr/lib/postgresql/17/bin/postgres", "usr/share/postgresql/17/extension/timescaledb.control"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    assert find_installed(tmp_path) == tmp_path / "usr/lib/postgresql/17/bin"


def test_a_postgresql_without_the_extension_is_passed_over(tmp_path):
    (tmp_path / "usr/lib/postgresql/17/bin").mkdir(parents=True)
    (tmp_path / "usr/lib/postgresql/17/bin/postgres").touch()
    assert find_installed(tmp_path) is None
