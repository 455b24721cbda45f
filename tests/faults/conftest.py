"""One broker for the fault tests, which may kill it; a park under a new id for each test."""

import uuid
from pathlib import Path

import pytest

from connectors.store.migrations import migrate
from connectors.topic_admin import ensure_topics
from hub.folder import read_hub
from infra.services import embedded_database, embedded_kafka
from tests.faults.park import Database, Gateway, Listener, Roles, copy_hub


@pytest.fixture(scope="session")
def broker(services_folder):
    with embedded_kafka(services_folder / "faults", on_progress=print) as service:
        ensure_topics(service.bootstrap)
        yield service


@pytest.fixture(params=["postgresql", "timescaledb"])
def database(request, services_folder):
    """A database that a test may kill, with the schema."""
    if request.param == "timescaledb":
        request.getfixturevalue("timescaledb")  # tells whether it can be had
    with embedded_database(services_folder / "faults", edition=request.param, on_progress=print) as service:
        dsn = service.create_database(f"faults_{uuid.uuid4().hex[:12]}")
        migrate(dsn)
        yield Database(service, dsn, away_s=10.0 if request.param == "timescaledb" else 5.0)


@pytest.fixture
def hub_dir(tmp_path):
    return copy_hub(tmp_path, f"park-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def hub(hub_dir):
    return read_hub(hub_dir)


@pytest.fixture
def gateway(broker, hub_dir):
    sends = Gateway(hub_dir, broker.bootstrap)
    yield sends.start()
    sends.stop()


@pytest.fixture
def roles(broker, hub_dir, tmp_path: Path, kernel_cache):
    started = Roles(tmp_path, hub_dir, broker.bootstrap, kernel_cache)
    yield started
    started.stop()


@pytest.fixture
def listen(broker, hub):
    listeners = []

    def to(*topics):
        listeners.append(Listener(broker.bootstrap, hub.id, *topics))
        return listeners[-1]

    yield to
    for listener in listeners:
        listener.close()
