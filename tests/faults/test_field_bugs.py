"""Bugs that others had in the field, and the tests that keep them out of here: a table of contents.

What was seen there, then the tests that would see it here; those without a file are in this one.

failsafe expiry became "unlimited"
    tests/connectors/simulator/test_leases.py::test_R3_when_its_lease_ends_a_device_goes_to_its_reversion_value
    tests/connectors/simulator/test_lease_end.py::test_R3_at_the_end_of_a_lease_zero_export_is_not_broken_on_the_way_to_reversion
a limit without a duration expired at the next tick
    test_a_limit_without_an_end_holds_in_the_next_tick_and_a_year_later
failsafe applied the last limit instead of the configured one
    test_what_a_device_falls_back_to_is_the_folders_value_whatever_it_was_told_last
start-up wiped the inverter's own static feed-in limit
    test_dispatch_that_starts_tells_devices_nothing
    tests/connectors/simulator/test_photovoltaics.py::test_R15_its_own_static_limit_is_never_exceeded
one stale meter blocked everything
    tests/streams/test_estimate.py::test_r6_one_dead_meter_or_device_changes_nothing_but_the_nodes_above_it
the grid meter was lost and cars kept charging at full current
    tests/faults/test_virtual_faults.py::test_R7_a_meter_lost_at_95_percent_load_lets_nothing_above_the_limit
    tests/streams/test_station.py::test_r7_a_meter_that_is_not_heard_ends_the_lending_until_it_is_back
negative limits were accepted
    tests/hub/test_folder.py::test_a_spoilt_cell_is_refused_where_it_stands
    tests/hub/test_limit_checks.py::test_r14_a_block_that_means_nothing_says_why
failsafe was left on a bare heartbeat
    test_heartbeats_alone_bring_no_device_out_of_failsafe
    tests/connectors/dispatch/test_rules.py::test_R12_a_decision_on_old_telemetry_brings_nothing_out_of_failsafe
"0 W" of a dead roof meter was believed by the export guard
    tests/streams/test_estimate.py::test_pv_that_is_not_heard_counts_as_nothing_for_import_and_in_full_for_export
a driver republished frozen values with fresh timestamps
    tests/streams/test_disbelief.py::test_a_driver_that_republishes_frozen_values_with_fresh_timestamps_is_caught_within_a_minute
    tests/streams/test_adding_up.py::test_a_connection_whose_driver_repeats_its_last_values_is_contradicted_by_its_feeder
values were frozen for 39 minutes
    tests/streams/test_disbelief.py::test_values_that_were_frozen_for_39_minutes_are_not_believed_from_when_they_froze
an endless loop where the minimum was 0
    test_a_tick_ends_where_every_minimum_is_0_and_nothing_is_allowed
an undefined meter made the controller throw
    test_whichever_meter_is_undefined_every_asset_is_told_something
a gap of 4 s between two schedules dipped to the default limit
    tests/hub/test_limits.py::test_a_gap_of_some_seconds_between_two_blocks_holds_the_tighter_one
    tests/hub/test_limits.py::test_a_right_does_not_dip_between_two_of_its_blocks
a station split its limit per connector instead of sharing it
    test_chargers_share_a_limit_and_one_that_is_alone_takes_all_of_it
a battery's hold silently expired after an hour
    test_a_battery_that_is_held_is_held_for_ever
    test_a_setpoint_that_is_renewed_for_two_hours_stays_in_force
no schedule at all where hard limits contradict each other
    test_limits_that_contradict_each_other_still_give_every_asset_a_setpoint
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.dispatch import rules
from connectors.simulator.leases import fresh_leases, told
from connectors.simulator.wire import Write
from hub.limits import StatedLimit, effective_limit, limit_book
from hub.model import Judged, LimitLayer
from hub.overrides import Override, OverrideKind, kept_by
from hub.time_blocks import TimeBlock
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from tests.connectors.dispatch.lease_tables import RULES, cycle, fresh, full, renewal
from tests.connectors.simulation.simulated import session
from tests.faults.test_virtual_faults import born
from tests.streams.small_park import BAKERY, PLAZA, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub

ROOT = Path(__file__).parents[2]
YEAR_S = 365 * 86_400
CAP = StatedLimit(
    node="north", id="cap", layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT,
    blocks=(TimeBlock(import_kw=45.0, export_kw=None),), from_us=QUARTER_START_US, until_us=None, who="els",
    why="works on the cable", source="letter 12",
)  # fmt: skip
FEEDERS_AND_ALL = sorted(north_kw())


def test_the_table_of_contents_names_tests_that_there_are():
    for line in __doc__.splitlines():
        file, _, name = line.strip().rpartition("::")
        if name.startswith("test_"):
            assert f"def {name}(" in (ROOT / (file or Path(__file__).relative_to(ROOT))).read_text(encoding="utf-8"), (
                line
            )


@pytest.mark.parametrize("later_s", [0, 1, 60, 3_600, YEAR_S])
def test_a_limit_without_an_end_holds_in_the_next_tick_and_a_year_later(later_s):
    at_us = CAP.from_us + later_s * SECOND_US
    book = limit_book(small_hub(), [CAP])
    assert effective_limit(book, "north", imports=True, at_us=at_us).now.kw == 45.0


def test_what_a_device_falls_back_to_is_the_folders_value_whatever_it_was_told_last():
    for told_kw in (-100.0, -37.0, 0.0):
        state, _ = cycle(fresh(), 0.0, full(1, 0, pv=told_kw))
        _, seen = cycle(state, 30.0)
        assert seen.told == {"pv": RULES["pv"].reversion_kw}
    leases, _ = told(fresh_leases(1), [Write("pv", -37.0, 15.0)], index={"pv": 0}, now_s=0.0)
    obeyed_kw, ended = leases.obeyed_kw(fresh_leases(1).setpoint_kw - 10.0, 15.0)
    assert (obeyed_kw.tolist(), ended.tolist()) == ([-10.0], [True])


@pytest.mark.parametrize("in_failsafe", [True, False])
def test_dispatch_that_starts_tells_devices_nothing(in_failsafe):
    state = fresh(in_failsafe=in_failsafe)
    for second in range(600):
        state, seen = cycle(state, float(second))
        assert seen.told == {}


def test_heartbeats_alone_bring_no_device_out_of_failsafe():
    state, _ = cycle(fresh(), 0.0, full(1, 0, pv=-40, charger=5, battery=20))
    state, _ = cycle(state, 1.0, "revert")
    for second in range(2, 900):
        state, seen = cycle(state, float(second), renewal(second, second, of=1))
        assert seen.outcome == "unknown_renewal"
        assert all(power_kw == RULES[asset].reversion_kw for asset, power_kw in seen.told.items())
    assert state.failsafe == RULES.keys()


def north(hub=None, *powers_kw):
    loop = GridLoop(hub or small_hub(), "north")
    loop.begin(Epoch(1, 1, 1))
    for power_kw in powers_kw:
        loop.fold(frame(QUARTER_START_US, power_kw), received_at_us=QUARTER_START_US)
    return loop


def assert_complete(balanced):
    """Every asset is told a power that it can do."""
    setpoints = dict(zip(balanced.setpoints.ids, balanced.setpoints.power_kw, strict=True))
    assert setpoints.keys() == {"battery", "roof"}
    assert all(-100.0 <= power_kw <= 100.0 for power_kw in setpoints.values())


def test_a_tick_ends_where_every_minimum_is_0_and_nothing_is_allowed():
    hub = small_hub()
    assets = tuple(replace(asset, min_kw=0.0, max_kw=0.0, rated_kw=0.0) for asset in hub.assets)
    limits = tuple(replace(limit, import_kw=0.0, export_kw=0.0) for limit in hub.limits)
    assert_complete(
        north(replace(hub, assets=assets, limits=limits), north_kw()).balance(tick=1, now_us=QUARTER_START_US)
    )


@pytest.mark.parametrize("missing", FEEDERS_AND_ALL)
@pytest.mark.parametrize("power_kw", [None, math.nan], ids=["never said", "not a number"])
def test_whichever_meter_is_undefined_every_asset_is_told_something(missing, power_kw):
    heard = {point: power_kw if point == missing else kw for point, kw in north_kw().items()}
    loop = north(
        None, heard if power_kw is not None else {point: kw for point, kw in heard.items() if point != missing}
    )
    assert_complete(loop.balance(tick=1, now_us=QUARTER_START_US))


def test_chargers_share_a_limit_and_one_that_is_alone_takes_all_of_it():
    """60 kW for the section of two chargers of 50 kW; the plaza itself takes 10 kW."""
    hub = small_hub()
    second = replace(hub.assets[2], id="charger-2")
    limits = tuple(replace(limit, import_kw=60.0) if limit.node == "south-1" else limit for limit in hub.limits)
    hub = replace(hub, assets=(*hub.assets, second), limits=limits)
    cars = [
        session("charger", from_min=-1, to_min=60, kwh=60, max_kw=50),
        session("charger-2", from_min=1, to_min=60, kwh=60, max_kw=50),
    ]
    life = born({PLAZA: 10.0, BAKERY: 20.0}, hub=hub, minutes=10, sessions=cars)
    life.turn(55)
    assert life.power_kw("charger") == pytest.approx(50, abs=1)
    life.turn(65)
    both_kw = [life.power_kw(name) for name in ("charger", "charger-2")]
    assert sum(both_kw) == pytest.approx(50, abs=2)
    assert min(both_kw) > 15
    assert life.crossings() == []


def test_a_battery_that_is_held_is_held_for_ever():
    battery = small_hub().assets[0]
    hold = Override(asset=battery.id, kind=OverrideKind.HOLD, power_kw=30.0, until_us=None, who="els", why="test")
    for later_s in (0, 3_599, 3_600, 3_601, YEAR_S):
        kept = kept_by(battery, hold, at_us=QUARTER_START_US + later_s * SECOND_US)
        assert (kept.min_kw, kept.max_kw) == (30.0, 30.0)


def test_a_setpoint_that_is_renewed_for_two_hours_stays_in_force():
    state, _ = cycle(fresh(), 0.0, full(1, 0, battery=0.0))
    for second in range(1, 7_200):
        state, seen = cycle(state, float(second), renewal(1 + second, second, of=1))
        assert (seen.outcome, seen.reverted) == ("renewed", ())
    assert state.targets == {"battery": 0.0}
    assert rules.expire(state, 7_200.0)[1] == ()


def test_limits_that_contradict_each_other_still_give_every_asset_a_setpoint():
    """The loop may draw nothing, the factory may feed in nothing, and the office draws 40 kW."""
    nothing = replace(small_hub().limits[1], node="north", import_kw=0.0, export_kw=None)
    hub = replace(small_hub(), limits=(*small_hub().limits, nothing))
    balanced = north(hub, north_kw(factory=80.0, office=40.0)).balance(tick=1, now_us=QUARTER_START_US)
    assert_complete(balanced)
    assert "north" in {violation.node for violation in balanced.state.violations}
