"""Faults in the closed loop: what the devices and the grid loops make of them."""

import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.second_run import park_of
from tests.connectors.simulation.simulated import plan_of, session
from tests.streams.small_park import BAKERY, FACTORY, OFFICE

SUNNY = {FACTORY: 10.0, OFFICE: 10.0, BAKERY: 20.0, "roof": -90.0}
ALL_TIME = "@2026-06-21T12:00Z/10min"


def lived(columns, *, seconds, faults=(), **changes):
    plan = plan_of(columns, minutes=10, faults=[f"{fault}{ALL_TIME}" for fault in faults], **changes)
    loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
    return loop, [loop.turn() for _ in range(seconds)]


def power_kw(loop, asset):
    return loop.state.asset_w[loop.devices.index[asset]] / 1000


def test_with_sun_to_spare_the_battery_takes_it_and_nothing_leaves_the_park():
    loop, _ = lived(SUNNY, seconds=30)
    assert power_kw(loop, "battery") == pytest.approx(50, abs=1)
    assert power_kw(loop, "roof") == pytest.approx(-90, abs=0.1)


def test_a_battery_that_ignores_its_setpoints_is_counted_out_and_pv_gives_way():
    loop, seconds = lived(SUNNY, seconds=40, faults=["device-ignores:battery"])
    assert power_kw(loop, "battery") == 0
    assert power_kw(loop, "roof") == pytest.approx(-40, abs=1)
    assert "not_following" in {reason for second in seconds for frame in second.setpoints for reason in frame.reason}


def test_a_late_device_obeys_five_seconds_after_the_others():
    cars = [session("charger", from_min=-1, to_min=60, kwh=30, max_kw=50)]
    moved = {}
    for fault in ("", "device-late:charger"):
        plan = plan_of({BAKERY: 20.0}, minutes=10, sessions=cars, faults=[f"{fault}{ALL_TIME}"] if fault else [])
        loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
        moved[fault] = next(second for second in range(1, 30) if loop.turn() and power_kw(loop, "charger") > 10)
    assert moved["device-late:charger"] - moved[""] == 5


def test_after_a_cold_start_devices_come_back_one_by_one_and_not_at_once():
    plan = plan_of(SUNNY, minutes=2)
    made_kw = {}
    for in_failsafe in (False, True):
        loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults, in_failsafe=in_failsafe)
        made_kw[in_failsafe] = [power_kw(loop, "roof") for _ in range(20) if loop.turn()]
    assert made_kw[False][3] == -90.0
    assert made_kw[True][:3] == [0.0, 0.0, 0.0]  # the hold and storage come first (R12)
    assert made_kw[True][-1] == pytest.approx(-90.0, abs=1)


def test_a_silent_gateway_sends_its_own_loop_home_and_no_other():
    loop, _ = lived(SUNNY, seconds=15, faults=["gateway-silent:south"])
    assert {name: cycle.state.mode for name, cycle in loop.cycles.items()} == {"north": "closed", "south": "fallback"}


def test_frames_that_come_after_the_decision_are_used_in_the_next_one():
    at_once, _ = lived(SUNNY, seconds=3)
    late, _ = lived(SUNNY, seconds=3, delay_us=400_000)
    known_us = [loop.cycles["north"].state.folded_until_us for loop in (at_once, late)]
    assert known_us[0] - known_us[1] == 1_000_000


def test_a_worker_that_takes_over_writes_under_a_higher_epoch_which_dispatch_accepts():
    plan = plan_of(SUNNY, minutes=1, faults=["worker-gap@2026-06-21T12:00:05Z/3s"])
    loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
    seconds = [loop.turn() for _ in range(12)]
    assert [len(second.setpoints) for second in seconds] == [2] * 5 + [0] * 3 + [2] * 4
    epochs = [second.setpoints[0].epoch.generation for second in seconds if second.setpoints]
    assert epochs == [1] * 5 + [2] * 4
    assert {result.outcome for second in seconds for result in second.results} == {"accepted"}
