"""Feeders that do not fit their arms: north's FACTORY (80 kW) hangs on a, OFFICE (40 kW) on b, or so it is said."""

import pytest

from hub.model import Certainty, OpenPoint
from streams.feeder_check import LEAST_PATIENCE_S, FeederCheck
from tests.streams.small_park import FACTORY, SECOND_US, frame, north_kw
from tests.streams.test_moved_ring import NOW_US, Ring


def contradictions(ring, open_after, *, seconds, **loads_kw):
    """What each tick found, of the seconds in which it found something."""
    found = {}
    for second in range(seconds):
        ring.hear(open_after, **loads_kw).balanced()
        if ring.loop.contradiction is not None:
            found[second] = str(ring.loop.contradiction)
    return found


def test_a_ring_that_was_switched_unannounced_is_found_out_within_ten_seconds_and_its_place_guessed():
    found = contradictions(Ring(), 2, seconds=25)
    assert found == dict.fromkeys(
        (10, 21), "north/a measures 40.0 kW more than all that should hang on it; the meters fit open after 2"
    )
    assert LEAST_PATIENCE_S == 10


@pytest.mark.parametrize(
    ("open_after", "loads_kw"),
    [
        pytest.param(1, {}, id="it is where it should be"),
        pytest.param(2, {"office": 9.9}, id="what hangs on the wrong feeder is too little to see, and to harm"),
    ],
)
def test_nothing_is_said_without_a_contradiction(open_after, loads_kw):
    assert contradictions(Ring(), open_after, seconds=40, **loads_kw) == {}


def test_a_contradiction_that_does_not_last_is_none():
    ring = Ring()
    for _ in range(5):
        assert contradictions(ring, 2, seconds=9) == {}
        assert contradictions(ring, 1, seconds=1) == {}


@pytest.mark.parametrize(
    "open_point",
    [
        OpenPoint(certainty=Certainty.SWITCHING, open_after=1, positions=(1, 2)),
        OpenPoint(certainty=Certainty.UNKNOWN, open_after=1, positions=(0, 1, 2)),
    ],
    ids=["while it is moved", "while it is in doubt already"],
)
def test_nothing_contradicts_what_nobody_knows(open_point):
    assert contradictions(Ring().move(open_point), 2, seconds=25) == {}


def test_a_connection_that_is_not_heard_may_be_what_the_feeder_measures():
    ring = Ring()
    for second in range(40):
        at_us = NOW_US + second * SECOND_US
        powers_kw = north_kw() | {"north/a": 180.0}
        del powers_kw[FACTORY]
        ring.loop.fold(frame(at_us, powers_kw), received_at_us=at_us)
        ring.loop.balance(tick=second, now_us=at_us)
        assert ring.loop.contradiction is None


@pytest.mark.parametrize(
    ("changed", "contradicts"),
    [
        pytest.param({"north/a": 180.0}, False, id="one feeder alone is off: a meter, not the open point"),
        pytest.param({"north/a": 180.0, "north/b": 30.0}, False, id="the other by little, the other way"),
        pytest.param({"north/a": 180.0, "north/b": 140.0}, False, id="both the same way"),
        pytest.param({"north/a": 100.0, "north/b": 20.0}, True, id="closed at both ends: what one has the other lacks"),
    ],
)
def test_only_feeders_that_make_up_for_each_other_tell_of_the_open_point(changed, contradicts):
    ring, found = Ring(), []
    for second in range(15):
        at_us = NOW_US + second * SECOND_US
        ring.loop.fold(frame(at_us, north_kw() | changed), received_at_us=at_us)
        ring.loop.balance(tick=second, now_us=at_us)
        found += [ring.loop.contradiction] if ring.loop.contradiction else []
    assert bool(found) is contradicts


@pytest.mark.parametrize(("cadence_s", "patience_s"), [(1.0, 10.0), (10.0, 50.0)])
def test_slow_meters_are_given_time(cadence_s, patience_s):
    assert FeederCheck.for_cadence(cadence_s).patience_s == patience_s
