"""The broker and the databases of the tests: started by the first test that asks, shared, stopped at the end.

A test that needs tables asks for `postgres_dsn` or `timescaledb_dsn`, an empty database of its own. A test that needs
topics takes `kafka.bootstrap` and invents topic names that no other test uses.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.services import (
    DatabaseService,
    KafkaService,
    ServiceError,
    default_cache_folder,
    embedded_database,
    embedded_kafka,
)
from infra.services.timescale import timescaledb_programs

DE_KOUMEN = Path(__file__).parents[1] / "infra/hubs/de-koumen"
NOT_TESTED = pytest.StashKey[dict[str, ServiceError]]()
EXIT_STATUS = pytest.StashKey[int]()


def progress(text: str) -> None:
    """What a service is doing shows with -s, and with a test that fails."""
    print(text)


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A data folder that the database's user may enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="lusbalans-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled kernel for child processes: compiling takes longer than any wait of a test should allow for."""
    folder = tmp_path_factory.mktemp("kernel")
    command = [sys.executable, "-m", "lusbalans", "warm-up", "--hub", str(DE_KOUMEN)]
    subprocess.run(command, env=os.environ | {"NUMBA_CACHE_DIR": str(folder)}, check=True, timeout=600)
    return folder


@pytest.fixture(scope="session")
def kafka(services_folder: Path) -> Iterator[KafkaService]:
    """A real broker, shared: a test that kills or reconfigures one starts its own."""
    with embedded_kafka(services_folder, on_progress=progress) as service:
        yield service


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[DatabaseService]:
    """Plain PostgreSQL, shared."""
    with embedded_database(services_folder, edition="postgresql", on_progress=progress) as service:
        yield service


@pytest.fixture(scope="session")
def timescaledb(services_folder: Path, pytestconfig: pytest.Config) -> Iterator[DatabaseService]:
    """TimescaleDB, shared; where it cannot be had its tests are not tested, or fail with STRICT=1."""
    if (error := pytestconfig.stash[NOT_TESTED].get("timescaledb")) is not None:
        if os.environ.get("STRICT"):
            raise error
        pytest.skip(f"NOT TESTED: {error}")
    with embedded_database(services_folder, edition="timescaledb", on_progress=progress) as service:
        yield service


@pytest.fixture
def postgres_dsn(postgres: DatabaseService) -> Iterator[str]:
    """An empty database on plain PostgreSQL for one test."""
    yield from _database(postgres)


@pytest.fixture
def timescaledb_dsn(timescaledb: DatabaseService) -> Iterator[str]:
    """An empty database on TimescaleDB for one test; `create extension timescaledb` is the test's or schema's affair."""
    yield from _database(timescaledb)


def _database(service: DatabaseService) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield service.create_database(name)
    service.drop_database(name)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_TESTED] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetches what the selected tests need; what cannot be had is said first, with its remedy."""
    if session.config.option.collectonly or not any("timescaledb" in names_of(item) for item in session.items):
        return
    try:
        timescaledb_programs(default_cache_folder(), on_progress=progress)
    except ServiceError as error:
        session.config.stash[NOT_TESTED]["timescaledb"] = error
        session.config.get_terminal_writer().line(f"cannot test timescaledb: {error}")


def names_of(item: pytest.Item) -> list[str]:
    """The fixtures that a test asks for, directly or not."""
    return getattr(item, "fixturenames", [])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT_STATUS] = exitstatus


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line owns up to what was not tested."""
    missing = config.stash[NOT_TESTED]
    if missing and config.stash.get(EXIT_STATUS, pytest.ExitCode.INTERRUPTED) == pytest.ExitCode.OK:
        print("PASSED, NOT TESTED: " + ", ".join(f"{name} ({error.fault})" for name, error in missing.items()))
