"""Reading a partition back from the log, without a group: how a worker learns what went before it.

Never by seeking the group's own consumer, which is moved by its library after each rebalance.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

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


async def replay(
    bootstrap: str, topic: Topic, partitions: list[int], *, since_us: int, next_offsets: dict[int, int] | None = None
) -> AsyncIterator[Record]:
    """Yield what the partitions hold up to their ends at the time of the call.

    Each begins at its `next_offsets` where there is one, else with the first message received at or after `since_us`.
    Raises KafkaError when the broker cannot be read.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await consumer.start()
    try:
        spots = [TopicPartition(topic.name, partition) for partition in partitions]
        consumer.assign(spots)
        remaining = await _begin(consumer, spots, since_us=since_us, next_offsets=next_offsets or {})
        while remaining:
            for spot, records in (await consumer.getmany(*remaining, timeout_ms=FETCH_WAIT_MS)).items():
                for record in records:
                    if record.offset < remaining[spot]:
                        yield _record(record)
            for spot in list(remaining):
                if await consumer.position(spot) >= remaining[spot]:
                    del remaining[spot]
    finally:
        await consumer.stop()


async def log_ends(bootstrap: str, topic: Topic, partitions: list[int]) -> dict[int, int]:
    """Offset after the last message of each partition. Raises KafkaError when the broker cannot be read."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic.name, partition) for partition in partitions])
        return {spot.partition: end for spot, end in ends.items()}
    finally:
        await consumer.stop()


async def _begin(
    consumer: AIOKafkaConsumer, spots: list[TopicPartition], *, since_us: int, next_offsets: dict[int, int]
) -> dict[TopicPartition, int]:
    """Seek each partition to where its replay begins; returns the ends of those that have something to read."""
    first = await consumer.beginning_offsets(spots)
    end = await consumer.end_offsets(spots)
    found = await consumer.offsets_for_times(dict.fromkeys(spots, since_us // 1000))
    remaining: dict[TopicPartition, int] = {}
    for spot in spots:
        by_time = end[spot] if found[spot] is None else found[spot].offset
        begin = max(next_offsets.get(spot.partition, by_time), first[spot])
        consumer.seek(spot, begin)
        if begin < end[spot]:
            remaining[spot] = end[spot]
    return remaining


def _record(record: ConsumerRecord) -> Record:
    return Record(
        partition=record.partition,
        offset=record.offset,
        key=record.key or b"",
        value=record.value or b"",
        received_at_us=record.timestamp * 1000,
    )
