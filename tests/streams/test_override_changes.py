"""Overrides on the log: what counts, what is refused, what waits for a second person (R18), and until when it is told."""

import msgspec
import pytest

from hub.overrides import Kept, OverrideKind
from streams.codec import Rejected, encode
from streams.messages import DeadLetterReason
from streams.override_changes import confirm_override, reject_override, set_override, withdraw_override
from streams.override_entries import KnownOverrides, ParkOverrides, override_key
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.signature import Keyring
from streams.topics import OVERRIDE
from streams.two_people import Done, NotAllowed, NotThere, Pending, Person, Unusable
from tests.streams.small_park import QUARTER_START_US, SECOND_US, small_hub

NOW_US = QUARTER_START_US
ELS, BAS = Person("els"), Person("bas")
KEY = override_key("small", "charger")


def terms(kind="stop", **more):
    return OverrideTerms(**{"kind": kind, "who": "els", "why": "smoke", "stated_us": NOW_US} | more)


@pytest.fixture
def known():
    return KnownOverrides(small_hub())


def write(known, change):
    assert known.fold(override_key("small", change.entry.asset), encode(change.entry)) is None
    return change


def put(known, kind="stop", **more):
    return write(known, set_override(known, "charger", terms(kind, **more), now_us=NOW_US))


def withdraw(known, person=ELS):
    return withdraw_override(known, "charger", person=person, why="mended", now_us=NOW_US)


def kinds(known):
    return [str(override.kind) for override in known.in_force.values()]


def test_r18_one_person_stops_at_once_and_two_end_it(known):
    assert isinstance(put(known), Done)
    pending = write(known, withdraw(known))
    assert isinstance(pending, Pending)
    assert pending.loosens == "charger may take 50 kW instead of 0 kW"
    assert kinds(known) == ["stop"]
    assert isinstance(confirm_override(known, "charger", person=ELS, now_us=NOW_US), NotAllowed)
    assert isinstance(write(known, confirm_override(known, "charger", person=BAS, now_us=NOW_US)), Done)
    assert kinds(known) == []
    assert isinstance(withdraw(known), NotThere)


def test_r18_a_hold_at_a_power_waits_and_a_stop_meanwhile_drops_it(known):
    assert isinstance(put(known, "hold", power_kw=20.0), Pending)
    assert kinds(known) == []
    assert isinstance(put(known), Done)
    assert isinstance(confirm_override(known, "charger", person=BAS, now_us=NOW_US), NotThere)
    assert kinds(known) == ["stop"]


def test_r18_who_confirmed_a_hold_is_in_its_terms(known):
    put(known, "hold", power_kw=20.0)
    write(known, confirm_override(known, "charger", person=BAS, now_us=NOW_US))
    assert known.find("charger").terms.confirmed_by == "bas"
    assert kinds(known) == ["hold"]


def test_a_proposal_that_is_rejected_leaves_what_was(known):
    put(known)
    write(known, withdraw(known))
    write(known, reject_override(known, "charger", person=BAS, why="still warm", now_us=NOW_US))
    assert known.find("charger").proposed is None
    assert kinds(known) == ["stop"]


@pytest.mark.parametrize(
    ("asset", "wrong", "expected"),
    [
        pytest.param("charter", terms(), "did you mean charger", id="an asset that is not there"),
        pytest.param("charger", terms("explode"), "no kind of override", id="a kind nobody knows"),
        pytest.param("charger", terms("hold", power_kw=99.0), "between 0 and 50", id="beyond the range"),
        pytest.param("charger", terms(why=" "), "why must", id="no reason"),
    ],
)
def test_r14_what_means_nothing_is_not_written(known, asset, wrong, expected):
    refused = set_override(known, asset, wrong, now_us=NOW_US)
    assert isinstance(refused, Unusable)
    assert expected in refused.why


ENTRY = OverrideEntry(asset="charger", terms=terms(), changed_us=NOW_US, changed_by="els", changed_why="smoke")
LOOSER = msgspec.structs.replace(ENTRY, terms=None, changed_us=NOW_US + 1)
"""Of somebody who did not see that the charger was stopped."""


@pytest.mark.parametrize(
    ("key", "payload", "reason"),
    [
        pytest.param(KEY, b"{", DeadLetterReason.NOT_JSON, id="cut off"),
        pytest.param(KEY, b"{}", DeadLetterReason.WRONG_SHAPE, id="empty"),
        pytest.param(b"small/roof", encode(ENTRY), DeadLetterReason.NOT_AN_OVERRIDE, id="another asset's key"),
        pytest.param(KEY, encode(LOOSER), DeadLetterReason.NOT_AN_OVERRIDE, id="a change of what was before"),
        pytest.param(KEY, None, DeadLetterReason.NOT_AN_OVERRIDE, id="a tombstone"),
    ],
)
def test_r14_r18_a_message_that_cannot_be_used_leaves_the_asset_stopped(known, key, payload, reason):
    put(known)
    refused = known.fold(key, payload)
    assert isinstance(refused, Rejected)
    assert refused.reason is reason
    assert kinds(known) == ["stop"]


def test_a_tombstone_clears_away_what_was_withdrawn(known):
    put(known)
    write(known, withdraw(known))
    write(known, confirm_override(known, "charger", person=BAS, now_us=NOW_US))
    assert known.fold(KEY, None) is None
    assert known.entries == {}


def test_reading_the_log_again_gives_the_same_overrides(known):
    written = [put(known), write(known, withdraw(known))]
    written.append(write(known, confirm_override(known, "charger", person=BAS, now_us=NOW_US)))
    written.append(put(known, "at_most", power_kw=10.0))
    again = KnownOverrides(small_hub())
    assert [again.fold(KEY, encode(change.entry)) for change in written] == [None] * 4
    assert (again.entries, again.in_force) == (known.entries, known.in_force)


STOPPED = Kept(min_kw=0.0, max_kw=0.0, rest_kw=0.0)


def test_overrides_are_told_when_a_message_or_the_clock_changes_them_and_only_then():
    park = ParkOverrides(small_hub())
    assert park.due(NOW_US) == {}
    until = msgspec.structs.replace(ENTRY, terms=terms(until_us=NOW_US + 20 * SECOND_US))
    told = {}
    for second in range(25):
        if second == 10:
            assert park.fold(KEY, encode(until), ()) is None
        told[second] = park.due(NOW_US + second * SECOND_US)
    assert {second: kept for second, kept in told.items() if kept is not None} == {10: {"charger": STOPPED}, 20: {}}
    park.renew()
    assert park.due(NOW_US + 26 * SECOND_US) == {}


def test_an_override_that_a_leaping_clock_ended_holds_again_when_the_clock_is_right():
    park = ParkOverrides(small_hub())
    park.fold(KEY, encode(msgspec.structs.replace(ENTRY, terms=terms(until_us=NOW_US + 20 * SECOND_US))), ())
    hour_us = 3600 * SECOND_US
    told = [park.due(NOW_US + at_us) for at_us in (0, hour_us, hour_us + 1, SECOND_US, 2 * SECOND_US)]
    assert told == [{"charger": STOPPED}, {}, None, {"charger": STOPPED}, None]


def test_where_keys_are_configured_only_a_signed_override_counts():
    keys = Keyring({"k1": b"x" * 32})
    park, payload = ParkOverrides(small_hub(), keys), encode(ENTRY)
    assert park.fold(KEY, payload, ()).reason is DeadLetterReason.UNSIGNED
    assert park.due(NOW_US) == {}
    assert park.fold(KEY, payload, keys.sign(topic=OVERRIDE.name, key=KEY, payload=payload)) is None
    assert park.known.in_force["charger"].kind is OverrideKind.STOP
