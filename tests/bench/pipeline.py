"""The pipeline's figures: readings into state against a bare loop, a worker's second, and a rebuild from the log.

The worker is the real process on a real broker. Everything counts by processor time of the process under test, user
and system; what a worker costs while nothing special arrives is measured just before each burst and taken off.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from connectors.topic_admin import ensure_topics
from hub.folder import read_hub
from hub.quarters import QUARTER_US, quarter_start_us
from infra.services import KafkaService, embedded_kafka
from streams.codec import decode_setpoint, encode
from streams.topics import SETPOINT, TELEMETRY, key_of, partition_of
from tests.bench.bare_loop import Reading
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure
from tests.bench.gateways import SECOND_US, Gateways
from tests.bench.under_test import Worker, cpu_s, kernel_cache, running, wait_until, worker
from tests.faults.park import now_us

TURNS = 5
READINGS = "bench.readings"
SINGLES = 200_000
"""Readings of one burst to the bare loop: about half a second of processor time."""

FRAMES = {100: 10_000, 1_000: 3_000}
"""Frames of one burst to the worker, by readings per frame."""

ASSETS_FOR = {100: 89, 1_000: 907}
"""Assets whose frame has that many readings: a meter per ten of them and two feeders make it full."""

FRAME_MARKS = {100: (0.9, 1.1), 1_000: (3, 5)}
IDLE_S = 2.0
LIVED_S = 8
"""Seconds of one turn of a worker at 1 Hz."""

MARK = 1_111_111_111_111_111
"""Stands for the instant in a frame that is encoded once and sent often."""

COUNTED = 2_222_222_222
"""Likewise for its sequence: a gateway that sends one for longer than a second is refused."""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        yield from readings_into_state(Path(name), kafka.bootstrap)
        yield from a_worker_s_second(Path(name), kafka.bootstrap)
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:  # its log is of another time
        yield from rebuild(Path(name), kafka.bootstrap)


@contextmanager
def broker(folder: Path) -> Iterator[KafkaService]:
    with embedded_kafka(folder) as service:
        ensure_topics(service.bootstrap)
        admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
        admin.create_topics([NewTopic(READINGS, num_partitions=1, replication_factor=1)])
        admin.close()
        yield service


# Readings into state


def readings_into_state(folder: Path, bootstrap: str) -> Iterator[Figure]:
    """Bursts in turns: single readings to the bare loop, frames to the worker."""
    command = [sys.executable, "-m", "tests.bench.bare_loop", bootstrap, READINGS, str(SINGLES)]
    with running(command) as bare:
        assert bare.stdout.readline() == "ready\n"
        for size in FRAMES:
            hub_dir = write_big_hub(folder, ASSETS_FOR[size], 1, hub_id=f"frames-{size}")
            with worker(folder, hub_dir, bootstrap, module="tests.bench.unbounded_worker") as folds:
                turns = [(bare_us(bare, bootstrap), worker_us(folds, hub_dir, bootstrap)) for _ in range(TURNS)]
            yield Figure(f"bare loop / worker, frames of {size}", median(b / w for b, w in turns), "x", "higher",
                         *FRAME_MARKS[size])  # fmt: skip
            yield Figure(f"worker, frames of {size}", median(w for _, w in turns), "us/reading", "lower")
        yield Figure("bare loop, single readings", median(b for b, _ in turns), "us/reading", "lower")


def bare_us(bare: subprocess.Popen[str], bootstrap: str) -> float:
    """Processor time per reading of one burst, us."""
    process = psutil.Process(bare.pid)
    began_s = cpu_s(process)
    asyncio.run(send_singles(bootstrap))
    assert bare.stdout.readline().strip() == "1000"
    return (cpu_s(process) - began_s) / SINGLES * 1e6


async def send_singles(bootstrap: str) -> None:
    at_us = now_us()
    messages = [
        encode_reading(Reading(f"charger-{i % 1_000:06d}", at_us + i, 7.345, 12_345_678 + i, 0, 0.0, 11.0))
        for i in range(SINGLES)
    ]
    async with producer(bootstrap) as sends:
        batch = sends.create_batch()
        for message in messages:
            if batch.append(key=None, value=message, timestamp=None) is None:
                await sends.send_batch(batch, READINGS, partition=0)
                batch = sends.create_batch()
                batch.append(key=None, value=message, timestamp=None)
        await sends.send_batch(batch, READINGS, partition=0)


encode_reading = msgspec.json.Encoder().encode


@asynccontextmanager
async def producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    sends = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="gzip", max_batch_size=256_000, max_request_size=4_000_000
    )
    await sends.start()
    try:
        yield sends
    finally:
        await sends.stop()


def worker_us(folds: Worker, hub_dir: Path, bootstrap: str) -> float:
    """Processor time per reading of one burst beyond what the worker takes anyway, us."""
    began = time.monotonic(), folds.cpu_s()
    for _ in range(round(IDLE_S / 0.2)):
        time.sleep(0.2)
        before = folds.folded()
    idle = (folds.cpu_s() - began[1]) / (time.monotonic() - began[0])
    began = time.monotonic(), folds.cpu_s()
    readings = asyncio.run(send_frames(hub_dir, bootstrap))
    wait_until(lambda: folds.folded() >= before + readings, within_s=60)
    return (folds.cpu_s() - began[1] - idle * (time.monotonic() - began[0])) / readings * 1e6


async def send_frames(hub_dir: Path, bootstrap: str) -> int:
    """A burst of one loop's frames, a few us of time apart; registers gain no more than a Wh from one to the next."""
    hub = read_hub(hub_dir)
    loop = Gateways(hub).loops["lus-1"]
    loop.step()
    frame = loop.frame(MARK)
    key = key_of(hub.id, "lus-1")
    template, size = encode(msgspec.structs.replace(frame, sequence=COUNTED)), len(frame.ids)
    async with producer(bootstrap) as sends:
        batches = [sends.create_batch()]
        for _ in range(FRAMES[size]):
            at_us = now_us()
            value = filled_in(template, at_us=at_us, sequence=at_us)
            if batches[-1].append(key=key, value=value, timestamp=None) is None:
                batches[-1].close()
                batches.append(sends.create_batch())
                batches[-1].append(key=key, value=value, timestamp=None)
        for batch in batches:  # packed before: the worker is to be the slower one
            await sends.send_batch(batch, TELEMETRY.name, partition=partition_of(key))
    return FRAMES[size] * size


def filled_in(template: bytes, *, at_us: int, sequence: int) -> bytes:
    return template.replace(str(MARK).encode(), str(at_us).encode()).replace(
        str(COUNTED).encode(), str(sequence).encode(), 1
    )


# A worker's second


def a_worker_s_second(folder: Path, bootstrap: str) -> Iterator[Figure]:
    """10,000 assets at 1 Hz, most of the time with limits that bind: the whole worker, setpoints sent."""
    hub_dir = write_big_hub(folder, 10_000, 10, hub_id="second")
    with worker(folder, hub_dir, bootstrap) as lives:
        shares = asyncio.run(live(lives, hub_dir, bootstrap))
        setpoints = lives.metric("lusbalans_worker_setpoints_total")
        missed = lives.metric("lusbalans_worker_missed_ticks_total")
    seconds = (TURNS + 1) * LIVED_S
    print(f"{setpoints / seconds:.0f} setpoints a second, {missed:.0f} of {seconds} ticks missed", file=sys.stderr)
    yield Figure("share of a core, 10,000 assets at 1 Hz in 10 loops", median(shares), "%", "lower", 30, 10)


async def live(lives: Worker, hub_dir: Path, bootstrap: str) -> list[float]:
    """Be the gateways for some turns; a turn's share of one core each, the first ones left out."""
    hub = read_hub(hub_dir)
    gateways = Gateways(hub)
    hears = AIOKafkaConsumer(SETPOINT.name, bootstrap_servers=bootstrap, group_id=None)
    await hears.start()
    shares = []
    try:
        async with producer(bootstrap) as sends:
            for _ in range(TURNS + 1):
                began = time.monotonic(), lives.cpu_s()
                for _ in range(LIVED_S):
                    await one_second(hub.id, gateways, sends=sends, hears=hears)
                shares.append(100 * (lives.cpu_s() - began[1]) / (time.monotonic() - began[0]))
    finally:
        await hears.stop()
    return shares[1:]


async def one_second(
    hub_id: str, gateways: Gateways, *, sends: AIOKafkaProducer, hears: AIOKafkaConsumer
) -> None:  # fmt: skip
    """Gateways send spread over the second, as they do who know nothing of each other, and obey what came meanwhile."""
    second_us = now_us() // SECOND_US * SECOND_US
    frames = list(gateways.second(second_us))
    for at, (name, frame) in enumerate(frames):
        await asyncio.sleep(max(second_us + SECOND_US * at // len(frames) - now_us(), 0) / 1e6)
        key = key_of(hub_id, name)
        await sends.send(TELEMETRY.name, encode(frame), key=key, partition=partition_of(key))
    await asyncio.sleep(max(second_us + SECOND_US - now_us(), 0) / 1e6)
    for records in (await hears.getmany(timeout_ms=0)).values():
        for record in records:
            told = decode_setpoint(record.value)
            if record.key == key_of(hub_id, told.grid_loop):
                gateways.loops[told.grid_loop].obey(told)


# Rebuild


def rebuild(folder: Path, bootstrap: str) -> Iterator[Figure]:
    """A whole quarter of 10,000 assets at 1 Hz in the log, all partitions in one process."""
    hub_dir = write_big_hub(folder, 10_000, 10, hub_id="rebuild")
    keep_send_times(bootstrap)
    start_us = quarter_start_us(now_us()) - QUARTER_US
    sent_bytes = asyncio.run(send_quarter(hub_dir, bootstrap, start_us))
    command = [
        sys.executable,
        "-m",
        "tests.bench.rebuild_once",
        bootstrap,
        str(hub_dir),
        str(start_us + QUARTER_US - 500_000),
    ]
    environment = os.environ | kernel_cache(folder)
    runs = []
    for _ in range(TURNS):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120, env=environment)
        runs.append([float(word) for word in done.stdout.splitlines()[-1].split()])  # the worker's own log comes before
    print(f"{sent_bytes / 1e6:.0f} MB of telemetry before compression; {runs[0][2]:.0f} points heard", file=sys.stderr)
    yield Figure(
        "rebuild of 10,000 assets' state, processor time", median(run[0] for run in runs), "s", "lower", 2, 0.5
    )
    yield Figure("rebuild of 10,000 assets' state, wall time", median(run[1] for run in runs), "s", "lower")


def keep_send_times(bootstrap: str) -> None:
    """Let this benchmark say when a frame arrived; the broker's own clock does so in service."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    settings = {"message.timestamp.type": "CreateTime"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TELEMETRY.name, configs=settings)])
    admin.close()


async def send_quarter(hub_dir: Path, bootstrap: str, start_us: int) -> int:
    """Every second's frames of a quarter and a little before; readings change every ten seconds, instants each second."""
    hub = read_hub(hub_dir)
    gateways = Gateways(hub)
    sent_bytes = 0
    async with producer(bootstrap) as sends:
        for second in range(-20, 900):
            if second % 10 == 0:
                templates = [
                    (key_of(hub.id, name), encode(msgspec.structs.replace(frame, sequence=COUNTED)))
                    for name, frame in gateways.second(MARK)
                ]
            at_us = start_us + second * SECOND_US
            for key, template in templates:
                value = filled_in(template, at_us=at_us, sequence=at_us // SECOND_US)
                sent_bytes += len(value)
                await sends.send(
                    TELEMETRY.name, value, key=key, partition=partition_of(key), timestamp_ms=at_us // 1000 + 50
                )
    return sent_bytes
