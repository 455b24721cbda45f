"""What stands around dispatch in tests on a real broker: somebody who writes setpoints and reads the answers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from infra.settings import Settings
from streams.codec import decode_result, encode
from streams.messages import Bound, Epoch, Reason, SetpointFrame, SetpointResult
from streams.topics import SETPOINT, SETPOINT_RESULT, key_of, partition_of

PATIENCE_S = 20.0


def eventually(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Whether something becomes true in time."""
    until_s = time.monotonic() + patience_s
    while not holds() and time.monotonic() < until_s:
        time.sleep(0.02)
    return holds()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Worker:
    """Writes frames of one grid loop and collects the answers to all of its hub."""

    def __init__(self, bootstrap: str, hub_id: str, grid_loop: str) -> None:
        self.grid_loop = grid_loop
        self.key = key_of(hub_id, grid_loop)
        self.answers: list[SetpointResult] = []
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", reconnect_backoff_max_ms=500)
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, reconnect_backoff_max_ms=500)
        partition = TopicPartition(SETPOINT_RESULT.name, partition_of(self.key))
        self._consumer.assign([partition])
        self._consumer.seek(partition, self._consumer.end_offsets([partition])[partition])

    def full(
        self, sequence: int, *, epoch: int = 1, valid_s: float = 10.0, lagging: tuple[str, ...] = (), **power_kw: float
    ) -> None:
        """Write a full frame; asset ids have underscores here instead of dashes; `lagging` do not follow."""
        rows = len(power_kw)
        self.write(
            SetpointFrame(
                grid_loop=self.grid_loop,
                epoch=Epoch(1, epoch, 0),
                sequence=sequence,
                tick=sequence,
                issued_at_us=time.time_ns() // 1000,
                folded_until_us=time.time_ns() // 1000,
                valid_for_ms=round(valid_s * 1000),
                full=True,
                ids=[name.replace("_", "-") for name in power_kw],
                power_kw=list(power_kw.values()),
                bound=[Bound.EXACT] * rows,
                reason=[Reason.TARGET] * rows,
                binding=[""] * rows,
                not_following=list(lagging) or msgspec.UNSET,
            )
        )

    def write(self, frame: SetpointFrame) -> None:
        sent = self._producer.send(SETPOINT.name, key=self.key, value=encode(frame), partition=partition_of(self.key))
        sent.get(timeout=PATIENCE_S)

    def answered(self, holds: Callable[[SetpointResult], bool]) -> SetpointResult | None:
        """Wait for an answer that fits."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            if found := next((answer for answer in self.answers if holds(answer)), None):
                return found
            self._poll()
        return None

    def _poll(self) -> None:
        for records in self._consumer.poll(timeout_ms=100).values():
            for record in records:
                if record.key == self.key:
                    answer = decode_result(record.value)
                    assert isinstance(answer, SetpointResult)
                    self.answers.append(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._producer.close(timeout=2)
        self._consumer.close(autocommit=False)


@contextmanager
def running(role: Callable[..., None], settings: Settings, hub) -> Iterator[None]:
    """A role in a thread; what it raises fails the test."""
    stop, raised = threading.Event(), []

    def run() -> None:
        try:
            role(settings, hub, stop)
        except Exception as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive()
        assert not raised
