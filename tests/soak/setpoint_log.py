"""Everything that was ever written to the setpoint topic for one hub, decoded once, in the order of the log."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.codec import decode_setpoint
from streams.messages import Epoch, SetpointFrame
from streams.topics import PARTITIONS, SETPOINT


@dataclass(frozen=True, slots=True)
class Written:
    """One frame, and what it says to the assets that are watched."""

    at_s: float
    """When the broker took it."""
    grid_loop: str
    epoch: Epoch
    sequence: int
    tick: int
    issued_s: float
    valid_s: float
    renews: int | None
    """None: a full frame."""
    rows: int
    power_kw: Mapping[str, float]


@dataclass(eq=False)
class SetpointLog:
    """Reads in a thread of its own; `frames` only grows."""

    bootstrap: str
    hub_id: str
    watched: set[str]
    frames: dict[str, list[Written]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def generation(self) -> int:
        """The newest that any loop was told by."""
        return max((frames[-1].epoch.generation for frames in list(self.frames.values())), default=0)

    def wait(self, holds: Callable[[Written], bool], loops: set[str], *, within_s: float) -> None:
        """Wait until the newest frame of every loop is such a one."""
        deadline_s = time.monotonic() + within_s
        while not all(loop in self.frames and holds(self.frames[loop][-1]) for loop in loops):
            assert time.monotonic() < deadline_s, f"not every loop had its setpoints within {within_s} s"
            time.sleep(0.05)

    def _run(self) -> None:
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, reconnect_backoff_max_ms=500)
        spots = [TopicPartition(SETPOINT.name, number) for number in range(PARTITIONS)]
        consumer.assign(spots)
        consumer.seek_to_beginning(*spots)
        while not self._stop.is_set():
            try:
                polled = consumer.poll(200)
            except KafkaError:
                continue  # the broker was killed: it reads on from where it was
            for record in (record for records in polled.values() for record in records):
                if record.key.startswith(f"{self.hub_id}/".encode()):
                    self._take(record.timestamp / 1000, record.value)
        consumer.close()

    def _take(self, at_s: float, payload: bytes) -> None:
        frame = decode_setpoint(payload)
        assert isinstance(frame, SetpointFrame), frame
        self.frames.setdefault(frame.grid_loop, []).append(
            Written(
                at_s, frame.grid_loop, frame.epoch, frame.sequence, frame.tick,
                issued_s=frame.issued_at_us / 1e6, valid_s=frame.valid_for_ms / 1000,
                renews=None if frame.full else frame.renews, rows=len(frame.ids),
                power_kw={k: v for k, v in zip(frame.ids, frame.power_kw, strict=True) if k in self.watched},
            )
        )  # fmt: skip
