"""Reads what the watchdog listens to, from the end of the log on, and knows until when it has read all of it.

`poll` alone cannot tell a silent worker from a broker that is away: both give nothing. So the ends of the log are
asked for, twice a second, and once all of them are reached, everything written before the question was read.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

_log = structlog.get_logger()

_POLL_MS: Final = 100
_ASK_EVERY_S: Final = 0.5
_RETRY_S: Final = 0.5
_ANSWER_MS: Final = 1_000

_CLIENT: Final[dict[str, Any]] = {
    "reconnect_backoff_max_ms": 500,
    "bootstrap_timeout_ms": 2_000,
    "request_timeout_ms": 5_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One message, as raw bytes."""

    topic: str
    key: bytes
    payload: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(slots=True, kw_only=True)
class LogReader:
    """One consumer without a group, made anew when the broker was away. For one thread."""

    bootstrap: str
    partitions: Sequence[tuple[str, int]]
    """Topic and partition."""
    wait: Callable[[float], object]
    """Waits before the broker is tried again, seconds; ends early when the role stops."""
    whole: frozenset[str] = frozenset()
    """Topics that are read from their beginning, each time the broker is found."""
    read_until_s: float | None = None
    """Monotonic instant before which everything was read; None before that was ever so."""
    _consumer: KafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _asked_s: float = 0.0
    _reachable: bool = True

    def read(self) -> list[Record]:
        """Return what came within a tenth of a second; nothing, after a wait, while the broker is away."""
        try:
            if self._consumer is None:
                self._consumer = self._open()
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            self._look_how_far(self._consumer)
        except KafkaError as error:
            if self._reachable:
                _log.warning("log_unreachable", error=str(error), retry_s=_RETRY_S)
            self._reachable = False
            self.close()
            self.wait(_RETRY_S)
            return []
        return [
            Record(record.topic, record.key or b"", record.value or b"", tuple(record.headers))
            for records in polled.values()
            for record in records
        ]

    def close(self) -> None:
        """Let go of the broker."""
        consumer, self._consumer, self._ends = self._consumer, None, {}
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=1_000)

    def _open(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            **_CLIENT,
        )
        try:
            spots = [TopicPartition(topic, number) for topic, number in self.partitions]
            consumer.assign(spots)
            from_start = [spot for spot in spots if spot.topic in self.whole]
            from_end = [spot for spot in spots if spot.topic not in self.whole]
            offsets = consumer.beginning_offsets(from_start, timeout_ms=_ANSWER_MS) if from_start else {}
            for spot, offset in (offsets | consumer.end_offsets(from_end, timeout_ms=_ANSWER_MS)).items():
                consumer.seek(spot, offset)
        except KafkaError:
            consumer.close(autocommit=False, timeout_ms=1_000)
            raise
        _log.info("log_read_from_its_end")
        self._reachable = True
        return consumer

    def _look_how_far(self, consumer: KafkaConsumer) -> None:
        now_s = time.monotonic()
        if not self._ends and now_s - self._asked_s >= _ASK_EVERY_S:
            self._asked_s = now_s
            self._ends = consumer.end_offsets(consumer.assignment(), timeout_ms=_ANSWER_MS)
        if self._ends and all(_has_reached(consumer, spot, end) for spot, end in self._ends.items()):
            self.read_until_s, self._ends = self._asked_s, {}


def _has_reached(consumer: KafkaConsumer, spot: TopicPartition, end: int) -> bool:
    """Without the bound it would wait for ever for a position that a broker that left was to confirm."""
    position = consumer.position(spot, timeout_ms=_ANSWER_MS)
    return position is not None and position >= end
