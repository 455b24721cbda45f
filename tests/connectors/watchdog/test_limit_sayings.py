"""What the watch on limits says on the log, and in which order: records in, conditions out, without a broker (R19)."""

from dataclasses import dataclass, field

import msgspec
import pytest

from connectors.watchdog.limit_watch import LimitWatch
from connectors.watchdog.log_reader import Record
from connectors.watchdog.speaker import NotSaidError
from infra.metrics import WatchdogMetrics
from streams.codec import decode_condition, encode
from streams.limit_changes import state_limit
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitBlock, LimitTerms
from streams.messages import TelemetryFrame
from streams.signature import Keyring, read_keyring
from streams.topics import LIMIT, TELEMETRY, TOPOLOGY, key_of
from streams.topology_messages import TopologyEntry, TopologyTerms
from streams.two_people import Person
from tests.streams.small_park import FACTORY, OFFICE, QUARTER_START_US, small_hub

HUB = small_hub()
TRIPS = "limit_breached/north-1/import/instant"
METERS = [FACTORY, OFFICE, "north/a", "north/b"]


@dataclass
class Log:
    """Hands on what was put in; takes what is said, unless it is away."""

    records: list = field(default_factory=list)
    read_until_s: float | None = 0.0
    said: list = field(default_factory=list)
    takes: bool = True

    def read(self):
        records, self.records = self.records, []
        if self.read_until_s is not None:
            self.read_until_s += 1
        return records

    def say(self, topic, key, payload):
        if not self.takes:
            raise NotSaidError(f"{topic.name}: away")
        condition = decode_condition(payload)
        assert key == f"{HUB.id}/{condition.id}".encode()
        self.said.append(condition)


class Watched:
    def __init__(self, keyring=None):
        self.log, self.metrics = Log(), WatchdogMetrics(HUB.id, ["north", "south"])
        self.at_us = QUARTER_START_US
        self.watch = LimitWatch.of(
            HUB, reader=self.log, speaker=self.log, metrics=self.metrics, keyring=keyring or Keyring(),
            clock_us=lambda: self.at_us,
        )  # fmt: skip

    def tell(self, factory_kw, office_kw=0.0):
        self.at_us += 1_000_000
        frame = TelemetryFrame(
            gateway="gw", sequence=self.at_us, sent_at_us=self.at_us, ids=METERS, measured_at_us=[self.at_us] * 4,
            power_kw=[factory_kw, office_kw, factory_kw, office_kw],
        )  # fmt: skip
        self.log.records.append(Record(TELEMETRY.name, key_of(HUB.id, "north"), encode(frame), ()))
        return self

    def turn(self, times=1):
        for _ in range(times):
            self.watch.turn()
        return self

    def words(self, condition_id=TRIPS):
        return [each.phase for each in self.log.said if each.id == condition_id]


@pytest.fixture
def watched():
    watched = Watched().turn()
    watched.tell(10).turn(10)
    assert set(watched.words()) == {"gone"}
    watched.log.said.clear()
    return watched


def test_R19_a_breach_is_said_with_what_people_need_to_know(watched):  # noqa: N802
    watched.tell(900).turn()
    (said,) = [each for each in watched.log.said if each.id == TRIPS]
    assert (said.subject, said.kind, said.phase, said.role) == ("north-1", "limit_breached", "seen", "watchdog")
    assert said.figures == {"power_kw": 900, "limit_kw": 500, "over_kw": 400}
    assert said.at_us == watched.at_us
    assert "protection (invented)" in said.text
    watched.tell(10).turn()
    assert watched.words() == ["seen", "gone"]


def test_R19_what_the_broker_did_not_take_is_said_when_it_does_with_the_instant_at_which_it_began(watched):  # noqa: N802
    watched.log.takes = False
    watched.tell(900).turn()
    began_us = watched.at_us
    watched.tell(900).tell(10).turn()
    watched.log.takes = True
    watched.turn()
    assert watched.words() == ["seen", "gone"]
    assert next(each for each in watched.log.said if each.id == TRIPS).at_us == began_us


def test_R20_of_what_came_and_went_while_nobody_took_it_the_newest_pair_is_kept(watched):  # noqa: N802
    watched.log.takes = False
    for _ in range(50):
        watched.tell(900).turn().tell(10).turn()
    watched.log.takes = True
    assert watched.turn().words() == ["seen", "gone"]


def test_R13_after_a_start_a_breach_is_said_before_all_that_is_well():  # noqa: N802
    watched = Watched().turn().tell(900).turn()
    phases = [each.phase for each in watched.log.said]
    assert TRIPS in {each.id for each in watched.log.said}
    assert phases == sorted(phases, key="seen gone".index)


def test_R19_the_end_of_a_breach_is_said_before_all_that_always_was_well():  # noqa: N802
    watched = Watched().turn().tell(900).turn()
    said = len(watched.log.said)
    watched.tell(10).turn()
    first = watched.log.said[said]
    assert first.phase == "gone"
    assert first.id in {each.id for each in watched.log.said[:said] if each.phase == "seen"}


def test_R13_nothing_is_judged_before_the_limits_were_read_whole():  # noqa: N802
    watched = Watched()
    watched.log.read_until_s = None
    watched.tell(900).turn().tell(900).turn()
    assert watched.log.said == []


def test_R19_a_limit_on_the_log_counts_and_a_forged_one_does_not():  # noqa: N802
    ring = read_keyring("ours:" + 32 * "3c")
    watched = Watched(ring).turn()
    now_us = watched.at_us
    terms = LimitTerms(
        layer="operator", judged="instant", blocks=[LimitBlock(import_kw=5.0)], from_us=now_us, source="-",
        who=Person("els").name, why="-", stated_us=now_us,
    )  # fmt: skip
    entry = state_limit(KnownLimits(HUB), "north/a", "cap", terms, now_us=now_us).entry
    key, payload = limit_key(HUB.id, "north/a", "cap"), encode(entry)
    for headers, seen in (((), False), (ring.sign(topic=LIMIT.name, key=key, payload=payload), True)):
        watched.log.records.append(Record(LIMIT.name, key, payload, tuple(headers)))
        watched.turn().tell(10).turn(5)
        assert ("seen" in watched.words("limit_breached/north/a/import/instant")) is seen


def test_R19_a_cable_is_judged_as_it_was_confirmed_last_while_its_open_point_moves(watched):  # noqa: N802
    terms = TopologyTerms(certainty="switching", open_after=1, moving_to=2)
    moving = TopologyEntry(grid_loop="north", terms=terms, changed_us=watched.at_us, changed_by="els", changed_why="-")
    there = TopologyTerms(certainty="confirmed", open_after=2)
    confirmed = msgspec.structs.replace(
        moving, terms=there, changed_us=moving.changed_us + 1, after_us=moving.changed_us
    )
    for entry, seen in ((moving, []), (confirmed, ["seen"])):
        watched.log.records.append(Record(TOPOLOGY.name, key_of(HUB.id, "north"), encode(entry), ()))
        watched.turn().tell(450, 450).turn()
        assert watched.words() == seen


def test_R19_what_is_seen_and_who_is_not_heard_shows_in_the_metrics(watched):  # noqa: N802
    value = watched.metrics.registry.get_sample_value
    breached = {"grid_loop": "north", "kind": "limit_breached"}
    assert value("lusbalans_watchdog_limit_conditions", breached) == 0
    watched.tell(900).turn()
    assert value("lusbalans_watchdog_limit_conditions", breached) >= 1
    assert value("lusbalans_watchdog_silent_nodes", {"grid_loop": "south"}) > 0
