import time
import uuid

import pytest
from kafka import KafkaProducer

from connectors.run_log import Happened, RunLog
from connectors.topic_admin import ensure_topics
from streams.codec import encode
from streams.messages import TelemetryFrame
from streams.topics import TELEMETRY, key_of, partition_of

pytestmark = pytest.mark.services


def frame(sequence):
    return TelemetryFrame(gateway="g", sequence=sequence, sent_at_us=0, ids=[], measured_at_us=[], power_kw=[])


@pytest.fixture
def hub_id():
    return f"park-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def send(kafka, hub_id):
    ensure_topics(kafka.bootstrap)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)

    def send(payload, hub=hub_id):
        key = key_of(hub, "lus-1")
        producer.send(TELEMETRY.name, key=key, value=payload, partition=partition_of(key)).get(timeout=10)

    yield send
    producer.close()


def test_what_is_sent_comes_decoded_with_the_broker_s_time_and_what_came_before_is_marked(kafka, hub_id, send):
    send(encode(frame(0)))
    time.sleep(0.01)  # the broker's clock counts milliseconds
    before_us = time.time_ns() // 1000
    send(encode(frame(1)))
    with RunLog(kafka.bootstrap, hub_id, since_us=before_us) as log:
        send(encode(frame(2)))
        send(b"not a message")
        send(encode(frame(3)), hub="elsewhere")
        send(encode(frame(4)))
        ends, happened, until_s = log.ends(), [], time.monotonic() + 20
        while not log.has_read(ends) and time.monotonic() < until_s:
            happened += log.poll(0.2)
    assert [(one.message.sequence, one.before) for one in happened] == [(1, True), (2, False), (4, False)]
    assert all(isinstance(one, Happened) and one.grid_loop == "lus-1" for one in happened)
    assert all(abs(one.appended_us - before_us) < 20_000_000 for one in happened)
