import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import AssetKind
from tests.connectors.simulator.park_words import FREE, SECOND_US, by_kind, kinds_kw, later, node_kw, of_kind


def test_R13_the_park_begins_at_its_reversion_values(park):  # noqa: N802 - rules are numbered so
    state = park.start()
    pv_w = of_kind(park, AssetKind.PV, state.asset_w)
    assert np.all(pv_w >= 1000 * of_kind(park, AssetKind.PV, park.reversion_kw) - 1)
    assert kinds_kw(park, state)["battery"] == 0
    assert state.registers.import_wh.sum() == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-400, 400), st.integers(1, 30)), min_size=1, max_size=5))
def test_a_parents_registers_are_the_sum_of_its_childrens(park, orders):
    state = park.start()
    for wanted_kw, seconds in orders:
        state = park.step(state, np.full(len(park.assets), wanted_kw), at_us=state.at_us + seconds * SECOND_US)
    net_uws = dict(zip(park.point_ids, state.registers.net_uws(), strict=True))
    loops = ["lus-1", "lus-2", "lus-3", "lus-4", "lus-5"]
    assert net_uws["park"] == sum(net_uws[grid_loop] for grid_loop in loops)
    for grid_loop in loops:
        assert net_uws[grid_loop] == net_uws[f"{grid_loop}/a"] + net_uws[f"{grid_loop}/b"]
    connections = park.network.node_ids[-park.network.below.shape[1] :]
    assert net_uws["park"] == sum(net_uws[ean] for ean in connections)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.integers(1, 20))
def test_R15_no_setpoint_moves_a_device_beyond_its_own_limits(park, wanted_kw, seconds):  # noqa: N802
    state = park.start()
    for value_kw in wanted_kw:
        state = park.step(state, np.full(len(park.assets), value_kw), at_us=state.at_us + seconds * SECOND_US)
        power_kw = state.asset_w / 1000
        assert np.all(power_kw >= [asset.min_kw for asset in park.assets])
        assert np.all(power_kw <= [asset.max_kw for asset in park.assets])


def test_no_battery_or_inverter_moves_faster_than_its_ramp(park):
    state = later(park, park.start(), by_kind(park, **FREE), seconds=30)
    for wanted_kw in (300.0, -300.0, 0.0):
        for _ in range(5):
            after = park.step(state, by_kind(park, battery=wanted_kw, pv=-1e6), at_us=state.at_us + SECOND_US)
            moved_kw = np.abs(of_kind(park, AssetKind.BATTERY, after.asset_w - state.asset_w)) / 1000
            assert np.all(moved_kw <= park.batteries.ramp_kw_per_s + 1e-3)
            state = after


def test_the_same_instant_brings_the_same_park(park):
    first = later(park, park.start(), by_kind(park, **FREE), seconds=20)
    again = later(park, park.start(), by_kind(park, **FREE), seconds=20)
    assert first.point_w.tolist() == again.point_w.tolist()


@pytest.mark.parametrize("kind", [AssetKind.BATTERY, AssetKind.PV, AssetKind.CHARGER])
def test_devices_report_the_range_they_are_in(park, kind):
    state = later(park, park.start(), by_kind(park, battery=100, **FREE), seconds=40)
    power_kw, least_kw, most_kw = (
        of_kind(park, kind, column) for column in (state.asset_w / 1000, state.min_kw, state.max_kw)
    )
    assert np.all(power_kw >= least_kw - 1e-3)
    # A battery that fills up is as far over as one second of charging lowers its limit.
    assert np.all(power_kw <= most_kw + 2)


def test_pv_reports_what_the_sun_would_give_while_it_is_curtailed(park):
    state = later(park, park.start(), by_kind(park, pv=-1), seconds=30)
    least_kw = of_kind(park, AssetKind.PV, state.min_kw)
    assert np.all(least_kw < -5)
    assert np.all(of_kind(park, AssetKind.PV, state.asset_w) == -1000)
    assert state.curtailed_w.sum() / 1000 == pytest.approx(-least_kw.sum() - 20, abs=0.1)


def test_loads_vary_in_seconds_and_keep_their_mean(park_in):
    park = park_in("winter-evening", load_ratio=1.0)
    state, powers_kw = park.start(), []
    for _ in range(900):
        state = park.step(state, by_kind(park), at_us=state.at_us + SECOND_US)
        powers_kw.append(node_kw(park, state, "park"))
    steps_kw = np.diff(powers_kw)
    assert np.mean(powers_kw) == pytest.approx(2_723, rel=0.03)
    assert 1 < np.std(steps_kw) < 20
    # White noise has a correlation of -0.5 between successive changes; machines and weather have nearly none.
    assert np.corrcoef(steps_kw[1:], steps_kw[:-1])[0, 1] > -0.2
