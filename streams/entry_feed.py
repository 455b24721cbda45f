"""Reading a topic of entries (limits, overrides): whole, without a group, to its end before the first tick, and on.

Every worker reads all of it: a limit above or below a grid loop matters to whoever balances it. Decides nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.replay import FETCH_WAIT_MS, Record, record_of
from streams.signature import Headers
from streams.topics import Topic

_log = structlog.get_logger()

POLL_MS: Final = 500
RETRY_S: Final = 0.5

Deliver = Callable[[Topic, Record, Headers], Awaitable[None]]
"""Takes one message; an empty value is a tombstone. A KafkaError has it delivered again."""


class EntriesMissingError(RuntimeError):
    """The topic is not there: without knowing what people said nothing may be balanced (R13)."""


class EntryFeed:
    """Hands every message of the topic on, in order, once, while this process lives."""

    def __init__(self, bootstrap: str, topic: Topic, deliver: Deliver) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._deliver = deliver
        self._next: dict[TopicPartition, int] = {}
        self._caught_up = asyncio.Event()

    async def wait_until_read(self) -> None:
        """Wait until all that was in the topic when the reading began has been handed on."""
        await self._caught_up.wait()

    async def follow_forever(self) -> None:
        """Read, and begin where it was left when the broker was away."""
        while True:
            try:
                await self._follow()
            except (KafkaError, EntriesMissingError) as error:
                _log.warning("entries_not_read", topic=self._topic.name, error=repr(error), again_in_s=RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        await consumer.start()
        try:
            if self._topic.name not in await consumer.topics():
                raise EntriesMissingError(f"topic {self._topic.name} is missing: run `lusbalans topics ensure`")
            spots = [TopicPartition(self._topic.name, number) for number in range(self._topic.partitions)]
            consumer.assign(spots)
            first, ends = await consumer.beginning_offsets(spots), await consumer.end_offsets(spots)
            for spot in spots:
                consumer.seek(spot, max(self._next.get(spot, 0), first[spot]))
            while True:
                await self._take(consumer)
                if not self._caught_up.is_set():
                    read = [await consumer.position(spot) >= ends[spot] for spot in spots]
                    if all(read):
                        self._caught_up.set()
        finally:
            await consumer.stop()

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        wait_ms = POLL_MS if self._caught_up.is_set() else FETCH_WAIT_MS
        for spot, records in (await consumer.getmany(timeout_ms=wait_ms)).items():
            for record in records:
                await self._deliver(self._topic, record_of(record), record.headers)
                self._next[spot] = record.offset + 1
