"""When messages of a tick can be read by a consumer, beside how long a bare message takes through the same broker.

One consumer without a group; what counts is the instant `getmany` hands the message over, before it is decoded.
"""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.topics import LOOP_BUDGET, LOOP_OFFER, SETPOINT, Topic

STAGES = (LOOP_OFFER, LOOP_BUDGET, SETPOINT)
ECHO = Topic(name="bench.echo.v1", retention_ms=3_600_000, retention_bytes=1 << 20, partitions=1)
ECHO_EVERY_S = 0.043
"""Never in step with the second."""

ECHO_BYTES = 1_000
TICK_MS = 1000
"""Of the big park; a tick's number is the whole second it began at."""


class Head(msgspec.Struct):
    """What all three have; the rest is passed over."""

    grid_loop: str
    tick: int
    issued_at_us: int
    full: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    grid_loop: str
    tick: int
    issued_at_us: int
    readable_us: int
    full: bool

    @property
    def after_tick_ms(self) -> float:
        return self.readable_us / 1000 - self.tick * TICK_MS

    @property
    def issued_after_tick_ms(self) -> float:
        return self.issued_at_us / 1000 - self.tick * TICK_MS


@dataclass
class Stopwatch:
    bootstrap: str
    heard: dict[str, list[Heard]] = field(default_factory=lambda: {topic.name: [] for topic in STAGES})
    echo_ms: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        asyncio.run(self._run(seconds))

    async def _run(self, seconds: float) -> None:
        watching = [asyncio.ensure_future(work) for work in (self._listen(), self._hear_echo(), self._call())]
        try:
            done, _ = await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for early in done:
                early.result()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _listen(self) -> None:
        decoder = msgspec.json.Decoder(Head)
        consumer = await _consumer_at_end(self.bootstrap, STAGES)
        try:
            while True:
                polled = await consumer.getmany(timeout_ms=1000)
                readable_us = now_us()
                for spot, records in polled.items():
                    for head in (decoder.decode(record.value) for record in records):
                        self.heard[spot.topic].append(
                            Heard(head.grid_loop, head.tick, head.issued_at_us, readable_us, head.full)
                        )
        finally:
            await consumer.stop()

    async def _call(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            while True:
                await asyncio.sleep(ECHO_EVERY_S)
                await producer.send(ECHO.name, str(now_us()).encode().ljust(ECHO_BYTES), partition=0)
        finally:
            await producer.stop()

    async def _hear_echo(self) -> None:
        consumer = await _consumer_at_end(self.bootstrap, (ECHO,))
        try:
            while True:
                polled = await consumer.getmany(timeout_ms=1000)
                readable_us = now_us()
                self.echo_ms += [
                    (readable_us - int(record.value)) / 1000 for records in polled.values() for record in records
                ]
        finally:
            await consumer.stop()


async def _consumer_at_end(bootstrap: str, topics: tuple[Topic, ...]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    spots = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
    consumer.assign(spots)
    await consumer.seek_to_end(*spots)
    return consumer


def percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent, method="inverted_cdf"))


def now_us() -> int:
    return time.time_ns() // 1000
