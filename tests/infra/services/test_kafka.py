import asyncio
import time
import uuid
from itertools import islice

import pytest
from aiokafka.client import AIOKafkaClient
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from infra.services import embedded_kafka

pytestmark = pytest.mark.services


def make_topic(bootstrap):
    topic = f"services.{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()
    return topic


def send(bootstrap, topic, *values):
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for value in values:
        producer.send(topic, value)
    producer.flush(10)
    producer.close()


def read(bootstrap, topic, count):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    values = [record.value for record in islice(consumer, count)]
    consumer.close()
    return values


def test_what_is_produced_is_consumed(kafka):
    topic = make_topic(kafka.bootstrap)
    send(kafka.bootstrap, topic, b"one", b"two")
    assert read(kafka.bootstrap, topic, 2) == [b"one", b"two"]


def test_a_broker_killed_and_started_again_still_has_its_messages(services_folder):
    with embedded_kafka(services_folder / "killed") as broker:
        topic = make_topic(broker.bootstrap)
        send(broker.bootstrap, topic, b"before")
        broker.kill()
        assert not broker.running
        began_s = time.monotonic()
        broker.start()
        print(f"broker back after {time.monotonic() - began_s:.1f} s")
        send(broker.bootstrap, topic, b"after")
        assert read(broker.bootstrap, topic, 2) == [b"before", b"after"]


async def brokers_known_by(address):
    client = AIOKafkaClient(bootstrap_servers=address)
    await client.bootstrap()
    await client.close()
    return [(broker.host, broker.port) for broker in client.cluster.brokers()]


def test_clients_are_told_the_advertised_port_so_that_a_proxy_can_stand_between(services_folder):
    with embedded_kafka(services_folder / "advertised", advertised_port=19092) as broker:
        assert broker.bootstrap == "127.0.0.1:19092"
        assert broker.port != 19092
        assert asyncio.run(brokers_known_by(f"127.0.0.1:{broker.port}")) == [("127.0.0.1", 19092)]
