"""When a park's limits are told anew: when a message changes them and when the clock does, not in every tick."""

import json
import random

import msgspec
import pytest

from hub.model import Judged, LimitLayer
from streams.codec import encode
from streams.limit_entries import limit_key
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms
from streams.messages import DeadLetterReason
from streams.park_limits import ParkLimits
from streams.signature import Keyring
from streams.topics import LIMIT
from tests.streams.small_park import QUARTER_START_US, SECOND_US, small_hub

NOW_US = QUARTER_START_US
KEY = limit_key("small", "north", "cap")
ENTRY = LimitEntry(
    node="north", id="cap", changed_us=NOW_US, changed_by="els", changed_why="works",
    terms=LimitTerms(
        layer="dso_cap", judged="instant", blocks=[LimitBlock(import_kw=60.0)], from_us=NOW_US + 10 * SECOND_US,
        until_us=NOW_US + 20 * SECOND_US, source="letter", who="els", why="works", stated_us=NOW_US,
    ),
)  # fmt: skip


def north_kw(limits):
    return [limit.import_kw for limit in limits if (limit.node, limit.layer) == ("north", LimitLayer.DSO_CAP)]


def test_limits_are_told_when_the_clock_changes_them_and_only_then():
    park = ParkLimits(small_hub())
    assert park.fold(KEY, encode(ENTRY), ()) is None
    told = {second: park.due(NOW_US + second * SECOND_US) for second in range(25)}
    assert {second: north_kw(limits) for second, limits in told.items() if limits is not None} == {
        0: [], 10: [60.0], 20: []
    }  # fmt: skip


def test_a_limit_that_a_leaping_clock_ended_holds_again_when_the_clock_is_put_back():
    park = ParkLimits(small_hub())
    assert park.fold(KEY, encode(ENTRY), ()) is None
    told = [park.due(NOW_US + second * SECOND_US) for second in (12, 3_600, 13)]
    assert [north_kw(limits) for limits in told] == [[60.0], [], [60.0]]


def test_a_message_and_a_new_listener_have_them_told_again():
    park = ParkLimits(small_hub())
    assert set(park.due(NOW_US)) == set(small_hub().limits)
    assert park.due(NOW_US + 1) is None
    park.renew()
    assert park.due(NOW_US + 2) is not None
    park.fold(KEY, encode(ENTRY), ())
    assert park.due(NOW_US + 3) is not None


def test_r14_a_refused_message_changes_nothing():
    park = ParkLimits(small_hub())
    park.due(NOW_US)
    assert park.fold(KEY, b"[]", ()).reason is DeadLetterReason.WRONG_SHAPE
    assert park.due(NOW_US + 1) is None


KEYS = Keyring({"k1": b"x" * 32})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param((), DeadLetterReason.UNSIGNED, id="unsigned"),
        pytest.param(
            Keyring({"k1": b"y" * 32}).sign(topic=LIMIT.name, key=KEY, payload=encode(ENTRY)),
            DeadLetterReason.BAD_SIGNATURE, id="forged",
        ),
        pytest.param(
            KEYS.sign(topic=LIMIT.name, key=b"small/south#cap", payload=encode(ENTRY)),
            DeadLetterReason.BAD_SIGNATURE, id="signed for another node",
        ),
    ],
)  # fmt: skip
def test_where_keys_are_configured_only_signed_limits_count(headers, reason):
    park = ParkLimits(small_hub(), KEYS)
    assert park.fold(KEY, encode(ENTRY), headers).reason is reason
    assert park.known.in_force == {}
    assert park.fold(KEY, encode(ENTRY), KEYS.sign(topic=LIMIT.name, key=KEY, payload=encode(ENTRY))) is None
    assert park.known.in_force[KEY].judged is Judged.INSTANT


def test_an_entry_that_is_withdrawn_is_told_as_not_there():
    park = ParkLimits(small_hub())
    park.fold(KEY, encode(ENTRY), ())
    gone = msgspec.structs.replace(ENTRY, terms=None, changed_us=NOW_US + 1, after_us=NOW_US)
    assert park.fold(KEY, encode(gone), ()) is None
    assert north_kw(park.due(NOW_US + 12 * SECOND_US)) == []


VALUES = (None, -1, 0, 2**63, 10**30, 1e308, "", "\ud800", "2026-02-30", "02-30", [], {}, True, ["a"], "north")


def mutate(chance, value):
    """The same JSON value with something in it changed, left out or of another kind."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        rest = {key: each for key, each in value.items() if key != name}
        return rest if chance.random() < 0.15 else rest | {name: mutate(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], mutate(chance, value[at]), *value[at + 1 :]]
    return chance.choice(VALUES)


def test_r14_no_mutated_message_raises_or_lets_an_absurd_limit_through():
    chance, taken = random.Random(7), 0
    whole = json.loads(encode(ENTRY))
    for _ in range(3000):
        changed = mutate(chance, whole)
        park = ParkLimits(small_hub())
        if park.fold(KEY, json.dumps(changed).encode(), ()) is None:
            taken += 1
            limits = park.due(NOW_US + 12 * SECOND_US)
            assert all(0 <= kw <= 1e7 for each in limits for kw in (each.import_kw, each.export_kw) if kw is not None)
    print(f"{taken} of 3000 mutated limits still meant something")
    assert 0 < taken < 2000
