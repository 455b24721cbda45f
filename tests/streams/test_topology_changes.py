"""Who may move an open point: the small park's north may be open after 1 or 2 sections, south nowhere else than now."""

import random
from dataclasses import replace

import msgspec
import pytest

from hub.model import Certainty, Position
from streams.codec import encode
from streams.messages import DeadLetterReason
from streams.plant import build_plant
from streams.signature import Keyring
from streams.topics import TOPOLOGY, key_of
from streams.topology_changes import confirm_open_point, doubt_open_point, move_open_point
from streams.topology_entries import KnownTopology, ParkTopology
from streams.topology_messages import TopologyEntry, TopologyTerms
from streams.two_people import Done, NotAllowed, NotThere, Pending, Person, Unusable
from tests.streams.mutations import mutate
from tests.streams.small_park import QUARTER_START_US, SECOND_US, small_hub

NOW_US = QUARTER_START_US + 60 * SECOND_US
ELS, BAS = Person("els"), Person("bas")
KEY = key_of("small", "north")


def hub():
    both = tuple(
        Position(open_after=at, import_kw=90.0 if at == 2 else None, export_kw=None, source="DSO") for at in (1, 2)
    )
    north, south = small_hub().grid_loops
    return replace(small_hub(), grid_loops=(replace(north, positions=both), south))


class Topic:
    """The topic, and one person after the other."""

    def __init__(self):
        self.known, self.now_us = KnownTopology(hub()), NOW_US

    def write(self, outcome):
        if isinstance(outcome, Done | Pending):
            assert self.known.fold(KEY, encode(outcome.entry)) is None
        return type(outcome)

    def move(self, to, person=ELS):
        return self.write(move_open_point(self.known, "north", to, person=person, why="works", now_us=self.now_us))

    def confirm(self, person=BAS):
        return self.write(confirm_open_point(self.known, "north", person=person, now_us=self.now_us))

    def doubt(self):
        return self.write(
            doubt_open_point(self.known, "north", by="worker-1", why="it measures more", now_us=self.now_us)
        )

    @property
    def state(self):
        point = self.known.open_point(self.known.hub.grid_loops[0], now_us=self.now_us)
        return str(point.certainty), point.open_after, point.positions, point.earlier


def test_r18_one_person_moves_a_second_one_confirms():
    topic = Topic()
    assert topic.move(2) is Pending
    assert topic.state == ("switching", 1, (1, 2), (1,))
    assert topic.confirm(ELS) is NotAllowed
    assert topic.confirm(BAS) is Done
    assert topic.state == ("confirmed", 2, (2,), (1, 2))
    topic.now_us += 900 * SECOND_US
    assert topic.state == ("confirmed", 2, (2,), ())


def test_a_move_that_is_called_off_goes_back_by_two_people_too():
    topic = Topic()
    topic.move(2)
    assert topic.move(1, BAS) is Pending
    assert topic.state[:3] == ("switching", 1, (1, 2))
    assert topic.confirm(BAS) is NotAllowed
    assert topic.confirm(ELS) is Done
    assert topic.state[:3] == ("confirmed", 1, (1,))


def test_who_doubts_needs_nobody_and_two_people_find_it_again():
    topic = Topic()
    assert topic.doubt() is Done
    assert topic.state[:3] == ("unknown", 1, (1, 2))
    assert topic.confirm() is NotThere
    assert topic.move(2) is Pending
    assert topic.state[:3] == ("unknown", 1, (1, 2))
    assert topic.confirm() is Done
    assert topic.state[:3] == ("confirmed", 2, (2,))


def test_what_waits_for_a_second_person_still_waits_when_it_is_doubted():
    topic = Topic()
    topic.move(2)
    topic.doubt()
    assert topic.state[0] == "unknown"
    assert topic.confirm() is Done


UNUSABLE = [
    pytest.param("north", 0, "works", Unusable, "1, 2 sections, not after 0", id="not permitted"),
    pytest.param("north", 1, "works", Unusable, "open there already", id="there already"),
    pytest.param("south", 2, "works", Unusable, "may be open after 1 sections", id="nothing is permitted"),
    pytest.param("north", 2, " ", Unusable, "why", id="no reason"),
    pytest.param("nord", 2, "works", NotThere, "there are north, south", id="no such ring"),
]


@pytest.mark.parametrize(("ring", "to", "why", "kind", "told"), UNUSABLE)
def test_what_means_nothing_is_refused_with_what_would_mean_something(ring, to, why, kind, told):
    outcome = move_open_point(KnownTopology(hub()), ring, to, person=ELS, why=why, now_us=NOW_US)
    assert isinstance(outcome, kind)
    assert told in outcome.why


def test_a_ring_that_is_being_moved_goes_to_no_third_place():
    third = Position(open_after=0, import_kw=90.0, export_kw=9.0, source="DSO")
    north, south = hub().grid_loops
    topic = Topic()
    topic.known = KnownTopology(replace(hub(), grid_loops=(replace(north, positions=(*north.positions, third)), south)))
    topic.move(2)
    assert topic.move(0) is Unusable


def entry(**changed):
    terms = TopologyTerms(certainty="confirmed", open_after=2)
    whole = TopologyEntry(grid_loop="north", terms=terms, changed_us=NOW_US, changed_by="els", changed_why="works")
    return msgspec.structs.replace(whole, **changed)


REFUSED = [
    pytest.param(b"{", DeadLetterReason.NOT_JSON, id="broken"),
    pytest.param(b"", DeadLetterReason.NOT_AN_OPEN_POINT, id="a tombstone"),
    pytest.param(encode(entry(grid_loop="south")), DeadLetterReason.NOT_AN_OPEN_POINT, id="under another key"),
    *(
        pytest.param(encode(entry(terms=terms)), DeadLetterReason.NOT_AN_OPEN_POINT, id=name)
        for name, terms in {
            "beyond the ring": TopologyTerms(certainty="confirmed", open_after=3),
            "before it": TopologyTerms(certainty="confirmed", open_after=-1),
            "a certainty of later": TopologyTerms(certainty="presumed", open_after=1),
            "switching to nowhere": TopologyTerms(certainty="switching", open_after=1),
            "confirmed but going": TopologyTerms(certainty="confirmed", open_after=1, moving_to=2),
        }.items()
    ),
    pytest.param(encode(entry(changed_us=10**18)), DeadLetterReason.NOT_AN_OPEN_POINT, id="in the wrong unit"),
]


@pytest.mark.parametrize(("payload", "reason"), REFUSED)
def test_r14_what_cannot_be_used_changes_nothing(payload, reason):
    park = ParkTopology(hub())
    park.due(NOW_US)
    assert park.fold(KEY, payload, ()).reason is reason
    assert park.due(NOW_US + 1) is None


def test_of_two_changes_at_once_the_first_counts():
    topic = Topic()
    at_once = doubt_open_point(topic.known, "north", by="worker-1", why="more", now_us=NOW_US).entry
    topic.move(2)
    assert topic.known.fold(KEY, encode(at_once)).reason is DeadLetterReason.NOT_AN_OPEN_POINT
    assert topic.state[0] == "switching"


def test_where_keys_are_configured_only_signed_entries_count():
    keys = Keyring({"k1": b"x" * 32})
    park, payload = ParkTopology(hub(), keys), encode(entry())
    assert park.fold(KEY, payload, ()).reason is DeadLetterReason.UNSIGNED
    assert park.fold(KEY, payload, keys.sign(topic=TOPOLOGY.name, key=KEY, payload=payload)) is None


def test_the_park_is_told_when_something_was_said_and_when_the_quarter_of_a_move_ends():
    park, topic = ParkTopology(hub()), Topic()
    assert park.due(NOW_US).open_points == {}
    assert park.due(NOW_US + 1) is None
    topic.move(2)
    topic.confirm()
    park.fold(KEY, encode(topic.known.find("north")), ())
    told = park.due(NOW_US + 2)
    assert [(one.node, one.import_kw) for one in told.limits if one.node == "north"] == [("north", 90)]
    assert told.grid_loops[0].open_after == 2
    end_us = QUARTER_START_US + 900 * SECOND_US
    assert park.due(end_us - 1) is None
    assert park.due(end_us).open_points["north"].earlier == ()
    assert park.due(end_us + 10**15) is None


def test_an_arm_whose_quarter_a_leaping_clock_ended_is_remembered_again_when_the_clock_is_put_back():
    park, topic = ParkTopology(hub()), Topic()
    topic.move(2)
    topic.confirm()
    park.fold(KEY, encode(topic.known.find("north")), ())
    told = [park.due(NOW_US + second * SECOND_US) for second in (2, 3_600, 3)]
    assert [one.open_points["north"].earlier != () for one in told] == [True, False, True]


def test_what_the_log_says_outranks_the_folder_for_it_is_newer():
    topic = Topic()
    topic.move(2)
    topic.confirm()
    topic.known.hub = replace(topic.known.hub, grid_loops=small_hub().grid_loops)  # edited since
    assert topic.state[:3] == (str(Certainty.CONFIRMED), 2, (2,))


def test_r14_no_mutated_message_raises_or_opens_a_ring_where_it_has_no_place():
    chance, taken = random.Random(7), 0
    topic = Topic()
    topic.move(2)
    whole = encode(topic.known.find("north"))
    for number in range(3000):
        park = ParkTopology(hub())
        if park.fold(KEY, mutate(whole, number, chance), ()) is None:
            taken += 1
            moved = park.due(NOW_US)
            point = moved.open_points["north"]
            assert set(point.positions) | set(point.earlier) | {point.open_after} <= {0, 1, 2}
            build_plant(moved, "north")
    print(f"{taken} of 3000 mutated entries still meant something")
    assert 0 < taken < 2500
