"""R10 at dispatch: whatever a setpoint says, a stopped asset is not moved; a lease that ends, or a revert, does not
start it again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.dispatch import rules
from hub.overrides import Kept
from tests.connectors.dispatch.lease_tables import RULES, cycle, fresh, full, play, renewal, wall_us

STOPPED = Kept(min_kw=0.0, max_kw=0.0, rest_kw=0.0)
HELD = Kept(min_kw=20.0, max_kw=20.0, rest_kw=0.0)
LOW = Kept(min_kw=-5.0, max_kw=5.0, rest_kw=0.0)


def stopped(*assets, state=None):
    return rules.keep(state or fresh(), dict.fromkeys(assets, STOPPED))


def test_r10_a_stopped_asset_is_not_moved_and_that_is_answered():
    state = stopped("battery", "pv")
    state, outcome = rules.receive(state, full(1, 0, pv=-40, battery=20, charger=11), now_s=0, now_us=wall_us(0))
    assert outcome.overridden == ("pv", "battery")
    _, writes = rules.due(state, 0)
    assert {write.asset_id: write.power_kw for write in writes} == {"pv": 0, "battery": 0, "charger": 11}


@pytest.mark.parametrize(
    ("kept", "asked_kw", "told_kw"),
    [
        pytest.param(HELD, 50.0, 20.0, id="a held battery is told no more"),
        pytest.param(HELD, 20.0, 20.0, id="what it is held at"),
        pytest.param(HELD, 0.0, 0.0, id="and less, for the worker may let go of it"),
        pytest.param(HELD, -30.0, 0.0, id="but never the other way"),
        pytest.param(LOW, -30.0, -5.0, id="one that is kept low"),
    ],
)
def test_r10_an_override_only_cuts(kept, asked_kw, told_kw):
    state = rules.keep(fresh(), {"battery": kept})
    assert cycle(state, 0, full(1, 0, battery=asked_kw))[1].told == {"battery": told_kw}


def test_r10_a_stop_is_told_in_the_next_turn_without_a_frame_and_kept_up_without_a_worker():
    state, _ = cycle(fresh(), 0, full(1, 0, pv=-40, charger=11))
    state, seen = cycle(stopped("pv", state=state), 1)
    assert seen.told == {"pv": 0}
    told = {}
    for at_s in range(2, 61):  # pv would fall back to -10 kW when its lease of 15 s ended
        state, seen = cycle(state, at_s)
        told |= {at_s: seen.told["pv"]} if "pv" in seen.told else {}
    assert list(told.values()) == [0.0] * len(told)
    assert [later - sooner for sooner, later in zip([1, *told], told, strict=False)] == [5] * len(told)


def test_r10_a_restarted_dispatch_stops_what_nobody_speaks_of():
    state = stopped("pv", state=fresh(in_failsafe=True))
    play(state, [(0, None, "", (), {"pv": 0}), (1, None, "", (), {}), (5, None, "", (), {"pv": 0})])


def test_r17_a_revert_does_not_start_a_stopped_asset_again():
    state, _ = cycle(stopped("pv"), 0, full(1, 0, pv=-40, charger=11))
    state, seen = cycle(state, 1, "revert")
    for at_s in range(2, 8):
        state, seen = cycle(state, at_s)
        assert seen.told.get("pv", 0) == 0


def test_what_is_no_longer_stopped_is_told_what_the_frame_in_force_asks():
    state, _ = cycle(stopped("battery"), 0, full(1, 0, battery=20))
    state, seen = cycle(rules.keep(state, {}), 1, renewal(2, 1, of=1))
    assert seen.told == {"battery": 20}


def test_an_override_of_another_grid_loops_asset_changes_nothing():
    assert rules.keep(fresh(), {"elsewhere": STOPPED}).kept == {}


kept_assets = st.dictionaries(st.sampled_from(list(RULES)), st.sampled_from([STOPPED, HELD, LOW]))
events = st.one_of(
    st.fixed_dictionaries({name: st.floats(-200, 200) for name in RULES}),
    st.sampled_from(["revert", None]),
    kept_assets,
)


@given(events=st.lists(st.tuples(st.integers(1, 30), events), max_size=12), in_failsafe=st.booleans())
def test_r10_in_any_order_of_frames_reverts_silence_and_overrides_nothing_is_told_beyond_one(events, in_failsafe):
    state, at_s, kept = fresh(in_failsafe=in_failsafe), 0, {}
    for number, (passes_s, event) in enumerate(events, start=1):
        at_s += passes_s
        frame = event if event in ("revert", None) else None
        match event:
            case {"pv": float(), **powers_kw}:
                frame = full(number, at_s, pv=event["pv"], **powers_kw)
            case dict():
                kept = event
                state = rules.keep(state, kept)
        state, seen = cycle(state, at_s, frame)
        for asset_id, power_kw in seen.told.items():
            if asset_id in kept:
                assert math.isclose(kept[asset_id].towards_rest(power_kw), power_kw)
        assert kept.keys() <= state.told.keys()
