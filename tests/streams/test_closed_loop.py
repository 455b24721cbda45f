"""The park in virtual time, all controllers together: what an operator would watch for."""

import numpy as np
import pytest

from hub.model import STATION
from streams.messages import Reason
from tests.streams.virtual_park import SECOND_US, Park

SETTLED_S = 15


def test_in_five_sunny_minutes_nothing_leaves_the_park_and_pv_is_curtailed_only_for_what_batteries_cannot_take():
    park = Park("sunny-noon").turn(60)
    assert park.kind_kw(park.plant.battery_at) > 300
    assert park.state.curtailed_w.sum() / 1000 < 5
    park.turn(240)
    assert min(park.power_kw[SETTLED_S:]) >= 0
    could_kw = park.state.max_kw[park.plant.battery_at].sum()
    assert park.kind_kw(park.plant.battery_at) > 0.99 * could_kw
    assert park.state.curtailed_w.sum() / 1000 > 100


def test_on_a_winter_evening_the_quarter_stays_under_its_limit_and_no_sawtooth_marks_its_end():
    park = Park("winter-evening", into_quarter_s=0).turn(5)
    assert park.kind_kw(park.plant.charger_at) < park.state.max_kw[park.plant.charger_at].sum() / 2
    park.turn(894)
    assert 3300 < park.clearing.state.nodes.quarter_import_kw[0] <= 3400
    park.turn(20)
    assert max(park.power_kw[SETTLED_S:]) <= 3740
    assert min(park.power_kw[SETTLED_S:]) > 3200


def test_a_boundary_meter_read_a_second_late_does_not_make_the_park_swing():
    park = Park("sunny-noon", lag=1).turn(120)
    assert np.ptp(park.power_kw[-60:]) < 60
    assert min(park.power_kw[SETTLED_S:]) >= 0


def test_clouds_pass_without_export():
    park = Park("cloudy").turn(240)
    assert min(park.power_kw[SETTLED_S:]) >= 0


def test_a_loop_whose_meters_are_silent_from_the_start_sends_its_assets_home():
    park = Park("sunny-noon", deaf=frozenset({"lus-1"})).turn(10)
    cycle = park.cycles["lus-1"]
    assert cycle.state.mode == "fallback"
    rules = {asset.id: asset.reversion_kw for asset in park.loops["lus-1"].plant.assets}
    assert all(
        obeyed == rules[asset] for asset, obeyed in zip(rules, park.obeyed_kw[[park.at[a] for a in rules]], strict=True)
    )
    assert park.cycles["lus-2"].state.mode == "closed"


def test_without_a_boundary_meter_nobody_gets_a_budget_and_loops_keep_to_their_fallback_shares():
    park = Park("sunny-noon", deaf=frozenset({STATION})).turn(10)
    assert park.clearing.budgets == ()
    assert park.clearing.state.mode == "fallback"
    for loop in park.loops.values():
        assert loop.held.interval(now_us=park.now_us) == loop.held.fallback


def test_a_loop_that_falls_silent_goes_on_sending_frames_but_sends_its_assets_home():
    park = Park("sunny-noon").turn(30)
    park.deaf = frozenset({"lus-3"})
    park.turn(8)
    cycle = park.cycles["lus-3"]
    assert (cycle.setpoints.sequence, cycle.state.mode) == (38, "fallback")
    assert cycle.state.folded_until_us == park.now_us - 9 * SECOND_US


@pytest.mark.parametrize(
    ("scenario", "reason"), [("sunny-noon", Reason.EXPORT_LIMIT), ("winter-evening", Reason.IMPORT_LIMIT)]
)
def test_a_setpoint_that_the_park_decides_says_so(scenario, reason):
    park = Park(scenario).turn(12)
    told = {(why, node) for cycle in _full_frames(park) for why, node in zip(cycle.reason, cycle.binding, strict=True)}
    assert (reason, "park") in told


def _full_frames(park):
    """Frames of the next ten ticks that are full."""
    frames = []
    for _ in range(10):
        park.turn()
        frames += [cycle.setpoints for cycle in park.cycles.values() if cycle.setpoints.full]
    return frames
