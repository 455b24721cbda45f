"""A broker with a door for each role: behind each a link of its own, so that one role can be parted from the broker.

A client is told where its broker is by the broker, per listener; so each door is a listener whose advertised port is
the link's.
"""

from collections.abc import Sequence
from pathlib import Path

from infra.services import default_cache_folder
from infra.services.broker import RECORDING_OPTIONS, fingerprint
from infra.services.jars import ensure_jars, read_lock
from infra.services.kafka import KafkaService
from infra.services.ports import LOOPBACK, free_port
from tests.faults.tcp_proxy import Link


class DooredKafka(KafkaService):
    """`links[name].port` is where the role of that name finds the broker; `bootstrap` is the front door, never cut."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        cache, locked = default_cache_folder(), read_lock()
        jars = ensure_jars(locked, cache, on_progress=print)
        recording = cache / f"kafka-{fingerprint(locked)}.aot"  # of an earlier start, where there was one
        options = (*RECORDING_OPTIONS, f"-XX:AOTCache={recording}") if recording.exists() else ()
        super().__init__(folder, jars=jars, java_options=options, on_progress=print)
        self._doors = {name: free_port() for name in names}
        self.links = {name: Link(port) for name, port in self._doors.items()}

    def address(self, name: str) -> str:
        return f"{LOOPBACK}:{self.links[name].port}"

    def stop(self) -> None:
        super().stop()
        for link in self.links.values():
            link.close()

    def _write_settings(self) -> None:
        """The same settings with more listeners: of a key that comes twice the later one counts."""
        super()._write_settings()
        text = self._settings_file.read_text(encoding="utf-8")
        settings = dict(line.split("=", 1) for line in text.splitlines())
        doors = {name.upper(): port for name, port in self._doors.items()}
        more = {
            "listeners": [f"{name}://{LOOPBACK}:{port}" for name, port in doors.items()],
            "advertised.listeners": [f"{door.upper()}://{self.address(door)}" for door in self._doors],
            "listener.security.protocol.map": [f"{name}:PLAINTEXT" for name in doors],
        }
        lines = [f"{key}={','.join([settings[key], *values])}\n" for key, values in more.items()]
        self._settings_file.write_text(text + "".join(lines), encoding="utf-8")
