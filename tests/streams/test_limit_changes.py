"""Limits on the log: what counts, what is refused, and what waits for a second person (R18)."""

import msgspec
import pytest

from hub.limits import effective_limit
from streams.codec import Rejected, encode
from streams.limit_changes import confirm_limit, reject_proposal, state_limit, withdraw_limit
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms
from streams.messages import DeadLetterReason
from streams.two_people import Done, NotAllowed, NotThere, Pending, Person, Unusable
from tests.streams.small_park import QUARTER_START_US, small_hub

NOW_US = QUARTER_START_US
ELS, BAS = Person("els"), Person("bas")
NODE = "north"
KEY = limit_key("small", NODE, "cap")


def cap(import_kw=60.0, *, who="els", **more):
    fields = {
        "layer": "dso_cap", "judged": "instant", "blocks": [LimitBlock(import_kw=import_kw)], "from_us": NOW_US,
        "source": "letter", "who": who, "why": "works", "stated_us": NOW_US,
    }  # fmt: skip
    return LimitTerms(**fields | more)


@pytest.fixture
def known():
    return KnownLimits(small_hub())


def write(known, change):
    assert known.fold(limit_key("small", change.entry.node, change.entry.id), encode(change.entry)) is None
    return change


def import_kw(known):
    found = effective_limit(known.book(), NODE, imports=True, at_us=NOW_US).now
    return None if found is None else found.kw


def set_cap(known, kw=60.0, *, who="els"):
    return write(known, state_limit(known, NODE, "cap", cap(kw, who=who), now_us=NOW_US))


def reject(known):
    return reject_proposal(known, NODE, "cap", person=BAS, why="not now", now_us=NOW_US)


def withdraw(known, person=ELS):
    return write(known, withdraw_limit(known, NODE, "cap", person=person, why="done", now_us=NOW_US))


def test_r18_one_person_tightens_at_once(known):
    assert isinstance(set_cap(known, 60.0), Done)
    assert isinstance(set_cap(known, 30.0), Done)
    assert import_kw(known) == 30


@pytest.mark.parametrize("change", [withdraw, lambda known: set_cap(known, 90.0)], ids=["withdrawn", "raised"])
def test_r18_what_loosens_waits_and_what_was_in_force_stays(known, change):
    set_cap(known)
    pending = change(known)
    assert isinstance(pending, Pending)
    assert "import may rise from 60 kW" in pending.loosens
    assert import_kw(known) == 60


@pytest.mark.parametrize(
    ("change", "expected_kw"), [(withdraw, None), (lambda known: set_cap(known, 90.0), 90)], ids=["withdrawn", "raised"]
)
def test_r18_a_second_person_lets_it_hold(known, change, expected_kw):
    set_cap(known)
    change(known)
    assert isinstance(confirm_limit(known, NODE, "cap", person=ELS, now_us=NOW_US), NotAllowed)
    confirmed = write(known, confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US))
    assert import_kw(known) == expected_kw
    assert (confirmed.entry.changed_by, confirmed.entry.changed_why.split(":")[0]) == (
        "bas", "confirmed what els proposed"
    )  # fmt: skip
    assert confirmed.entry.terms is None or confirmed.entry.terms.confirmed_by == "bas"
    assert isinstance(confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US), NotThere)


def test_r18_a_proposal_can_be_rejected_by_anybody(known):
    set_cap(known)
    withdraw(known)
    write(known, reject(known))
    assert import_kw(known) == 60
    assert isinstance(reject(known), NotThere)


def test_r18_a_tighter_limit_replaces_one_that_waits(known):
    set_cap(known)
    withdraw(known)
    assert isinstance(set_cap(known, 20.0), Done)
    assert isinstance(confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US), NotThere)
    assert import_kw(known) == 20


def test_r18_a_right_waits_although_nothing_was_in_force_and_goes_by_one_persons_word(known):
    node = next(limit.node for limit in known.hub.limits if limit.judged == "quarter" and limit.import_kw == 200)
    terms = cap(50.0, layer="contract", judged="quarter", effect="right")
    pending = write(known, state_limit(known, node, "night", terms, now_us=NOW_US))
    assert isinstance(pending, Pending)
    assert known.in_force == {}
    write(known, confirm_limit(known, node, "night", person=BAS, now_us=NOW_US))
    assert effective_limit(known.book(), node, imports=True, at_us=NOW_US).now.kw == 250
    gone = withdraw_limit(known, node, "night", person=ELS, why="sold", now_us=NOW_US)
    assert isinstance(gone, Done)


@pytest.mark.parametrize(
    ("terms", "node", "expected"),
    [
        pytest.param(cap(-1.0), NODE, "kW must be", id="negative"),
        pytest.param(cap(layer="mayor"), NODE, "mayor", id="a layer nobody knows"),
        pytest.param(cap(why=""), NODE, "why must", id="no reason"),
        pytest.param(cap(), "nort", "did you mean north", id="a node that is not there"),
        pytest.param(cap(blocks=[LimitBlock(import_kw=1.0, season_first="02-30", season_last="03-01")]), NODE, "day",
                     id="the thirtieth of February"),
        pytest.param(cap(blocks=[LimitBlock(import_kw=1.0, season_first="02-01")]), NODE, "first and a last",
                     id="half a season"),
    ],
)  # fmt: skip
def test_r14_what_means_nothing_is_not_written(known, terms, node, expected):
    refused = state_limit(known, node, "cap", terms, now_us=NOW_US)
    assert isinstance(refused, Unusable)
    assert expected in refused.why


def test_what_is_not_there_cannot_be_withdrawn_and_what_is_there_is_named(known):
    set_cap(known)
    missing = withdraw_limit(known, NODE, "cup", person=ELS, why="done", now_us=NOW_US)
    assert missing == NotThere("north has no limit 'cup'; it has cap")


ENTRY = LimitEntry(node=NODE, id="cap", terms=cap(), changed_us=NOW_US, changed_by="els", changed_why="works")


@pytest.mark.parametrize(
    ("key", "payload", "reason"),
    [
        pytest.param(KEY, b"{", DeadLetterReason.NOT_JSON, id="cut off"),
        pytest.param(KEY, b"{}", DeadLetterReason.WRONG_SHAPE, id="empty"),
        pytest.param(b"small/south#cap", encode(ENTRY), DeadLetterReason.NOT_A_LIMIT, id="another node's key"),
        pytest.param(
            KEY, encode(msgspec.structs.replace(ENTRY, terms=cap(1e9))), DeadLetterReason.NOT_A_LIMIT, id="absurd"
        ),
    ],
)
def test_r14_a_broken_message_is_refused_and_the_limits_known_stay(known, key, payload, reason):
    set_cap(known)
    refused = known.fold(key, payload)
    assert isinstance(refused, Rejected)
    assert refused.reason is reason
    assert import_kw(known) == 60


def test_r18_a_tombstone_does_not_take_a_limit_away_that_was_not_withdrawn(known):
    set_cap(known)
    assert isinstance(known.fold(KEY, None), Rejected)
    assert import_kw(known) == 60
    withdraw(known)
    write(known, confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US))
    assert known.fold(KEY, None) is None
    assert known.entries == {}


def test_r18_an_older_entry_that_is_sent_again_changes_nothing(known):
    looser = encode(set_cap(known, 90.0).entry)
    set_cap(known, 60.0)
    assert isinstance(known.fold(KEY, looser), Rejected)
    assert import_kw(known) == 60


def test_r18_of_two_changes_at_once_the_first_counts_and_the_second_loosens_nothing(known):
    set_cap(known, 60.0)
    other = withdraw_limit(known, NODE, "cap", person=BAS, why="done", now_us=NOW_US)
    set_cap(known, 30.0)
    assert isinstance(known.fold(KEY, encode(other.entry)), Rejected)
    assert import_kw(known) == 30


def test_what_is_delivered_twice_is_not_refused(known):
    assert known.fold(KEY, encode(set_cap(known).entry)) is None


def test_a_log_of_which_entries_were_compacted_away_is_read(known):
    first = set_cap(known, 60.0)
    set_cap(known, 50.0)
    last = set_cap(known, 40.0)
    again = KnownLimits(small_hub())
    assert [again.fold(KEY, encode(change.entry)) for change in (first, last)] == [None, None]
    assert import_kw(again) == 40


def test_a_change_is_later_than_the_one_before_even_by_a_clock_that_is_behind(known):
    first = set_cap(known)
    second = write(known, state_limit(known, NODE, "cap", cap(50.0), now_us=NOW_US - 5_000_000))
    assert second.entry.changed_us > first.entry.changed_us


def test_what_was_withdrawn_is_no_more_there(known):
    set_cap(known)
    withdraw(known)
    write(known, confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US))
    assert known.find(NODE, "cap") is None
    assert isinstance(withdraw_limit(known, NODE, "cap", person=ELS, why="again", now_us=NOW_US), NotThere)
    assert isinstance(set_cap(known, 70.0), Done)


def test_reading_the_log_again_from_its_beginning_gives_the_same_limits(known):
    written = [set_cap(known), withdraw(known)]
    written.append(write(known, confirm_limit(known, NODE, "cap", person=BAS, now_us=NOW_US)))
    written.append(set_cap(known, 45.0))
    again = KnownLimits(small_hub())
    for change in written:
        assert again.fold(KEY, encode(change.entry)) is None
    assert (again.entries, again.in_force) == (known.entries, known.in_force)
