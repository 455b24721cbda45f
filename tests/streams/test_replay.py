"""The log cut at instants, on a real broker: nothing between two cuts is lost or told twice."""

import asyncio
import uuid

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from infra.services import embedded_kafka
from streams.replay import Log, log_ends, replay
from streams.topics import Topic

pytestmark = pytest.mark.services

SECOND_US = 1_000_000
BEGAN_US = 1_790_000_000 * SECOND_US
SECONDS = 300


@pytest.fixture(scope="module")
def bootstrap(services_folder):
    with embedded_kafka(services_folder / "replay", on_progress=print) as service:
        yield service.bootstrap


@pytest.fixture
def topic(bootstrap):
    """Two partitions: the first has a message per second, the second none."""
    topic = Topic(name=f"replay-{uuid.uuid4().hex[:8]}", retention_ms=-1, retention_bytes=-1, partitions=2)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    settings = {"message.timestamp.type": "CreateTime"}
    admin.create_topics([NewTopic(topic.name, num_partitions=2, replication_factor=1, topic_configs=settings)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="gzip")
    for second in range(SECONDS):
        at_ms = (BEGAN_US + second * SECOND_US) // 1000
        producer.send(topic.name, key=b"park/loop", value=str(second).encode(), partition=0, timestamp_ms=at_ms)
    producer.flush(30)
    producer.close()
    return topic


async def cut_and_read(bootstrap, topic, *seconds):
    """What each stretch holds."""
    async with Log(bootstrap, topic) as log:
        stretches = await log.stretches([0, 1], *(BEGAN_US + second * SECOND_US for second in seconds))
        return [[int(record.value) async for record in log.read(each)] for each in stretches]


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param((100, 120, 280), id="a head, a gap and a tail"),
        pytest.param((-50, 100), id="from before the first message"),
        pytest.param((100, 100, 290), id="an empty stretch"),
        pytest.param((290, 400), id="an instant that has not come"),
    ],
)
def test_stretches_hold_what_was_taken_between_their_instants(bootstrap, topic, cuts):
    found = asyncio.run(cut_and_read(bootstrap, topic, *cuts))
    ends = [*cuts[1:], SECONDS]
    expected = [range(max(begin, 0), min(end, SECONDS)) for begin, end in zip(cuts, ends, strict=True)]
    assert found == [list(each) for each in expected]


def test_a_replay_tells_everything_since_an_instant_up_to_the_log_s_end(bootstrap, topic):
    async def read():
        since_us = BEGAN_US + 250 * SECOND_US
        return [int(record.value) async for record in replay(bootstrap, topic, [0, 1], since_us=since_us)]

    assert asyncio.run(read()) == list(range(250, SECONDS))
    assert asyncio.run(log_ends(bootstrap, topic, [0, 1])) == {0: SECONDS, 1: 0}
