"""One park with every role beside it, each on a link of its own to the broker, and devices that write down what they took.

For faults that pass and leave the park as it was: one stand serves many of them, one after the other.
"""

import copy
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from psycopg.conninfo import make_conninfo

from connectors.simulator.device_server import DeviceServer
from connectors.store.migrations import migrate
from connectors.topic_admin import ensure_topics
from infra.services import DatabaseService, embedded_database
from streams.codec import decode_result
from streams.messages import Outcome
from streams.topics import REVERT, SETPOINT_RESULT
from tests.connectors.dispatch.worker_double import eventually
from tests.faults.doors import DooredKafka
from tests.faults.judging import assert_store_is_the_ledger, wait_until_stored
from tests.faults.park import Listener, Roles, copy_hub
from tests.faults.tcp_proxy import Link
from tests.soak.devices import DeviceLedger
from tests.soak.judging import Applied, assert_nothing_old_was_applied
from tests.soak.park import ClockGateway
from tests.soak.setpoint_log import SetpointLog

RETURN_S = 60.0
BACK_S = 30.0
"""Within this all loops are balanced again and dispatch takes it; what was measured is printed."""

ROLES = ("worker", "dispatch", "recorder", "watchdog")


@dataclass(eq=False)
class Stand:
    """All roles run, and devices have their setpoints."""

    broker: DooredKafka
    database_service: DatabaseService
    database: Link
    """Of the recorder; `dsn` goes past it."""
    dsn: str
    gateway: ClockGateway
    devices: DeviceLedger
    server: DeviceServer
    setpoints: SetpointLog
    listener: Listener
    roles: Roles

    def __post_init__(self) -> None:
        self.processes: dict[str, subprocess.Popen] = {}
        self.loops = {loop.id for loop in self.gateway.hub.grid_loops}

    def start(self, role: str, name: str | None = None) -> subprocess.Popen:
        self.roles.settings = {"LUSBALANS_KAFKA_BOOTSTRAP": self.broker.address(role)}
        process = self.roles.start(role, name)
        self.processes[name or role] = process
        return process

    def link(self, end: str) -> Link:
        """Of a role to the broker, or of the recorder to its database."""
        return self.database if end == "database" else self.broker.links[end]

    def until_balanced(self, *, within_s: float = 90.0) -> None:
        """Wait until every loop got setpoints from now on, and dispatch took some of them."""
        since_s = time.time()
        self.setpoints.wait(lambda frame: frame.at_s > since_s, self.loops, within_s=within_s)
        self.listener.wait(
            SETPOINT_RESULT,
            lambda heard: self.loops <= {each.grid_loop for each in map(_result, heard) if _accepted(each, since_s)},
            within_s=within_s,
        )

    def gaps_s(self, *, since_s: float) -> list[float]:
        """Of each loop, the longest time without setpoints that ended since then."""
        return sorted(
            max(later.at_s - before.at_s for before, later in pairwise(frames) if later.at_s > since_s)
            for frames in map(list, self.setpoints.frames.values())
        )

    def at_reversion(self) -> int:
        """How many devices have no lease."""
        return int(self.devices.obeyed_kw()[1].sum())

    def applied_since(self, since_s: float) -> list[Applied]:
        """What clocks were told since then but to go home, once there is any: after a revert they return by R12.

        Of all that any clock was ever told nothing was older than its lease; and no role ended.
        """
        assert eventually(lambda: any(each.at_s > since_s and each.power_kw for each in self.devices.told), RETURN_S)
        told = list(self.devices.told)
        self.setpoints.wait(
            lambda frame: frame.at_s > told[-1].at_s, self.loops, within_s=BACK_S
        )  # what was told is read
        applied = assert_nothing_old_was_applied(told, self.setpoints.frames)
        assert {name: process.poll() for name, process in self.processes.items()} == dict.fromkeys(self.processes)
        return [each for each in applied if each.told.at_s > since_s]

    def assert_stored(self) -> None:
        """Each reading that the broker has so far is stored once, and the quarters are exact; another recorder follows."""
        seen = copy.copy(self.gateway)
        seen.acknowledged = {loop: set(instants) for loop, instants in self.gateway.acknowledged.items()}
        wait_until_stored(self.dsn, seen)
        recorder = self.processes.pop("recorder")
        recorder.terminate()
        assert recorder.wait(30) == 0
        assert_store_is_the_ledger(self.dsn, seen)
        self.start("recorder")

    def reverts(self, *, since_s: float) -> int:
        return sum(heard.at_s > since_s for heard in self.listener.so_far(REVERT))

    def close(self) -> None:
        for link in (*self.broker.links.values(), self.database):
            link.join()
        self.roles.stop()
        self.gateway.stop()
        self.setpoints.close()
        self.listener.close()
        self.server.close()
        self.database.close()


def _result(heard):
    return decode_result(heard.value)


def _accepted(result, since_s: float) -> bool:
    return result.outcome == Outcome.ACCEPTED and result.at_us > since_s * 1e6


@contextmanager
def standing(folder: Path, services_folder: Path, kernel_cache: Path) -> Iterator[Stand]:
    """A stand of its own broker and database, stopped at the end."""
    hub_id = f"stand-{uuid.uuid4().hex[:8]}"
    with (
        DooredKafka(services_folder / hub_id, ROLES) as broker,
        embedded_database(services_folder / hub_id, edition="postgresql", on_progress=print) as service,
    ):
        ensure_topics(broker.bootstrap)
        dsn = service.create_database("stand")
        migrate(dsn)
        database, gateway = Link(service.port), ClockGateway(copy_hub(folder, hub_id), broker.bootstrap)
        devices = DeviceLedger([each.id for each in gateway.hub.assets if each.kind.controllable], gateway.clocks)
        server = DeviceServer("127.0.0.1", 0, devices)
        through = make_conninfo(dsn, port=database.port)
        roles = Roles(folder, gateway.hub_dir, broker.bootstrap, kernel_cache, dsn=through, simulator_port=server.port)
        setpoints = SetpointLog(broker.bootstrap, hub_id, gateway.clocks)
        listener = Listener(broker.bootstrap, hub_id, SETPOINT_RESULT, REVERT)
        stand = Stand(broker, service, database, dsn, gateway.start(), devices, server, setpoints, listener, roles)
        try:
            for role in ROLES:
                stand.start(role)
            stand.until_balanced()
            yield stand
        finally:
            stand.close()


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Processes stand still (SIGSTOP) and go on."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
