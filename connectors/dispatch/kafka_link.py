"""Dispatch's two threads on Kafka: one reads setpoint frames, reverts and overrides, one publishes what became of them.

Neither is ever waited for by the lease loop, so that leases run and devices are told while the broker is gone.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from connectors.dispatch.inbox import Inbox, Received
from connectors.dispatch.progress import DispatchProgress
from infra.clock import now_us
from streams.topics import OVERRIDE, REVERT, SETPOINT, Topic

_log = structlog.get_logger()

_CLIENT: Final[dict[str, Any]] = {
    # The client's own maximum of 30 s kept dispatch away for up to 37 s after an outage.
    "reconnect_backoff_max_ms": 500,
    "bootstrap_timeout_ms": 2_000,
    "request_timeout_ms": 5_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}

_TOPICS: Final = {topic.name: topic for topic in (SETPOINT, REVERT, OVERRIDE)}
_POLL_MS: Final = 200
_RETRY_S: Final = 0.5
_MOST_WAITING: Final = 2_000
_CLOSE_S: Final = 2.0


class FrameReader:
    """Reads the setpoint topic from its end, without a group: what was written while nobody read is not acted on (R9).

    A position lost in an outage goes on at the end too. Reverts are read beside it: from the end at the start of the
    process, then without a hole, for what stops is never too old (R17). Overrides are read whole, before any setpoint is
    taken: what somebody stopped must not move in between (R10).
    """

    def __init__(self, bootstrap: str, *, inbox: Inbox, progress: DispatchProgress, stop: threading.Event) -> None:
        self._bootstrap = bootstrap
        self._inbox = inbox
        self._progress = progress
        self._stop = stop
        self._reachable = True
        self._next: dict[TopicPartition, int] = {}
        """Of reverts and overrides."""
        self._thread = threading.Thread(target=self._run, name="frame reader", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still reads; False after a bug."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread after `stop` was set."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except KafkaError as error:
                if self._reachable:
                    _log.warning("setpoints_unreachable", error=str(error), retry_s=_RETRY_S)
                self._reachable = False
                self._stop.wait(_RETRY_S)

    def _read(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            **_CLIENT,
        )
        try:
            if missing := _TOPICS.keys() - consumer.topics():
                raise UnknownTopicOrPartitionError(f"{', '.join(sorted(missing))}: run `lusbalans topics ensure`")
            partitions = _partitions(*_TOPICS.values())
            consumer.assign(partitions)
            self._read_overrides(consumer)
            for partition, offset in consumer.end_offsets(partitions, timeout_ms=5_000).items():
                consumer.seek(partition, min(self._next.get(partition, offset), offset))
            _log.info("setpoints_read_from_their_end")
            self._reachable = True
            while not self._stop.is_set():
                self._take(consumer.poll(timeout_ms=_POLL_MS))
        finally:
            consumer.close(autocommit=False, timeout_ms=1_000)

    def _read_overrides(self, consumer: KafkaConsumer) -> None:
        """Take them from where they were left, at first from their beginning, up to their end; all else waits."""
        spots, others = _partitions(OVERRIDE), _partitions(SETPOINT, REVERT)
        consumer.pause(*others)
        firsts = consumer.beginning_offsets(spots, timeout_ms=5_000)
        ends = consumer.end_offsets(spots, timeout_ms=5_000)
        for spot in spots:
            self._next[spot] = max(self._next.get(spot, 0), firsts[spot])
            consumer.seek(spot, self._next[spot])
        while any(consumer.position(spot) < ends[spot] for spot in spots) and not self._stop.is_set():
            self._take(consumer.poll(timeout_ms=_POLL_MS))
        consumer.resume(*others)

    def _take(self, polled: dict[Any, list[Any]]) -> None:
        at_s, at_us = time.monotonic(), now_us()
        self._progress.last_poll_s = at_s
        inbox = self._inbox
        puts = {SETPOINT: inbox.put_frame, REVERT: inbox.put_revert, OVERRIDE: inbox.put_override}
        for partition, records in polled.items():
            topic = _TOPICS[partition.topic]
            put = puts[topic]
            for record in records:
                put(
                    Received(
                        key=record.key or b"",
                        payload=record.value or b"",
                        partition=record.partition,
                        offset=record.offset,
                        at_s=at_s,
                        at_us=at_us,
                        headers=tuple(record.headers),
                        topic=topic,
                    )
                )
            if topic is not SETPOINT and records:
                self._next[partition] = records[-1].offset + 1


def _partitions(*topics: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to publish; its partition is chosen by the one function of `streams.topics`."""

    topic: str
    key: bytes
    value: bytes
    partition: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """Publishes in order of `put`; while the broker is away the newest 2,000 wait, the oldest are dropped (R20)."""

    def __init__(self, bootstrap: str, *, on_dropped: Callable[[int], None]) -> None:
        self._bootstrap = bootstrap
        self._on_dropped = on_dropped
        self._changed = threading.Condition()
        self._waiting: deque[Outgoing] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="result publisher", daemon=True)
        self._thread.start()

    def put(self, message: Outgoing) -> None:
        """Add a message; never blocks."""
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._on_dropped(1)
            self._waiting.append(message)
            self._changed.notify()

    @property
    def alive(self) -> bool:
        """Whether the thread still publishes; False after a bug."""
        return self._thread.is_alive()

    def close(self, timeout_s: float) -> None:
        """Publish what waits, within the bound, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        producer: KafkaProducer | None = None
        while (batch := self._next()) is not None:
            try:
                producer = producer or self._producer()
                for message in batch:
                    self._send(producer, message)
            except KafkaError as error:
                # What was not sent is lost on purpose: an answer is for people and figures, never for a device.
                self._on_dropped(len(batch))
                _log.warning("results_not_published", error=str(error), messages=len(batch))
                time.sleep(_RETRY_S)
        if producer is not None:
            _close(producer)

    def _producer(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            compression_type="gzip",
            max_block_ms=2_000,
            delivery_timeout_ms=30_000,
            **_CLIENT,
        )

    @staticmethod
    def _send(producer: KafkaProducer, message: Outgoing) -> None:
        producer.send(
            message.topic,
            key=message.key,
            value=message.value,
            partition=message.partition,
            headers=list(message.headers),
        )

    def _next(self) -> list[Outgoing] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            batch = list(self._waiting)
            self._waiting.clear()
            return batch


def _close(producer: KafkaProducer) -> None:
    """Send what is under way, within the bound; without a broker that is lost, as any answer may be."""
    try:
        producer.close(timeout=_CLOSE_S)
    except KafkaTimeoutError as error:
        _log.warning("results_not_published", error=str(error))
