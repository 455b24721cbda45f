"""How much of the soak runs (a tenth in `make test`, all of it in `make soak`), and the park it runs on."""

import os
import uuid
from dataclasses import dataclass

import pytest

from connectors.simulator.device_server import DeviceServer
from connectors.store.migrations import migrate
from connectors.topic_admin import ensure_topics
from infra.services import DatabaseService, KafkaService, embedded_database, embedded_kafka
from tests.faults.park import Roles
from tests.soak.devices import DeviceLedger
from tests.soak.killing import Supervisor
from tests.soak.park import ClockGateway, write_park
from tests.soak.setpoint_log import SetpointLog

TENTH = 0.1

SCALE = float(os.environ.pop("LUSBALANS_SOAK", TENTH))  # taken out: roles refuse a setting that they do not know
MINUTES = float(os.environ.pop("LUSBALANS_SOAK_MINUTES", max(1.0, 10 * SCALE)))
SEED = int(os.environ.pop("LUSBALANS_SOAK_SEED", 1))

collect_ignore = [] if SCALE >= 1 else ["test_passing_faults.py"]
"""Rows of the fault table that no tenth can be taken of."""


@pytest.fixture(scope="session")
def scale() -> float:
    """Share of the full soak's counts and hours, from LUSBALANS_SOAK: 1.0 is all of it."""
    return SCALE


@pytest.fixture(scope="session")
def minutes() -> float:
    """How long slopes are watched, from LUSBALANS_SOAK_MINUTES: one in `make test`, ten in `make soak`."""
    return MINUTES


@pytest.fixture(scope="session")
def seed() -> int:
    """Of all that happens by chance, from LUSBALANS_SOAK_SEED."""
    return SEED


@dataclass(frozen=True)
class Stand:
    """One park with everything around it; what is killed is killed by its process id."""

    broker: KafkaService
    database: DatabaseService
    dsn: str
    gateway: ClockGateway
    devices: DeviceLedger
    setpoints: SetpointLog
    supervisor: Supervisor

    @property
    def loops(self) -> set[str]:
        return {loop.id for loop in self.gateway.hub.grid_loops}

    def until_balanced(self, since_s: float, *, within_s: float = 90.0) -> None:
        """Wait until every loop got a setpoint frame after that moment."""
        self.setpoints.wait(lambda frame: frame.at_s > since_s, self.loops, within_s=within_s)


@pytest.fixture
def stand(tmp_path, services_folder, kernel_cache):
    """The gateway sends and the devices listen; roles are the test's to start."""
    hub_id = f"soak-{uuid.uuid4().hex[:8]}"
    folder = services_folder / hub_id
    with (
        embedded_kafka(folder, on_progress=print) as broker,
        embedded_database(folder, edition="postgresql", on_progress=print) as database,
    ):
        ensure_topics(broker.bootstrap)
        dsn = database.create_database("soak")
        migrate(dsn)
        gateway = ClockGateway(write_park(tmp_path, hub_id), broker.bootstrap)
        devices = DeviceLedger([asset.id for asset in gateway.hub.assets], gateway.clocks)
        server = DeviceServer("127.0.0.1", 0, devices)
        supervisor = Supervisor(
            Roles(
                tmp_path, gateway.hub_dir, broker.bootstrap, kernel_cache, dsn=dsn, simulator_port=server.port
            )
        )  # fmt: skip
        setpoints = SetpointLog(broker.bootstrap, hub_id, gateway.clocks)
        gateway.start()
        yield Stand(broker, database, dsn, gateway, devices, setpoints, supervisor)
        supervisor.close()
        gateway.stop()
        setpoints.close()
        server.close()
