"""What the worker sends: every message under its loop's key, on the partition that belongs to it.

A broker that is away delays nothing: what cannot be sent in time is dropped and counted, for a late setpoint would be
refused anyway and the next tick has newer ones.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from hub.model import Hub
from streams.codec import MAX_MESSAGE_BYTES, encode
from streams.signature import Keyring
from streams.topics import Topic, dead_letter, key_of, partition_of

_log = structlog.get_logger()

GIVE_UP_MS: Final = 3000
"""A message the broker did not take by then is dropped: dispatch refuses setpoints that are older (R2)."""

ENQUEUE_S: Final = 0.1
"""Longest wait for room in the producer's buffer; a tick must not hang on a broker that is away."""


class Outbox:
    """The worker's producer."""

    def __init__(
        self, bootstrap: str, hub: Hub, *, on_dropped: Callable[[str], None], keyring: Keyring | None = None
    ) -> None:
        self._hub_id = hub.id
        self._keyring = keyring or Keyring()
        self._on_dropped = on_dropped
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, unless that was done; raises KafkaError when no broker answers."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            compression_type="gzip",
            linger_ms=0,
            # 16 kB by default: the second loop of a partition would wait until the broker has the first one's setpoints
            max_batch_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=GIVE_UP_MS,
            retry_backoff_ms=50,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Send what waits, then close."""
        if self._producer is not None:
            await self._producer.stop()

    async def send(self, topic: Topic, grid_loop: str, message: msgspec.Struct) -> None:
        """Hand a message to the producer; its arrival is not waited for."""
        await self.send_as(topic, key_of(self._hub_id, grid_loop), message)

    async def send_as(self, topic: Topic, key: bytes, message: msgspec.Struct) -> None:
        """Likewise, under a key of its own."""
        payload = encode(message)
        headers = self._keyring.sign(topic=topic.name, key=key, payload=payload) if topic.signed else ()
        await self._hand_over(topic, key, payload, headers=headers)

    async def claim(self, topic: Topic, grid_loop: str, message: msgspec.Struct) -> int:
        """Send a message and wait for its offset. Raises KafkaError when the broker does not take it."""
        if self._producer is None:
            raise RuntimeError("the outbox was not started")
        key = key_of(self._hub_id, grid_loop)
        receipt = await self._producer.send_and_wait(
            topic.name, encode(message), key=key, partition=partition_of(key, topic.partitions)
        )
        return int(receipt.offset)

    async def bury(self, topic: Topic, *, key: bytes, payload: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
        """Send what could not be used to the topic's dead letters, bytes untouched."""
        await self._hand_over(dead_letter(topic), key, payload, headers=headers)

    async def _hand_over(
        self, topic: Topic, key: bytes, payload: bytes, *, headers: tuple[tuple[str, bytes], ...]
    ) -> None:
        if self._producer is None:
            raise RuntimeError("the outbox was not started")
        try:
            async with asyncio.timeout(ENQUEUE_S):  # unlike wait_for it makes no task: who need not wait does not
                receipt = await self._producer.send(
                    topic.name, payload, key=key, partition=partition_of(key, topic.partitions), headers=list(headers)
                )
        except (KafkaError, TimeoutError):
            self._on_dropped(topic.name)
            return
        receipt.add_done_callback(lambda done: self._on_dropped(topic.name) if done.exception() else None)
