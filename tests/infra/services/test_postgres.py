import psycopg
import pytest

from infra.services import embedded_database

pytestmark = pytest.mark.services


def count_rows(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("select count(*) from reading").fetchone()[0]


def test_a_database_of_a_test_is_empty(postgres_dsn):
    with psycopg.connect(postgres_dsn) as connection:
        tables = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_a_connection_without_the_password_is_refused(postgres):
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", dbname="postgres")


def test_committed_rows_survive_a_kill_with_sessions_open(services_folder):
    with embedded_database(services_folder / "killed") as database:
        session = psycopg.connect(database.dsn)
        session.execute("create table reading (power_kw float8)")
        session.execute("insert into reading values (1.5)")
        session.commit()
        database.kill()
        database.start()
        assert count_rows(database.dsn) == 1
        session.close()
