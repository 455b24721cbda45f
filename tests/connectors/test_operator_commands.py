"""What operators do on a real broker: a limit counts when the command returns, and two people loosen it (R18)."""

import uuid
from dataclasses import replace

import pytest
from kafka import KafkaProducer

from connectors.entry_commands import OvertakenError
from connectors.entry_log import EntriesUnavailableError, EntryLog
from connectors.operator_commands import OperatorCommands
from connectors.topic_admin import ensure_topics
from streams.codec import encode
from streams.limit_entries import limit_key
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms
from streams.signature import Keyring
from streams.topics import LIMIT
from streams.two_people import Done, NotAllowed, NotThere, Pending, Person
from tests.streams.small_park import small_hub

pytestmark = pytest.mark.services

FROM_US = 1_700_000_000_000_000
KEYS = Keyring({"k1": b"x" * 32})


def cap(import_kw, who="els"):
    return LimitTerms(
        layer="dso_cap", judged="instant", blocks=[LimitBlock(import_kw=import_kw)], from_us=FROM_US, source="letter",
        who=who, why="works", stated_us=FROM_US,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bootstrap(kafka):
    ensure_topics(kafka.bootstrap, [LIMIT])
    return kafka.bootstrap


@pytest.fixture
def hub():
    return replace(small_hub(), id=f"park-{uuid.uuid4().hex[:8]}")


def send(bootstrap, key, payload):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(LIMIT.name, payload, key=key, partition=0).get(timeout=10)
    producer.close()


def test_r18_one_person_tightens_a_second_one_loosens_and_everybody_reads_the_same(bootstrap, hub):
    with (
        OperatorCommands(bootstrap, hub, Person("els")) as els,
        OperatorCommands(bootstrap, hub, Person("bas")) as bas,
    ):
        assert isinstance(els.set_limit("north", "cap", cap(60.0)), Done)
        assert isinstance(els.withdraw_limit("north", "cap", why="works are done"), Pending)
        assert isinstance(els.confirm_limit("north", "cap"), NotAllowed)
        assert len(bas.known().in_force) == 1
        assert isinstance(bas.confirm_limit("north", "cap"), Done)
        assert els.known().in_force == {}
        assert isinstance(bas.withdraw_limit("north", "cap", why="again"), NotThere)
    with OperatorCommands(bootstrap, hub, Person("eva")) as eva:
        entry = eva.known().entries[limit_key(hub.id, "north", "cap")]
        assert (entry.terms, entry.changed_by) == (None, "bas")


def test_of_two_changes_at_once_the_later_one_is_told_that_it_does_not_count(bootstrap, hub):
    with OperatorCommands(bootstrap, hub, Person("els")) as els:
        els.set_limit("north", "cap", cap(60.0))
        known = els.known()
        with OperatorCommands(bootstrap, hub, Person("bas")) as bas:
            bas.set_limit("north", "cap", cap(30.0, "bas"))
        stale = LimitEntry(
            node="north", id="cap", terms=None, changed_us=FROM_US * 2, changed_by="els", changed_why="done",
            after_us=known.entries[limit_key(hub.id, "north", "cap")].changed_us,
        )  # fmt: skip
        with pytest.raises(OvertakenError, match="bas"):
            els._write(Done(stale))
        assert next(iter(els.known().in_force.values())).blocks[0].import_kw == 30


def test_a_broken_and_an_unsigned_message_and_another_parks_are_passed_over(bootstrap, hub):
    with OperatorCommands(bootstrap, hub, Person("els"), KEYS) as els:
        els.set_limit("north", "cap", cap(60.0))
        unsigned = LimitEntry(
            node="north", id="other", terms=cap(1.0), changed_us=1, changed_by="eve", changed_why="mischief"
        )  # fmt: skip
        send(bootstrap, limit_key(hub.id, "north", "other"), encode(unsigned))
        send(bootstrap, limit_key(hub.id, "north", "cap"), b"{")
        send(bootstrap, b"elsewhere/north#cap", encode(unsigned))
        assert [limit.id for limit in els.known().in_force.values()] == ["cap"]


def test_without_a_broker_a_command_says_so_in_one_line(hub):
    with pytest.raises(EntriesUnavailableError, match=r"no broker at 127\.0\.0\.1:9"), EntryLog("127.0.0.1:9", LIMIT):
        pass
