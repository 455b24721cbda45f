"""Topics on a real broker: made, compared, mended, never repartitioned."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.topic_admin import (
    Change,
    Drift,
    Remedy,
    TopicsUnavailableError,
    check_topics,
    ensure_topics,
    find_broker_drift,
    find_topic_drift,
    settings_of,
)
from streams.topics import CLAIM, TELEMETRY, Topic

RIGHT_BROKER = {
    "auto.create.topics.enable": "false",
    "group.min.session.timeout.ms": "2000",
    "message.max.bytes": "1048588",
}

services = pytest.mark.services


@pytest.fixture
def topics() -> list[Topic]:
    """A kept and a compacted topic under names that no other test uses."""
    prefix = f"test.{uuid.uuid4().hex}"
    return [replace(TELEMETRY, name=f"{prefix}.kept"), replace(CLAIM, name=f"{prefix}.compacted")]


@services
def test_missing_topics_are_made_once_and_then_as_expected(kafka, topics):
    assert [drift.setting for drift in check_topics(kafka.bootstrap, topics)] == ["topic", "topic"]
    assert ensure_topics(kafka.bootstrap, topics) == [Change(topic.name, "created") for topic in topics]
    assert check_topics(kafka.bootstrap, topics) == []
    assert ensure_topics(kafka.bootstrap, topics) == []


@services
def test_changed_retention_is_reported_and_mended(kafka, topics):
    ensure_topics(kafka.bootstrap, topics)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    name = topics[0].name
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "1000"})])
    admin.close()
    expected = str(topics[0].retention_ms)
    assert check_topics(kafka.bootstrap, topics) == [Drift(name, "retention.ms", expected, "1000", Remedy.ENSURE)]
    assert ensure_topics(kafka.bootstrap, topics) == [Change(name, f"retention.ms set to {expected}")]
    assert check_topics(kafka.bootstrap, topics) == []


@services
def test_other_partition_count_is_reported_and_left_alone(kafka, topics):
    ensure_topics(kafka.bootstrap, topics)
    wider = [replace(topics[0], partitions=16), topics[1]]
    expected = [Drift(topics[0].name, "partitions", "16", "8", Remedy.NEW_VERSION)]
    assert check_topics(kafka.bootstrap, wider) == expected
    assert ensure_topics(kafka.bootstrap, wider) == []
    assert check_topics(kafka.bootstrap, wider) == expected


@services
def test_topics_ensured_from_several_places_at_once_are_made_once(kafka, topics):
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(lambda _: ensure_topics(kafka.bootstrap, topics), range(4)))
    assert sorted(change.topic for made in changes for change in made) == sorted(topic.name for topic in topics)
    assert check_topics(kafka.bootstrap, topics) == []


@services
def test_cluster_that_does_not_answer_is_said_so():
    with pytest.raises(TopicsUnavailableError, match=r"127\.0\.0\.1:1: "):
        check_topics("127.0.0.1:1")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        pytest.param("auto.create.topics.enable", "true", id="a misspelt topic would appear"),
        pytest.param("group.min.session.timeout.ms", "6000", id="workers could not ask for 3 s"),
        pytest.param("message.max.bytes", "500000", id="our largest message would be refused"),
    ],
)
def test_broker_setting_that_we_cannot_live_with_is_drift(setting, found):
    assert find_broker_drift("broker 1", RIGHT_BROKER) == []
    (drift,) = find_broker_drift("broker 1", RIGHT_BROKER | {setting: found})
    assert (drift.setting, drift.found, drift.remedy) == (setting, found, Remedy.BROKER)


def test_compacted_topic_keeps_a_week_uncompacted():
    assert settings_of(CLAIM)["min.compaction.lag.ms"] == "604800000"
    assert "min.compaction.lag.ms" not in settings_of(TELEMETRY)


def test_every_setting_that_differs_is_its_own_drift():
    found = settings_of(TELEMETRY) | {"cleanup.policy": "compact", "retention.bytes": "-1"}
    assert [drift.setting for drift in find_topic_drift(TELEMETRY, 8, found)] == ["cleanup.policy", "retention.bytes"]
