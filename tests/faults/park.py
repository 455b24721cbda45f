"""A park for fault tests: a hub folder of its own, a gateway whose registers can be told in one's head, and roles.

Every connection draws a whole number of watt-hours per second and nothing changes, so whatever was killed in between,
each meter's quarter is that number times the seconds, to the watt-hour. All of it starts here and is stopped here.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.producer.future import FutureRecordMetadata

from hub.folder import read_hub
from hub.model import GROUP
from hub.tree import build_tree
from infra.services import DatabaseService
from streams.codec import encode
from streams.messages import TelemetryFrame
from streams.topics import PARTITIONS, TELEMETRY, Topic, key_of, partition_of
from tests.connectors.dispatch.worker_double import free_port

DE_KOUMEN = Path(__file__).parents[2] / "infra/hubs/de-koumen"
STARTER = DE_KOUMEN.parent / "starter"
SECOND_US = 1_000_000
KW_PER_WH_PER_S = 3.6
REGISTERS_BEGAN_S = 1_700_000_000


def copy_hub(folder: Path, hub_id: str) -> Path:
    """De Koumen under another id, so that tests share a broker without hearing each other."""
    copy = folder / hub_id
    shutil.copytree(DE_KOUMEN, copy)
    text = (copy / "hub.toml").read_text(encoding="utf-8")
    (copy / "hub.toml").write_text(text.replace('id = "de-koumen"', f'id = "{hub_id}"', 1), encoding="utf-8")
    return copy


def small_park(folder: Path, hub_id: str, grid_loop: str) -> Path:
    """The starter hub with one loop of its own name, so that loops of several parks can be told apart."""
    copy = folder / hub_id
    copy.mkdir(parents=True)
    for file in STARTER.iterdir():
        text = file.read_text(encoding="utf-8").replace("lus-1", grid_loop)
        (copy / file.name).write_text(text.replace('id = "my-park"', f'id = "{hub_id}"', 1), encoding="utf-8")
    return copy


def now_us() -> int:
    return time.time_ns() // 1000


@dataclass(eq=False)
class Gateway:
    """Sends one frame per loop and second; `wh_per_s` of a meter is the whole truth about it."""

    hub_dir: Path
    bootstrap: str
    shift: int = 0
    """Of who draws what, to tell two parks apart."""
    wh_per_s: dict[str, int] = field(init=False)
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    """Per loop, the instants whose frame the broker has."""

    def __post_init__(self) -> None:
        self.hub = read_hub(self.hub_dir)
        self.tree = build_tree(self.hub)
        draws = {connection.ean: 1 + (at + self.shift) % 3 for at, connection in enumerate(self.hub.connections)}
        below = {node.id: self.tree.connections_below(node.id) for node in self.tree.nodes}
        self.wh_per_s = draws | {
            node: sum(draws[ean] for ean in eans if node != GROUP or ean in self.tree.members)
            for node, eans in below.items()
        }
        self.acknowledged = {loop: set() for loop in (*self.tree.meters,)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def points(self) -> list[str]:
        """All that has a register; those of devices stand still."""
        return [point for ids in self.tree.meters.values() for point in ids]

    def expected_kw(self, node: str) -> float:
        return self.wh_per_s[node] * KW_PER_WH_PER_S

    def register_wh(self, point: str, at_s: int) -> int:
        """What the register A+ of a point shows at a whole second."""
        return self.wh_per_s.get(point, 0) * (at_s - REGISTERS_BEGAN_S)

    def frame(self, loop: str, at_us: int) -> TelemetryFrame:
        ids = list(self.tree.meters[loop])
        wh_per_s = [self.wh_per_s.get(point, 0) for point in ids]
        at_s = at_us // SECOND_US
        devices = [point not in self.wh_per_s for point in ids]
        return TelemetryFrame(
            gateway=f"gw-{loop}", sequence=at_s, sent_at_us=now_us(), ids=ids,
            measured_at_us=[at_us] * len(ids), power_kw=[each * KW_PER_WH_PER_S for each in wh_per_s],
            energy_import_wh=[self.register_wh(point, at_s) for point in ids],
            energy_export_wh=[0] * len(ids),
            min_kw=[0.0 if device else None for device in devices],
            max_kw=[0.0 if device else None for device in devices],
        )  # fmt: skip

    def start(self) -> "Gateway":
        """Send what was measured since before the last whole quarter, every 10 s, then each second's frames."""
        self._producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", compression_type="gzip", retry_backoff_ms=100,
            reconnect_backoff_max_ms=500, delivery_timeout_ms=120_000, request_timeout_ms=10_000,
        )  # fmt: skip
        second = now_us() // SECOND_US
        for at_s in range((second // 900 - 1) * 900 - 10, second, 10):
            self.send(at_s * SECOND_US)
        self._producer.flush(30)
        self._thread.start()
        return self

    def send(self, at_us: int) -> None:
        for loop in self.tree.meters:
            self.write(loop, at_us).add_callback(lambda _, loop=loop: self.acknowledged[loop].add(at_us))

    def write(self, loop: str, at_us: int) -> FutureRecordMetadata:
        """Send one frame of which no account is kept."""
        key = key_of(self.hub.id, loop)
        return self._producer.send(
            TELEMETRY.name, encode(self.frame(loop, at_us)), key=key, partition=partition_of(key)
        )

    def _run(self) -> None:
        second = now_us() // SECOND_US
        while not self._stop.wait(max((second + 1) * SECOND_US - now_us(), 0) / 1e6):
            second += 1
            self.send(second * SECOND_US)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._producer.flush(60)
        self._producer.close()


@dataclass(frozen=True)
class Database:
    """A database of one test, on a server that the test may kill."""

    service: DatabaseService
    dsn: str
    away_s: float
    """How long the test that takes it away does so: one edition long, the other short, for the time it costs."""


@dataclass
class Roles:
    """Role processes of one hub; every one of them is ended by its pid."""

    folder: Path
    hub_dir: Path
    bootstrap: str
    cache: Path
    dsn: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """More settings, by variable."""
    simulator_port: int = field(default_factory=free_port)
    running: list[subprocess.Popen] = field(default_factory=list)

    def start(self, role: str, name: str | None = None) -> subprocess.Popen:
        name = name or role
        environment = os.environ | {
            "LUSBALANS_HUB_DIR": str(self.hub_dir),
            "LUSBALANS_DATA_DIR": str(self.folder / name),
            "LUSBALANS_KAFKA_BOOTSTRAP": self.bootstrap,
            "LUSBALANS_DATABASE_DSN": self.dsn,
            "LUSBALANS_SIMULATOR_PORT": str(self.simulator_port),
            "NUMBA_CACHE_DIR": str(self.cache),
            **self.settings,
        }
        command = [sys.executable, "-m", "lusbalans", "run", role]
        with self.log_of(name).open("a") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def stop(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True)
class Heard:
    """One message of the hub, with the broker's time of arrival."""

    at_s: float
    value: bytes
    headers: dict[str, str]
    partition: int


class Listener:
    """Everything of one hub, or of several, on some topics, from the beginning; `so_far` reads on."""

    def __init__(self, bootstrap: str, hub_id: str | Sequence[str], *topics: Topic) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, reconnect_backoff_max_ms=500)
        spots = [TopicPartition(topic.name, number) for topic in topics for number in range(PARTITIONS)]
        self._consumer.assign(spots)
        self._consumer.seek_to_beginning(*spots)
        self._hubs = tuple(f"{one}/".encode() for one in ([hub_id] if isinstance(hub_id, str) else hub_id))
        self.heard: dict[str, list[Heard]] = {topic.name: [] for topic in topics}

    def so_far(self, topic: Topic) -> list[Heard]:
        for _ in range(50):
            if not self._poll():
                break
        return self.heard[topic.name]

    def _poll(self) -> bool:
        polled = self._consumer.poll(300)
        for spot, records in polled.items():
            self.heard[spot.topic] += [
                Heard(r.timestamp / 1000, r.value, {k: v.decode() for k, v in r.headers}, spot.partition)
                for r in records
                if r.key is not None and r.key.startswith(self._hubs)
            ]
        return bool(polled)

    def read_to_end(self, *, within_s: float = 30.0) -> None:
        """Read all that is in the log by now, of a broker that is there; a poll that brings nothing is no end."""
        deadline_s = time.monotonic() + within_s
        ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        while any(self._consumer.position(spot) < end for spot, end in ends.items()):
            assert time.monotonic() < deadline_s, f"the log was not read in {within_s} s"
            self._poll()

    def wait(self, topic: Topic, enough, *, within_s: float) -> list[Heard]:
        """Read until `enough(messages)`."""
        deadline_s = time.monotonic() + within_s
        while not enough(messages := self.so_far(topic)):
            assert time.monotonic() < deadline_s, f"{topic.name}: {len(messages)} messages, not enough in {within_s} s"
        return messages

    def close(self) -> None:
        self._consumer.close()
