"""A topic of entries for those who state them: read whole and on, and written one entry at a time.

Knows nothing of what the messages mean. What is not signed as it should be is never handed on.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streams.signature import Keyring
from streams.topics import Topic, partition_of

_CLIENT_ID: Final = "lusbalans-operator"
_TIMEOUT_S: Final = 10.0
"""Longest wait for the broker."""
_BOOTSTRAP_TIMEOUT_MS: Final = 5_000
_POLL_MS: Final = 200
_RECONNECT_MAX_MS: Final = 500


class EntriesUnavailableError(Exception):
    """The broker cannot be reached, lacks the topic or does not answer in time; one line."""


@dataclass
class EntryLog:
    """A connection to the topic. Use as a context; every method raises EntriesUnavailableError."""

    bootstrap: str
    topic: Topic
    keyring: Keyring = field(default_factory=Keyring)
    _consumer: KafkaConsumer = field(init=False, repr=False)
    _spots: list[TopicPartition] = field(init=False, repr=False)

    def __enter__(self) -> Self:
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=self.bootstrap,
                client_id=_CLIENT_ID,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
                bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise EntriesUnavailableError(f"no broker at {self.bootstrap}: {error}") from error
        try:
            self._begin()
        except EntriesUnavailableError:
            self._consumer.close()
            raise
        return self

    def _begin(self) -> None:
        try:
            there = self.topic.name in self._consumer.topics()
        except KafkaError as error:
            raise EntriesUnavailableError(f"broker at {self.bootstrap}: {error}") from error
        if not there:
            raise EntriesUnavailableError(f"topic {self.topic.name} is missing: run `lusbalans topics ensure`")
        self._spots = [TopicPartition(self.topic.name, number) for number in range(self.topic.partitions)]
        self._consumer.assign(self._spots)
        self._consumer.seek_to_beginning(*self._spots)

    def __exit__(self, *exception: object) -> None:
        self._consumer.close()

    def read_on(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield key and value of what has not been read yet, up to the end at the time of the call."""
        deadline_s = time.monotonic() + _TIMEOUT_S
        try:
            ends = self._consumer.end_offsets(self._spots)
            while any(self._consumer.position(spot) < ends[spot] for spot in self._spots):
                for records in self._consumer.poll(timeout_ms=_POLL_MS).values():
                    for record in records:
                        key, payload = record.key or b"", record.value or b""
                        if self.keyring.refuse(record.headers, topic=self.topic.name, key=key, payload=payload) is None:
                            yield key, record.value
                if time.monotonic() > deadline_s:
                    raise EntriesUnavailableError(f"broker at {self.bootstrap}: {self.topic.name} was not read in time")
        except KafkaError as error:
            raise EntriesUnavailableError(f"broker at {self.bootstrap}: {error}") from error

    def write(self, key: bytes, payload: bytes) -> None:
        """Write one message, and wait until all of the cluster has it."""
        try:
            producer = KafkaProducer(
                bootstrap_servers=self.bootstrap,
                client_id=_CLIENT_ID,
                acks="all",
                compression_type="gzip",
                reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
                max_block_ms=round(_TIMEOUT_S * 1000),
            )
            try:
                producer.send(
                    self.topic.name,
                    payload,
                    key=key,
                    headers=list(self.keyring.sign(topic=self.topic.name, key=key, payload=payload)),
                    partition=partition_of(key, self.topic.partitions),
                ).get(timeout=_TIMEOUT_S)
            finally:
                producer.close(timeout=_TIMEOUT_S)
        except KafkaError as error:
            raise EntriesUnavailableError(
                f"broker at {self.bootstrap}: {error!r}; look whether the change counts before trying again"
            ) from error
