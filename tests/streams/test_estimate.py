"""Stale input becomes a bound by direction, never a value, and widens only what lies above it (R5, R6, R7)."""

import numpy as np
import pytest

from hub.model import AssetKind
from streams.limits import judged_bounds_kw
from tests.streams.virtual_park import SECOND_US, Park


@pytest.fixture
def loop():
    """lus-1 on a sunny noon after a minute, all meters fresh."""
    park = Park("sunny-noon").turn(60)
    controller = park.loops["lus-1"]
    controller.now_us = park.now_us - SECOND_US + 100_000
    return controller


def forget(loop, point, *, age_s):
    """The point was last heard `age_s` ago."""
    loop._points.at_us[loop._points.index[point]] = loop.now_us - age_s * SECOND_US


def node_at(loop, node):
    return loop.plant.node_ids.index(node)


def path(loop, node):
    above = []
    at = node_at(loop, node)
    while at >= 0:
        above.append(at)
        at = int(loop.plant.parent[at])
    return above


def test_on_fresh_meters_both_ends_are_equal_and_a_node_is_the_sum_of_what_lies_below(loop):
    known = loop._look(loop.now_us)
    np.testing.assert_allclose(known.power.low_kw, known.power.high_kw)
    eans = loop.plant.connection_node
    feeders = np.flatnonzero(loop.plant.parent == 0)
    assert known.power.low_kw[0] == pytest.approx(known.power.low_kw[eans].sum(), abs=0.1)
    assert known.power.low_kw[0] == pytest.approx(known.power.low_kw[feeders].sum(), abs=0.1)
    assert known.fresh.all()


def test_a_dead_connection_meter_widens_only_its_own_path(loop):
    known = loop._look(loop.now_us)
    connection = loop.plant.connections[0]
    forget(loop, connection.ean, age_s=20)
    blurred = loop._look(loop.now_us)
    touched = set(np.flatnonzero(blurred.power.high_kw - blurred.power.low_kw > 1e-9))
    assert touched <= set(path(loop, connection.ean))
    assert set(np.flatnonzero(~blurred.fresh)) == set(path(loop, connection.ean))
    assert known.fresh.all()


@pytest.mark.parametrize(("age_s", "share"), [(6, 6 / 30), (15, 0.5), (3600, 1.0)])
def test_a_silent_connection_may_have_drifted_as_far_as_its_contract_lets_it(loop, age_s, share):
    connection = loop.plant.connections[0]
    loop._look(loop.now_us)
    heard_kw = loop._memory.load_kw[0]
    loop.now_us += age_s * SECOND_US
    loop._points.at_us[:] = loop.now_us
    forget(loop, connection.ean, age_s=age_s)
    known = loop._look(loop.now_us)
    at = node_at(loop, connection.ean)
    drift_kw = share * connection.contract_import_kw
    ceiling_kw = max(connection.contract_import_kw, heard_kw)
    assert known.uncontrolled.high_kw[at] == pytest.approx(min(heard_kw + drift_kw, ceiling_kw))
    assert known.uncontrolled.low_kw[at] == pytest.approx(max(heard_kw - drift_kw, min(heard_kw, 0)))


def test_pv_that_is_not_heard_counts_as_nothing_for_import_and_in_full_for_export(loop):
    roof = next(asset for asset in loop.plant.assets if asset.kind is AssetKind.PV)
    forget(loop, roof.id, age_s=60)
    known = loop._look(loop.now_us)
    at = node_at(loop, roof.ean)
    spread_kw = known.uncontrolled.high_kw[at] - known.uncontrolled.low_kw[at]
    assert spread_kw == pytest.approx(roof.max_kw - roof.min_kw)
    assert not known.asset_fresh[[asset.id for asset in loop.plant.assets].index(roof.id)]


def test_a_lost_feeder_meter_opens_the_loop_and_its_assets_go_home(loop):
    forget(loop, "lus-1/a", age_s=6)
    cycle = loop.balance(tick=1, now_us=loop.now_us)
    assert cycle.state.mode == "fallback"
    assert set(cycle.setpoints.reason) == {"fallback"}
    assert cycle.setpoints.power_kw == [asset.reversion_kw for asset in loop.plant.assets]


def test_what_no_register_covers_counts_as_if_the_limit_had_been_used():
    park = Park("sunny-noon", into_quarter_s=450).turn(1)
    loop = park.loops["lus-1"]
    known = loop._look(park.now_us)
    assert known.uncovered_s[0] == pytest.approx(450, abs=1)
    quarterly = [
        at for at, b in enumerate(loop.plant.bounds) if np.isfinite(b.quarter_kw) and b.imports and b.node == 0
    ]
    bounds_kw = judged_bounds_kw(
        loop.plant.bounds, energy_kwh=known.energy_kwh, uncovered_s=known.uncovered_s, now_us=park.now_us
    )
    for at in quarterly:
        assert bounds_kw[at] <= 1.01 * loop.plant.bounds[at].quarter_kw


def test_a_whole_quarter_later_every_second_is_covered():
    park = Park("sunny-noon", into_quarter_s=880).turn(30)
    for loop in park.loops.values():
        assert not loop._look(park.now_us).uncovered_s.any()
