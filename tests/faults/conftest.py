"""One broker for the fault tests, which may kill it; a park under a new id for each test."""

import uuid
from pathlib import Path

import pytest

from connectors.topic_admin import ensure_topics
from infra.services import embedded_kafka
from tests.faults.park import Gateway, Listener, Roles, copy_hub


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="session")
def broker(services_folder):
    with embedded_kafka(services_folder / "faults", on_progress=print) as service:
        ensure_topics(service.bootstrap)
        yield service


@pytest.fixture
def gateway(broker, tmp_path):
    sends = Gateway(copy_hub(tmp_path, f"park-{uuid.uuid4().hex[:8]}"), broker.bootstrap)
    yield sends.start()
    sends.stop()


@pytest.fixture
def roles(broker, gateway, tmp_path: Path, kernel_cache):
    started = Roles(tmp_path, gateway.hub_dir, broker.bootstrap, kernel_cache)
    yield started
    started.stop()


@pytest.fixture
def listen(broker, gateway):
    listeners = []

    def to(*topics):
        listeners.append(Listener(broker.bootstrap, gateway.hub.id, *topics))
        return listeners[-1]

    yield to
    for listener in listeners:
        listener.close()
