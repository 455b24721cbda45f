"""One grid loop's batteries over days, on the small park: what is measured becomes a place to be."""

from dataclasses import replace

import numpy as np
import pytest

from hub.quarters import QUARTER_US
from streams.battery_targets import BatteryTargets
from streams.budgets import Interval
from streams.plant import build_plant
from tests.streams.small_park import FACTORY, OFFICE, small_hub

PLANT = build_plant(small_hub(), "north")
AT = {asset.id: at for at, asset in enumerate(PLANT.assets)}
SHARE = Interval(0.0, 150.0)
MONDAY = 4 * 96


def told_kw(targets, quarter, *, load_kw, sun_kw=0.0, soc_ratio=0.9, battery_kw=0.0, plant=PLANT):
    """Target of the battery; the load is the factory's, the sun the roof's, which makes all it can."""
    asset_kw, sun = np.zeros((2, len(plant.assets)))
    asset_kw[AT["battery"]], asset_kw[AT["roof"]], sun[AT["roof"]] = battery_kw, -sun_kw, sun_kw
    connection_kw = np.array([{FACTORY: load_kw + battery_kw, OFFICE: -sun_kw}[c.ean] for c in plant.connections])
    found = targets.target_kw(
        plant,
        node_kw=plant.sum_up(connection_kw),
        asset_kw=asset_kw,
        sun_kw=sun,
        soc_ratio=np.full(len(plant.assets), soc_ratio),
        share=SHARE,
        now_us=quarter * QUARTER_US,
    )
    return float(found[0])


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


def test_while_the_loop_feeds_in_nothing_leaves_a_battery():
    targets, morning = after_a_day(sun_kw=100)
    assert told_kw(targets, morning, load_kw=10, sun_kw=30) == 0


def test_a_charge_that_is_not_known_moves_nothing():
    targets, morning = after_a_day(sun_kw=100)
    assert told_kw(targets, morning, load_kw=60, soc_ratio=np.nan) == 0


def test_another_limit_is_planned_for_at_once():
    """The loop draws 60 kW; a limit of 30 kW makes a reserve of it, charged from what its share still leaves."""
    targets, morning = after_a_day(sun_kw=0)
    tight = tuple(replace(b, quarter_kw=30.0) if b.imports and b.node == 0 else b for b in PLANT.bounds)
    assert told_kw(targets, morning, load_kw=60, soc_ratio=0.1) == 0
    assert told_kw(targets, morning, load_kw=60, soc_ratio=0.1, plant=replace(PLANT, bounds=tight)) > 10


def test_a_loop_without_batteries_has_no_targets():
    south = build_plant(small_hub(), "south")
    found = BatteryTargets(south).target_kw(
        south,
        node_kw=np.zeros(len(south.node_ids)),
        asset_kw=np.zeros(len(south.assets)),
        sun_kw=np.zeros(len(south.assets)),
        soc_ratio=np.full(len(south.assets), np.nan),
        share=SHARE,
        now_us=0,
    )
    assert found.shape == (0,)
