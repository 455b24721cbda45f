"""Reads whole topics of the log by partition and offset, without a consumer group.

Nothing here decides where to read from: a position outside the log is an exception, never a silent jump.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self
from uuid import UUID

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from connectors.store.batch import Message
from connectors.store.offsets import LogPartition

MAX_MESSAGES: Final = 200
"""Of one poll: with the broker's 1 MB per message this bounds what a poll can hold."""

_RECONNECT_MAX_MS: Final = 500
"""The library's own 30 s would leave the log unread for as long after a broker restart."""
_REQUEST_TIMEOUT_MS: Final = 10_000
_BOOTSTRAP_TIMEOUT_MS: Final = 3_000
"""One try to connect; whoever opens a log tries again, and looks whether it should stop in between."""


class LogUnavailableError(Exception):
    """The broker cannot be reached or does not have the topics; try again later."""


class OutsideLogError(Exception):
    """A partition's position lies outside the log: before its start, past its end, or on a branch that was cut off."""


class KafkaLog:
    """All partitions of some topics, each read from where `seek` put it."""

    def __init__(self, consumer: KafkaConsumer, partitions: Sequence[LogPartition]) -> None:
        self._consumer = consumer
        self._of = {TopicPartition(each.topic, each.partition): each for each in partitions}
        self._next: dict[LogPartition, int] = {}
        consumer.assign(list(self._of))
        consumer.pause(*self._of)  # until each has a position

    @property
    def partitions(self) -> tuple[LogPartition, ...]:
        """What is read."""
        return tuple(self._of.values())

    def bounds(self) -> dict[LogPartition, tuple[int, int]]:
        """First offset still in the log and the next one to be written, per partition.

        Raises:
            LogUnavailableError: the broker does not answer.
        """
        try:
            begins = self._consumer.beginning_offsets(list(self._of))
            ends = self._consumer.end_offsets(list(self._of))
        except KafkaError as error:
            raise LogUnavailableError(f"cannot ask for offsets: {error}") from error
        return {mine: (begins[theirs], ends[theirs]) for theirs, mine in self._of.items()}

    def offsets_since(self, at_us: int, topic: str) -> dict[LogPartition, int]:
        """First offset the broker took at `at_us` or later, per partition of a topic; one without any is left out.

        Raises:
            LogUnavailableError: the broker does not answer.
        """
        at_ms = {theirs: at_us // 1000 for theirs, mine in self._of.items() if mine.topic == topic}
        try:
            found = self._consumer.offsets_for_times(at_ms)
        except KafkaError as error:
            raise LogUnavailableError(f"cannot ask for offsets: {error}") from error
        return {self._of[theirs]: each.offset for theirs, each in found.items() if each is not None}

    def seek(self, positions: Mapping[LogPartition, int]) -> None:
        """Read on from these offsets."""
        for theirs, mine in self._of.items():
            if mine in positions:
                self._consumer.seek(theirs, positions[mine])
                self._next[mine] = positions[mine]

    def poll(self, timeout_s: float) -> list[Message]:
        """Return the next messages, at most MAX_MESSAGES; none after the timeout, or while paused.

        Raises:
            OutsideLogError: a position is not in the log; ask `bounds` and `seek`.
            LogUnavailableError: anything else the client cannot mend by itself.
        """
        try:
            records = self._consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=MAX_MESSAGES)
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            raise OutsideLogError(str(error)) from error
        except KafkaError as error:
            raise LogUnavailableError(f"cannot read: {error}") from error
        messages = [
            Message(self._of[theirs], record.offset, record.key, record.value, record.timestamp * 1000)
            for theirs, batch in records.items()
            for record in batch
        ]
        self._next |= {message.partition: message.offset + 1 for message in messages}
        return messages

    def lag(self) -> int:
        """How many messages of the log have not been read yet, as far as the last fetches tell."""
        ends = {mine: self._consumer.highwater(theirs) for theirs, mine in self._of.items()}
        return sum(max(0, end - self._next.get(mine, end)) for mine, end in ends.items() if end is not None)

    def pause(self) -> None:
        """Keep the connection alive by polling, but take nothing."""
        self._consumer.pause(*self._of)

    def resume(self) -> None:
        """Take messages again."""
        self._consumer.resume(*self._of)

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_log(bootstrap: str, topics: Iterable[str], *, client_id: str) -> KafkaLog:
    """Connect and find all partitions of the topics; paused until `resume`.

    Raises:
        LogUnavailableError: no broker, or a topic is missing; never created here.
    """
    partitions = _find_partitions(bootstrap, tuple(topics), client_id)
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
            metrics_enabled=False,
        )
    except KafkaError as error:
        raise LogUnavailableError(f"no broker at {bootstrap}: {error}") from error
    return KafkaLog(consumer, partitions)


def _find_partitions(bootstrap: str, topics: tuple[str, ...], client_id: str) -> list[LogPartition]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
        )
        try:
            cluster_id = admin.describe_cluster()["cluster_id"]
            described = admin.describe_topics(list(topics))
        finally:
            admin.close()
    except KafkaError as error:
        raise LogUnavailableError(f"no broker at {bootstrap}: {error}") from error
    found = {each["name"]: each for each in described if each["error_code"] == 0}
    if missing := [topic for topic in topics if topic not in found]:
        raise LogUnavailableError(f"topics {', '.join(missing)} are missing: run `lusbalans topics ensure`")
    return [
        LogPartition(cluster_id, UUID(str(found[topic]["topic_id"])), topic, part["partition_index"])
        for topic in topics
        for part in found[topic]["partitions"]
    ]
