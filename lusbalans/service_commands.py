"""`lusbalans topics` and `lusbalans db`: services made ready, or told apart from what is expected.

Exit codes: 0 as expected, 1 it differs or could not be made so, 2 a setting that cannot be used, 3 the service is not
reachable.
"""

import os
import sys
from typing import Final, NoReturn

import click
import msgspec

from infra.settings import Settings, SettingsError, load_settings

DIFFERS: Final = 1
BAD_INPUT: Final = 2
NOT_FOUND: Final = 3

_bootstrap = click.option("--bootstrap", metavar="HOST:PORT", help="The Kafka cluster; default: the settings.")
_dsn = click.option("--dsn", metavar="DSN", help="The database, as libpq writes it; default: the settings.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def topics() -> None:
    """The topics on the broker."""


@topics.command("ensure")
@_bootstrap
@_json
def ensure(bootstrap: str | None, *, as_json: bool) -> None:
    """Make missing topics and mend retention; partitions are never changed."""
    from connectors.topic_admin import TopicsUnavailableError, ensure_topics

    try:
        changes = ensure_topics(_settings(kafka_bootstrap=bootstrap).kafka_bootstrap)
    except TopicsUnavailableError as error:
        _fail(str(error), NOT_FOUND)
    lines = [f"{change.topic}: {change.what}" for change in changes]
    _show({"changes": changes}, lines or ["all topics are as expected"], as_json=as_json)


@topics.command("check")
@_bootstrap
@_json
def check_topics_command(bootstrap: str | None, *, as_json: bool) -> None:
    """Compare the broker with what the code expects; touches nothing."""
    from connectors.topic_admin import TopicsUnavailableError, check_topics

    try:
        drift = check_topics(_settings(kafka_bootstrap=bootstrap).kafka_bootstrap)
    except TopicsUnavailableError as error:
        _fail(str(error), NOT_FOUND)
    lines = [
        f"{each.subject}: {each.setting} is {each.found}, expected {each.expected}; remedy: {each.remedy}"
        for each in drift
    ]
    _show({"drift": drift}, lines or ["all topics are as expected"], as_json=as_json)
    if drift:
        sys.exit(DIFFERS)


@click.group()
def db() -> None:
    """The database's schema."""


@db.command("migrate")
@_dsn
@_json
def migrate_command(dsn: str | None, *, as_json: bool) -> None:
    """Bring the database to the schema of this program."""
    import psycopg

    from connectors.store.migrations import MigrationError, migrate

    try:
        done = migrate(_database_dsn(dsn))
    except MigrationError as error:
        _fail(str(error), DIFFERS)
    except psycopg.Error as error:
        _fail_by_database(error)
    lines = [f"database: {done.edition}", *(f"applied {name}" for name in done.applied)]
    _show(done, lines if done.applied else [*lines, "the schema is as expected"], as_json=as_json)


@db.command("check")
@_dsn
@_json
def check_schema_command(dsn: str | None, *, as_json: bool) -> None:
    """Compare the database with the schema of this program; touches nothing."""
    import psycopg

    from connectors.store.migrations import MigrationError, check

    try:
        checked = check(_database_dsn(dsn))
    except MigrationError as error:
        _fail(str(error), DIFFERS)
    except psycopg.Error as error:
        _fail_by_database(error)
    lines = [f"database: {checked.edition}", *(checked.drift or ("the schema is as expected",))]
    _show(checked, lines, as_json=as_json)
    if checked.drift:
        sys.exit(DIFFERS)


def _settings(**overrides: str | None) -> Settings:
    try:
        return load_settings(os.environ, **overrides)
    except SettingsError as error:
        _fail(str(error), BAD_INPUT)


def _database_dsn(dsn: str | None) -> str:
    found = _settings(database_dsn=dsn).database_dsn
    if not found:
        _fail("no database: give --dsn or set LUSBALANS_DATABASE_DSN", BAD_INPUT)
    return found


def _show(result: object, lines: list[str], *, as_json: bool) -> None:
    click.echo(msgspec.json.encode(result).decode() if as_json else "\n".join(lines))


def _fail_by_database(error: Exception) -> NoReturn:
    import psycopg

    _fail(
        f"database: {' '.join(str(error).split())}",
        NOT_FOUND if isinstance(error, psycopg.OperationalError) else DIFFERS,
    )


def _fail(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)
