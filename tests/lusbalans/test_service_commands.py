"""`lusbalans topics` and `lusbalans db`: what they print, and how they exit."""

import json

import psycopg
import pytest
from click.testing import CliRunner

from lusbalans.service_commands import db, topics

services = pytest.mark.services


def run(group, *arguments: str):
    return CliRunner(env={"LUSBALANS_DATABASE_DSN": None}).invoke(group, arguments)


@services
def test_check_exits_1_before_and_0_after_migrate(postgres_dsn):
    assert run(db, "check", "--dsn", postgres_dsn).exit_code == 1
    migrated = run(db, "migrate", "--dsn", postgres_dsn)
    assert (migrated.exit_code, migrated.stdout.splitlines()[0]) == (0, "database: PostgreSQL")
    checked = run(db, "check", "--dsn", postgres_dsn, "--json")
    assert (checked.exit_code, json.loads(checked.stdout)) == (0, {"edition": "PostgreSQL", "drift": []})


@services
def test_migrate_exits_1_on_a_changed_file_and_names_it(postgres_dsn):
    run(db, "migrate", "--dsn", postgres_dsn)
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("update schema_migration set sha256 = 'x' where number = 1")
    refused = run(db, "migrate", "--dsn", postgres_dsn)
    assert refused.exit_code == 1
    assert "0001 by_day was changed" in refused.stderr


@pytest.mark.parametrize("verb", ["migrate", "check"])
def test_database_that_does_not_answer_exits_3_in_one_line(verb):
    failed = run(db, verb, "--dsn", "host=127.0.0.1 port=1 connect_timeout=2")
    assert (failed.exit_code, failed.stdout) == (3, "")
    assert len(failed.stderr.splitlines()) == 1


def test_no_database_named_exits_2_with_the_remedy():
    failed = run(db, "check")
    assert failed.exit_code == 2
    assert "LUSBALANS_DATABASE_DSN" in failed.stderr


@services
def test_topics_are_made_and_then_as_expected(kafka):
    assert run(topics, "ensure", "--bootstrap", kafka.bootstrap).exit_code == 0
    checked = run(topics, "check", "--bootstrap", kafka.bootstrap, "--json")
    assert (checked.exit_code, json.loads(checked.stdout)) == (0, {"drift": []})


@services
def test_broker_that_does_not_answer_exits_3():
    assert run(topics, "check", "--bootstrap", "127.0.0.1:1").exit_code == 3
