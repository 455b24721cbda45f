"""Assets that somebody stopped, holds or keeps low: told so in the next tick, and counted at what they can do (R10)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.overrides import Override, OverrideKind, check_override, kept_by
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from tests.streams.small_park import (
    FACTORY,
    QUARTER_START_US,
    SECOND_US,
    STALE_AFTER_S,
    frame,
    north_kw,
    small_hub,
    south_kw,
)
from tests.streams.test_setpoint_reasons import cycle_of, told

SMALL = small_hub()
HUB = replace(SMALL, assets=tuple(replace(a, reversion_kw=6.0) if a.id == "charger" else a for a in SMALL.assets))
"""The small park with a charger that falls back to 6 kW."""
ASSETS = {asset.id: asset for asset in HUB.assets}
NOW_US = QUARTER_START_US


def kept(asset, kind, power_kw=None):
    override = Override(asset=asset, kind=OverrideKind(kind), power_kw=power_kw, until_us=None, who="els", why="test")
    return {asset: kept_by(ASSETS[asset], override, at_us=NOW_US)}


def loop_of(name, *overrides, hub=HUB):
    loop = GridLoop(hub, name)
    loop.begin(Epoch(1, 1, 1))
    loop.take_overrides({asset: each for override in overrides for asset, each in override.items()})
    return loop


@pytest.mark.parametrize(
    ("override", "powers_kw", "battery", "roof"),
    [
        pytest.param(kept("battery", "stop"), {"factory": 230.0, "office": -60.0}, (0.0, "override", ""), None,
                     id="a stopped battery does not help a contract that binds"),
        pytest.param(kept("battery", "stop"), {"factory": 30.0, "roof": -100.0}, (0.0, "override", ""),
                     (-70.0, "export_limit", "park"), id="nor take the sun: the roof gives way"),
        pytest.param(kept("battery", "hold", 40.0), {"factory": 180.0, "battery": 40.0}, (40.0, "override", ""), None,
                     id="a battery that is held charges on above the contract"),
        pytest.param(kept("battery", "at_most", 20.0), {"factory": 230.0, "office": -60.0},
                     (-20.0, "import_limit", None), None, id="one that is kept low helps so far"),
        pytest.param(kept("roof", "at_most", 30.0), {"roof": -20.0}, (0.0, "target", ""), (-30.0, "override", ""),
                     id="a roof that nothing binds is free only so far"),
        pytest.param(kept("roof", "out_of_service"), {"roof": -20.0}, (0.0, "target", ""), (0.0, "override", ""),
                     id="a roof out of service makes nothing"),
    ],
)  # fmt: skip
def test_r10_an_override_moves_its_asset_in_the_next_tick_and_no_limit_moves_it_out(override, powers_kw, battery, roof):
    cycle = cycle_of(loop_of("north", override), north_kw(**powers_kw))
    rows = told(cycle)
    assert rows["battery"][:2] == battery[:2]
    assert battery[2] in (None, rows["battery"][2])
    assert roof is None or rows["roof"] == roof


def test_r21_what_an_override_keeps_from_being_kept_is_said():
    cycle = cycle_of(loop_of("north", kept("battery", "hold", 40.0)), north_kw(factory=180.0, battery=40.0))
    assert (FACTORY, "import", "contract") in [(v.node, v.direction, v.layer) for v in cycle.state.violations]


def test_an_asset_that_was_stopped_is_free_again_when_that_ends():
    loop = loop_of("north", kept("battery", "stop"))
    assert told(cycle_of(loop, north_kw(factory=230.0, office=-60.0)))["battery"][0] == 0
    loop.take_overrides({})
    assert told(cycle_of(loop, north_kw(factory=230.0, office=-60.0), second=1))["battery"][0] < 0


def test_an_offer_that_was_made_before_a_stop_is_not_balanced_on():
    loop = loop_of("north")
    loop.fold(frame(NOW_US, north_kw(factory=230.0, office=-60.0)), received_at_us=NOW_US)
    before = loop.offer(tick=0, now_us=NOW_US)
    loop.take_overrides(kept("battery", "stop"))
    after = loop.offer(tick=0, now_us=NOW_US)
    assert min(before.curve.power_kw) < min(after.curve.power_kw)


def without_feeder(powers_kw):
    return {point: power_kw for point, power_kw in powers_kw.items() if point not in ("south/a", "north/a")}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param({}, (6.0, "fallback"), id="none: its reversion value"),
        pytest.param(kept("charger", "stop"), (0.0, "override"), id="a stopped charger stays stopped"),
        pytest.param(kept("charger", "at_most", 4.0), (4.0, "override"), id="one that is kept low stays low"),
        pytest.param(kept("charger", "hold", 30.0), (6.0, "fallback"), id="one that is held lets go"),
        pytest.param(kept("charger", "hold", 3.0), (3.0, "override"), id="but never for more"),
    ],
)
def test_r7_without_a_feeder_meter_an_asset_goes_home_no_further_from_rest_than_its_override(override, expected):
    cycle = cycle_of(loop_of("south", override), without_feeder(south_kw(charger=5.0)))
    assert told(cycle)["charger"][:2] == expected


def test_r7_a_battery_that_is_held_at_discharging_lets_go_likewise():
    cycle = cycle_of(loop_of("north", kept("battery", "hold", -40.0)), without_feeder(north_kw(battery=-40.0)))
    assert told(cycle)["battery"][:2] == (0.0, "fallback")


def room_of(loop, *, second):
    return loop._boxes(loop._look(tick=second, now_us=NOW_US + second * SECOND_US).known)


def test_r6_a_stopped_charger_that_is_not_heard_counts_at_its_reversion_value_too():
    loop = loop_of("south", kept("charger", "stop"))
    loop.fold(frame(NOW_US, south_kw()), received_at_us=NOW_US)
    assert room_of(loop, second=1).unseen_kw.tolist() == [0.0]
    silent = room_of(loop, second=round(STALE_AFTER_S) + 2)
    assert (silent.max_kw.tolist(), silent.unseen_kw.tolist()) == ([0.0], [6.0])


def test_r16_a_stopped_charger_that_goes_on_charging_is_counted_and_still_told_to_stop():
    loop = loop_of("south", kept("charger", "stop"))
    for second in range(8):
        cycle_of(loop, south_kw(charger=50.0), second=second)
        assert loop._writer.last.power_kw == (0.0,)
        assert loop._writer.last.reason == ("override",)
    assert loop._following.idle.all()
    assert room_of(loop, second=8).max_kw.tolist() == [50.0]


overrides = st.fixed_dictionaries(
    {
        name: st.none()
        | st.builds(
            Override, asset=st.just(name), kind=st.sampled_from(OverrideKind), power_kw=st.none() | st.floats(-100, 100),
            until_us=st.none(), who=st.just("els"), why=st.just("test"),
        ).filter(lambda each: not check_override(each, HUB))
        for name in ("battery", "roof")
    }
)  # fmt: skip
powers = st.fixed_dictionaries(
    {
        "factory": st.floats(0, 300), "office": st.floats(-50, 150), "battery": st.floats(-100, 100),
        "roof": st.floats(-100, 0),
    }
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(found=overrides, powers_kw=powers, unheard=st.sets(st.sampled_from(["battery", "roof", "north/a"])))
def test_r10_whatever_is_measured_or_silent_no_setpoint_is_further_from_rest_than_an_override_allows(
    found, powers_kw, unheard
):
    held = {name: kept_by(ASSETS[name], each, at_us=NOW_US) for name, each in found.items() if each is not None}
    loop = loop_of("north", held)
    heard = {point: kw for point, kw in north_kw(**powers_kw).items() if point not in unheard}
    loop.fold(frame(NOW_US, heard), received_at_us=NOW_US)
    cycle = loop.balance(tick=0, now_us=NOW_US)
    room = room_of(loop, second=0)
    assert (room.min_kw <= room.max_kw).all()
    for name, each in held.items():
        power_kw = told(cycle)[name][0]
        assert power_kw == pytest.approx(each.towards_rest(power_kw), abs=0.01)
        if not unheard:
            assert each.min_kw - 0.01 <= power_kw <= each.max_kw + 0.01
    rows = told(cycle)
    assert all(rows[name][1] != "override" for name in rows.keys() - held.keys())
