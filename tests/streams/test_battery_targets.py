"""One grid loop's batteries over days, on the small park: what is measured becomes a place to be."""

from dataclasses import replace

import numpy as np
import pytest

from hub.quarters import QUARTER_US
from streams.battery_targets import BatteryTargets, Seen
from streams.bounds import BoundRows
from streams.budgets import Interval
from streams.estimate import Span
from streams.messages import Reason
from streams.plant import build_plant
from tests.streams.small_park import FACTORY, OFFICE, small_hub

PLANT = build_plant(small_hub(), "north")
AT = {asset.id: at for at, asset in enumerate(PLANT.assets)}
SHARE = Interval(0.0, 150.0)
MONDAY = 4 * 96


def wished(targets, quarter, *, load_kw, sun_kw=0.0, made_kw=None, soc_ratio=0.9, battery_kw=0.0, plant=PLANT):
    """Target of the battery, and why; the load is the factory's, the sun the roof's, which makes it all or `made_kw`."""
    made_kw = sun_kw if made_kw is None else made_kw
    asset_kw, sun = np.zeros((2, len(plant.assets)))
    asset_kw[AT["battery"]], asset_kw[AT["roof"]], sun[AT["roof"]] = battery_kw, -made_kw, sun_kw
    connection_kw = np.array([{FACTORY: load_kw + battery_kw, OFFICE: -made_kw}[c.ean] for c in plant.connections])
    node_kw = plant.sum_up(connection_kw)
    seen = Seen(
        node=Span(low_kw=node_kw, high_kw=node_kw),
        asset_kw=asset_kw,
        sun_kw=sun,
        soc_ratio=np.full(len(plant.assets), soc_ratio),
        now_us=quarter * QUARTER_US,
    )
    found = targets.wishes(plant, seen, share=SHARE)
    assert found.places.tolist() == [AT["battery"]]
    return float(found.power_kw[0]), found.reason[0]


def told_kw(targets, quarter, **seen):
    return wished(targets, quarter, **seen)[0]


def after_a_day(*, sun_kw):
    """A loop that lived through a Monday with so much sun from 10 to 14 h; and 9:30 h on Tuesday."""
    targets = BatteryTargets(PLANT)
    for quarter in range(96):
        told_kw(targets, MONDAY + quarter, load_kw=60, sun_kw=sun_kw if 40 <= quarter < 56 else 0.0)
    return targets, MONDAY + 96 + 38


def test_after_a_day_with_surplus_a_full_battery_makes_room_before_the_next():
    targets, morning = after_a_day(sun_kw=100)
    assert told_kw(targets, morning, load_kw=60) < -20


def test_after_a_day_without_surplus_it_stays_full():
    targets, morning = after_a_day(sun_kw=0)
    assert told_kw(targets, morning, load_kw=60) == 0


@pytest.mark.parametrize("battery_kw", [-50.0, 0.0, 80.0])
def test_what_the_battery_does_itself_is_no_import_and_no_export(battery_kw):
    targets, morning = after_a_day(sun_kw=100)
    expected_kw = told_kw(targets, morning, load_kw=20)
    assert expected_kw == pytest.approx(-18)
    assert told_kw(targets, morning, load_kw=20, battery_kw=battery_kw) == pytest.approx(expected_kw)


@pytest.mark.parametrize("made_kw", [30, 0])
def test_while_the_loop_feeds_in_or_could_nothing_leaves_a_battery(made_kw):
    """A roof that is held down for want of room would be held down the more."""
    targets, morning = after_a_day(sun_kw=100)
    assert told_kw(targets, morning, load_kw=10, sun_kw=30, made_kw=made_kw) == 0


REASONS = [
    pytest.param({"load_kw": 60, "soc_ratio": 0.9}, Reason.MAKES_ROOM, id="too full, and the loop draws"),
    pytest.param({"load_kw": -5, "soc_ratio": 0.9}, Reason.WAITS_FOR_IMPORT, id="too full, and the loop feeds in"),
    pytest.param({"load_kw": 60, "soc_ratio": 0.1}, Reason.FILLS_RESERVE, id="too empty, and there is headroom"),
    pytest.param({"load_kw": 160, "soc_ratio": 0.1}, Reason.WAITS_FOR_HEADROOM, id="too empty, and there is none"),
    pytest.param({"load_kw": 60, "soc_ratio": 0.4}, Reason.TARGET, id="in between"),
    pytest.param({"load_kw": 60, "soc_ratio": np.nan}, Reason.TARGET, id="its charge is not known"),
]


@pytest.mark.parametrize(("seen", "reason"), REASONS)
def test_a_new_worker_goes_by_the_time_of_day_and_says_why_a_battery_moves_or_waits(seen, reason):
    assert wished(BatteryTargets(PLANT), MONDAY + 2, **seen)[1] is reason


def test_targets_move_in_steps_that_a_device_is_told():
    found = {told_kw(BatteryTargets(PLANT), MONDAY, load_kw=60, soc_ratio=soc) for soc in np.arange(0.85, 0.86, 1e-4)}
    assert found == {-10.0, -11.0, -12.0, -13.0}


def test_a_charge_that_is_not_known_moves_nothing():
    targets, morning = after_a_day(sun_kw=100)
    assert told_kw(targets, morning, load_kw=60, soc_ratio=np.nan) == 0


def test_another_limit_is_planned_for_at_once():
    """The loop draws 60 kW; a limit of 30 kW makes a reserve of it, charged from what its share still leaves."""
    targets, morning = after_a_day(sun_kw=0)
    tight = BoundRows(replace(b, quarter_kw=30.0) if b.imports and b.node == 0 else b for b in PLANT.bounds)
    assert told_kw(targets, morning, load_kw=60, soc_ratio=0.1) == 0
    assert told_kw(targets, morning, load_kw=60, soc_ratio=0.1, plant=replace(PLANT, bounds=tight)) > 10


def test_a_battery_without_power_or_energy_is_asked_nothing():
    hub = small_hub()
    none = {"rated_kw": 0.0, "min_kw": 0.0, "max_kw": 0.0, "energy_kwh": 0.0}
    assets = tuple(replace(asset, **none) if asset.id == "battery" else asset for asset in hub.assets)
    plant = build_plant(replace(hub, assets=assets), "north")
    assert told_kw(BatteryTargets(plant), MONDAY, load_kw=60, plant=plant) == 0


def test_a_loop_without_batteries_has_no_targets():
    south = build_plant(small_hub(), "south")
    nowhere = np.zeros(len(south.node_ids))
    nothing = np.zeros(len(south.assets))
    seen = Seen(
        node=Span(low_kw=nowhere, high_kw=nowhere), asset_kw=nothing, sun_kw=nothing, soc_ratio=nothing, now_us=0
    )
    found = BatteryTargets(south).wishes(south, seen, share=SHARE)
    assert (found.power_kw.tolist(), found.reason) == ([], ())


def test_what_a_loop_has_seen_outlives_a_moved_open_point_but_for_nodes_that_carry_others_now():
    """The office moves to the factory's arm, whose sun is a surprise then; the loop's own day is remembered."""
    targets, morning = after_a_day(sun_kw=100)
    hub = small_hub()
    moved = replace(hub, grid_loops=tuple(replace(loop, open_after=2) for loop in hub.grid_loops))
    plant = build_plant(moved, "north")
    assert plant.node_ids != PLANT.node_ids or plant.parent.tolist() != PLANT.parent.tolist()
    assert told_kw(targets.laid_out(plant), morning, load_kw=60, plant=plant) < -20
    assert told_kw(BatteryTargets(plant), morning, load_kw=60, plant=plant) == 0
