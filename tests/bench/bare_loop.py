"""The least a Python program can do with telemetry: a plain getmany loop, one reading per message, last value per asset.

    python -m tests.bench.bare_loop BOOTSTRAP TOPIC COUNT

Says `ready`, then the number of assets known after each COUNT readings, until it is ended.
"""

import asyncio
import sys

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition


class Reading(msgspec.Struct, frozen=True):
    """A row of a telemetry frame, as a message of its own."""

    id: str
    measured_at_us: int
    power_kw: float | None = None
    energy_import_wh: int | None = None
    energy_export_wh: int | None = None
    min_kw: float | None = None
    max_kw: float | None = None
    soc_ratio: float | None = None


async def consume(bootstrap: str, topic: str, count: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.seek_to_end()
    await consumer.position(TopicPartition(topic, 0))
    print("ready", flush=True)
    decode = msgspec.json.Decoder(Reading).decode
    last: dict[str, Reading] = {}
    remaining = count
    while True:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                reading = decode(record.value)
                last[reading.id] = reading
            remaining -= len(records)
        if remaining <= 0:
            print(len(last), flush=True)
            remaining += count


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], sys.argv[2], int(sys.argv[3])))
