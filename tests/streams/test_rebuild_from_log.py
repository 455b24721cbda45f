"""A worker's rebuild on a real broker: head and tail of a quarter, and the gap where a meter is silent."""

import asyncio
import time

import numpy as np
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.topic_admin import ensure_topics
from infra.services import embedded_kafka
from infra.settings import Settings
from streams import conductor, parks
from streams.codec import encode
from streams.columns import check_columns
from streams.fold import PointState, fold, quarter_so_far
from streams.parks import Parks
from streams.topics import PARTITIONS, TELEMETRY, key_of, partition_of
from tests.streams.small_park import BAKERY, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub, south_kw

pytestmark = pytest.mark.services

NOW_S = 700
SILENT_FROM_S = 300
"""The bakery's meter speaks its last in the gap."""


@pytest.fixture
def bootstrap(services_folder):
    """A broker where a test says when a frame was taken."""
    with embedded_kafka(services_folder / "parks", on_progress=print) as service:
        ensure_topics(service.bootstrap)
        admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
        settings = {"message.timestamp.type": "CreateTime"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TELEMETRY.name, configs=settings)])
        admin.close()
        yield service.bootstrap


def lived():
    """Both loops' frames, second by second: every meter draws 1 Wh per second."""
    for second in range(-20, NOW_S):
        for name, power_kw in (("north", north_kw(factory=80.0 + second / 100)), ("south", south_kw())):
            if second >= SILENT_FROM_S:
                power_kw.pop(BAKERY, None)
            at_us = QUARTER_START_US + second * SECOND_US
            yield name, frame(at_us, power_kw, dict.fromkeys(power_kw, 5_000 + second))


def send(bootstrap, frames):
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="gzip")
    for name, each in frames:
        key = key_of("small", name)
        producer.send(
            TELEMETRY.name, encode(each), key=key, partition=partition_of(key), timestamp_ms=each.sent_at_us // 1000
        )
    producer.flush(60)
    producer.close()


async def rebuilt(bootstrap):
    """States by grid loop when the loops are decided again, and when the gap is filled."""
    failures = []
    worker = Parks(Settings(kafka_bootstrap=bootstrap), [small_hub()], name="test", fail=failures.append)
    entries = asyncio.create_task(worker.follow_entries_forever())
    worker.resume(range(PARTITIONS), generation=1)
    while not worker._active and not failures:  # noqa: ASYNC110 - what is tested has no event to wait for
        await asyncio.sleep(0.002)
    loops = {loop.plant.grid_loop: loop for p in worker.conductors[0]._partitions.values() for loop in p.grid_loops}
    at_once = {name: known(loop.points) for name, loop in loops.items()}
    await worker._rebuild
    entries.cancel()
    await worker.stop()
    assert not failures
    return at_once, {name: known(loop.points) for name, loop in loops.items()}, loops


def known(state):
    so_far = quarter_so_far(state, QUARTER_START_US)
    return np.column_stack([state.at_us, state.power_kw, state.register_us, so_far.energy_wh, so_far.covered_from_us])


def test_a_rebuilt_state_is_that_of_the_whole_quarter_at_once_where_all_were_heard_else_when_the_gap_is_read(
    bootstrap, monkeypatch
):
    frames = list(lived())
    send(bootstrap, frames)
    shift_us = time.time_ns() // 1000 - (QUARTER_START_US + NOW_S * SECOND_US)
    for module in (conductor, parks):
        monkeypatch.setattr(module, "now_us", lambda: time.time_ns() // 1000 - shift_us)
    at_once, in_the_end, loops = asyncio.run(rebuilt(bootstrap))
    for name, loop in loops.items():
        whole = PointState(loop.plant.points)
        for sender, each in frames:
            if sender == name:
                columns = check_columns(each, points=whole.points, index=whole.index, received_at_us=each.sent_at_us)
                fold(whole, columns)
        np.testing.assert_array_equal(in_the_end[name], known(whole))
        assert np.array_equal(at_once[name], known(whole), equal_nan=True) == (name == "north")
