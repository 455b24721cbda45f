"""Topics as the broker must have them: what differs is reported, what is missing is made, retention is mended.

A partition count is never changed: keys would move to other partitions, and with them the order of a grid loop's
messages. Another count is a new topic version.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streams.codec import MAX_MESSAGE_BYTES
from streams.topics import TOPICS, Topic

COMPACTION_LAG_MS: Final = 7 * 86_400_000
"""A recorder or worker that was down for a week still finds every state between."""

_TIMEOUT_MS: Final = 10_000
_SETTLE_S: Final = 1.0
"""A topic that was made elsewhere a moment ago may not show its settings yet."""

_BOOTSTRAP_TIMEOUT_MS: Final = 5_000
_CLIENT_ID: Final = "lusbalans-topics"
_READY_MS: Final = 10_000


class Remedy(StrEnum):
    """Who can mend a drift."""

    ENSURE = "lusbalans topics ensure"
    NEW_VERSION = "a new topic version: partitions are never changed in place"
    BROKER = "the broker's configuration"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the cluster and what the code expects; texts as the broker writes them."""

    subject: str
    """A topic's name, or `broker N`."""
    setting: str
    expected: str
    found: str
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `ensure_topics` did."""

    topic: str
    what: str


class TopicsUnavailableError(Exception):
    """The cluster cannot be asked or refuses; one line."""


def ensure_topics(bootstrap: str, topics: Sequence[Topic] = TOPICS) -> list[Change]:
    """Create missing topics and mend the settings of existing ones; safe to run at the same time elsewhere.

    Raises:
        TopicsUnavailableError: the cluster cannot be asked or refuses.
    """
    with _admin(bootstrap) as admin:
        created = _create_missing(admin, topics)
        mended = _mend_settings(admin, [topic for topic in topics if topic.name not in created])
    return [*(Change(name, "created") for name in created), *mended]


def check_topics(bootstrap: str, topics: Sequence[Topic] = TOPICS) -> list[Drift]:
    """Compare topics and the broker's own settings with what the code expects; touches nothing.

    Raises:
        TopicsUnavailableError: the cluster cannot be asked.
    """
    with _admin(bootstrap) as admin:
        partitions = _read_partitions(admin, topics)
        there = [topic for topic in topics if topic.name in partitions]
        found = _read_settings(admin, there)
        brokers = _read_broker_settings(admin)
    return [
        *(_missing(topic) for topic in topics if topic.name not in partitions),
        *(drift for topic in there for drift in find_topic_drift(topic, partitions[topic.name], found[topic.name])),
        *(drift for name, settings in brokers.items() for drift in find_broker_drift(name, settings)),
    ]


def settings_of(topic: Topic) -> dict[str, str]:
    """Return the settings a topic gets, by the broker's names."""
    settings = {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention_ms),
        "retention.bytes": str(topic.retention_bytes),
        # the broker keeps what producers send (they compress by gzip) instead of compressing anew
        "compression.type": "producer",
        # arrival by one clock, the same in a rebuild: a producer's own clock could hide how late a frame is
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.cleanup == "compact":
        settings["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
    return settings


def find_topic_drift(topic: Topic, partitions: int, settings: dict[str, str]) -> list[Drift]:
    """Compare one topic that exists."""
    drift = [
        Drift(topic.name, name, expected, settings.get(name, "unset"), Remedy.ENSURE)
        for name, expected in settings_of(topic).items()
        if settings.get(name) != expected
    ]
    if partitions != topic.partitions:
        drift.insert(0, Drift(topic.name, "partitions", str(topic.partitions), str(partitions), Remedy.NEW_VERSION))
    return drift


def find_broker_drift(broker: str, settings: dict[str, str]) -> list[Drift]:
    """Compare the settings of one broker that the rest relies on."""
    return [
        Drift(broker, name, expected, settings.get(name, "unset"), Remedy.BROKER)
        for name, (expected, is_right) in _BROKER_SETTINGS.items()
        if name not in settings or not is_right(settings[name])
    ]


_BROKER_SETTINGS: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    # a misspelt topic must fail, not appear with one partition
    "auto.create.topics.enable": ("false", lambda found: found == "false"),
    # workers ask for a session of 3 s, so that a lost one is replaced within the devices' leases
    "group.min.session.timeout.ms": ("at most 3000", lambda found: int(found) <= 3000),
    "message.max.bytes": (f"at least {MAX_MESSAGE_BYTES}", lambda found: int(found) >= MAX_MESSAGE_BYTES),
}


def _missing(topic: Topic) -> Drift:
    return Drift(topic.name, "topic", "exists", "missing", Remedy.ENSURE)


def _create_missing(admin: KafkaAdminClient, topics: Sequence[Topic]) -> list[str]:
    """Create topics one by one, so that one made elsewhere meanwhile does not fail the others."""
    there = _read_partitions(admin, topics)
    created: list[str] = []
    for topic in topics:
        if topic.name in there:
            continue
        wanted = {"num_partitions": topic.partitions, "replication_factor": -1, "configs": settings_of(topic)}
        try:
            admin.create_topics({topic.name: wanted}, timeout_ms=_TIMEOUT_MS)
        except TopicAlreadyExistsError:
            continue
        created.append(topic.name)
    if len(there) < len(topics):
        admin.wait_for_topics([topic.name for topic in topics], timeout_ms=_READY_MS)
    return created


def _mend_settings(admin: KafkaAdminClient, topics: Sequence[Topic]) -> list[Change]:
    wrong = _wrong_settings(admin, topics)
    if wrong:
        time.sleep(_SETTLE_S)
        wrong = _wrong_settings(admin, topics)
    for name, settings in wrong.items():
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=settings)])
    return [
        Change(name, f"{key} set to {value}") for name, settings in wrong.items() for key, value in settings.items()
    ]


def _wrong_settings(admin: KafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    """By topic, what must be set."""
    found = _read_settings(admin, topics)
    wrong = {
        topic.name: {
            name: value for name, value in settings_of(topic).items() if found.get(topic.name, {}).get(name) != value
        }
        for topic in topics
    }
    return {name: settings for name, settings in wrong.items() if settings}


def _read_partitions(admin: KafkaAdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    """Partition counts of the topics that exist."""
    described = admin.describe_topics([topic.name for topic in topics])
    return {each["name"]: len(each["partitions"]) for each in described if each["error_code"] == 0}


def _read_settings(admin: KafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    return _describe(admin, ConfigResourceType.TOPIC, [topic.name for topic in topics])


def _read_broker_settings(admin: KafkaAdminClient) -> dict[str, dict[str, str]]:
    ids = [str(broker["broker_id"]) for broker in admin.describe_cluster()["brokers"]]
    return {f"broker {name}": found for name, found in _describe(admin, ConfigResourceType.BROKER, ids).items()}


def _describe(admin: KafkaAdminClient, kind: ConfigResourceType, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(kind, name, configs=None) for name in names]
    described = admin.describe_configs(resources, config_filter="all")[kind.name.lower()]
    return {
        name: {setting: _text(entry["value"]) for setting, entry in entries.items()}
        for name, entries in described.items()
    }


def _text(value: object) -> str:
    """As the broker writes it; the client turns some values into Python's."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@contextmanager
def _admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            client_id=_CLIENT_ID,
            request_timeout_ms=_TIMEOUT_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise TopicsUnavailableError(f"broker at {bootstrap}: {error}") from error
