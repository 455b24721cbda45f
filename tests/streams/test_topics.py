"""Topics: one partition function for both client libraries and the Java client, and retention that fits a disk."""

import re

import pytest
from aiokafka.partitioner import DefaultPartitioner as AiokafkaPartitioner
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner as KafkaPythonPartitioner

from streams.topics import (
    CLAIM,
    LOOP_BUDGET,
    LOOP_OFFER,
    LOOP_STATE,
    PARTITIONS,
    SETPOINT,
    TELEMETRY,
    TOPICS,
    dead_letter,
    key_of,
    murmur2,
    partition_of,
    station_key,
)

ALL_PARTITIONS = list(range(PARTITIONS))
COPARTITIONED = (TELEMETRY, LOOP_STATE, LOOP_OFFER, LOOP_BUDGET, CLAIM, SETPOINT)


class OneTopic:
    """What kafka-python's partitioner asks of a cluster."""

    def topics(self):
        return {"t"}

    def partitions_for_topic(self, _topic):
        return set(ALL_PARTITIONS)

    def available_partitions_for_topic(self, _topic):
        return set(ALL_PARTITIONS)


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
        (b"", 275646681),
    ],
)
def test_murmur2_is_that_of_the_java_client(data, signed):
    assert murmur2(data) == signed % 2**32


@given(st.binary(max_size=80))
def test_any_key_has_the_partition_that_both_client_libraries_choose(key):
    assert partition_of(key) == AiokafkaPartitioner()(key, ALL_PARTITIONS, ALL_PARTITIONS)
    assert partition_of(key) == KafkaPythonPartitioner().partition("t", key, key, None, None, OneTopic())


def test_topics_that_one_worker_must_own_together_have_one_partition_count():
    assert {topic.partitions for topic in COPARTITIONED} == {PARTITIONS}


def test_the_key_of_the_station_is_none_of_a_grid_loop():
    assert station_key("de-koumen") == b"de-koumen/@station"
    assert key_of("de-koumen", "lus-1") == b"de-koumen/lus-1"


def test_five_grid_loops_do_not_all_sit_on_one_partition():
    assert len({partition_of(key_of("de-koumen", f"lus-{number}")) for number in range(1, 6)}) > 1


def test_topic_names_are_unique_and_carry_their_version():
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"hub(\.[a-z]+)+\.v\d+(\.dlq)?", name) for name in names)


def test_all_topics_together_keep_at_most_two_gibibytes():
    kept = sum(topic.partitions * topic.retention_bytes for topic in TOPICS if topic.cleanup == "delete")
    assert kept <= 2 * 1024**3


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_r20_a_topic_is_bounded_in_bytes_and_time_or_compacted(topic):
    bounded = topic.retention_bytes > 0 and topic.retention_ms > 0
    assert bounded if topic.cleanup == "delete" else topic.retention_ms == -1


def test_what_a_worker_reads_has_a_dead_letter_topic():
    assert {dead_letter(topic) for topic in (TELEMETRY, LOOP_OFFER, LOOP_BUDGET)} <= set(TOPICS)
    assert dead_letter(TELEMETRY).name == "hub.telemetry.v1.dlq"
