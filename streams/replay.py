"""Reading a partition back from the log, without a group: how a worker learns what went before it.

Never by seeking the group's own consumer, which is moved by its library after each rebalance.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.topics import Topic

FETCH_WAIT_MS: Final = 50
"""Nothing new is waited for; this only bounds a fetch at the very end of the log."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message as the log holds it."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    received_at_us: int
    """When the broker took it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a partition's log, by offsets."""

    begin: int
    end: int
    """After the last message."""


Stretches = dict[int, Stretch]
"""By partition."""


class Log:
    """One topic's log, read without a group; connected while used as a context. Raises KafkaError without a broker."""

    def __init__(self, bootstrap: str, topic: Topic) -> None:
        self._topic = topic
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def stretches(self, partitions: Sequence[int], *instants_us: int) -> list[Stretches]:
        """Cut what the log now holds at the instants, which rise: from each to the next, and from the last to the end.

        A message belongs to the instant the broker took it at.
        """
        spots = self._spots(partitions)
        first, end = await self._consumer.beginning_offsets(spots), await self._consumer.end_offsets(spots)
        cuts = []
        for instant_us in instants_us:
            found = await self._consumer.offsets_for_times(dict.fromkeys(spots, instant_us // 1000))
            cuts.append({s: end[s] if found[s] is None else max(found[s].offset, first[s]) for s in spots})
        return [
            {spot.partition: Stretch(begin[spot], until[spot]) for spot in spots}
            for begin, until in pairwise([*cuts, end])
        ]

    async def read(self, stretches: Stretches) -> AsyncIterator[Record]:
        """Yield what the stretches hold, in order within a partition."""
        spots = self._spots([number for number, stretch in stretches.items() if stretch.begin < stretch.end])
        if not spots:
            return
        self._consumer.assign(spots)
        for spot in spots:
            self._consumer.seek(spot, stretches[spot.partition].begin)
        remaining = {spot: stretches[spot.partition].end for spot in spots}
        while remaining:
            for spot, records in (await self._consumer.getmany(*remaining, timeout_ms=FETCH_WAIT_MS)).items():
                for record in records:
                    if record.offset < remaining[spot]:
                        yield record_of(record)
            for spot in list(remaining):
                if await self._consumer.position(spot) >= remaining[spot]:
                    del remaining[spot]

    def _spots(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic.name, partition) for partition in partitions]


async def replay(bootstrap: str, topic: Topic, partitions: Sequence[int], *, since_us: int) -> AsyncIterator[Record]:
    """Yield what the partitions received since an instant, up to their ends at the time of the call.

    Raises KafkaError when the broker cannot be read.
    """
    async with Log(bootstrap, topic) as log:
        (recent,) = await log.stretches(partitions, since_us)
        async for record in log.read(recent):
            yield record


async def log_ends(bootstrap: str, topic: Topic, partitions: list[int]) -> dict[int, int]:
    """Offset after the last message of each partition. Raises KafkaError when the broker cannot be read."""
    async with Log(bootstrap, topic) as log:
        return {number: stretch.end for number, stretch in (await log.stretches(partitions, 0))[0].items()}


def record_of(record: ConsumerRecord) -> Record:
    """What the client read, in our own form; a tombstone has an empty value."""
    return Record(
        partition=record.partition,
        offset=record.offset,
        key=record.key or b"",
        value=record.value or b"",
        received_at_us=record.timestamp * 1000,
    )
