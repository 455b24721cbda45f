"""The tolerance curve as tables of seconds: how far above a limit for how long, and what is named as the cause."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from connectors.simulation.crossings import ToleranceWatch
from connectors.simulator.building import sort_assets
from connectors.simulator.network import build_network
from hub.model import Judged, LimitLayer, NodeLimit
from hub.tolerance import TOLERANCE
from tests.streams.small_park import BAKERY, small_hub

SECOND_US = 1_000_000


def park_of(hub):
    assets = sort_assets(hub).assets
    behind = np.array([[asset.ean == connection.ean for asset in assets] for connection in hub.connections], np.int64)
    return SimpleNamespace(network=build_network(hub), assets=assets, behind=behind)


def watched(bakery_kw, *, import_kw=100.0, export_kw=None, faults=None, battery_kw=None):
    """What is crossed when the bakery has these powers, second by second, behind a limit of its own."""
    limit = NodeLimit(
        node=BAKERY, layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=import_kw, export_kw=export_kw,
        source="invented",
    )  # fmt: skip
    hub = replace(small_hub(), limits=(limit,))
    park = park_of(hub)
    watch = ToleranceWatch(hub, park)
    at = {asset.id: place for place, asset in enumerate(park.assets)}
    for second, power_kw in enumerate(bakery_kw, start=1):
        asset_w = np.zeros(len(park.assets), np.int64)
        asset_w[at["battery"]] = round(1000 * (battery_kw or {}).get(second, 0.0))
        base_w = np.array([round(1000 * power_kw) if c.ean == BAKERY else 0 for c in hub.connections], np.int64)
        node_w = park.network.node_w(base_w + park.behind @ asset_w)
        state = SimpleNamespace(at_us=second * SECOND_US, node_w=node_w, asset_w=asset_w)
        watch.take(state, step_us=SECOND_US, faults=(faults or {}).get(second, ()))
    watch.finish(len(bakery_kw) * SECOND_US)
    return watch.crossings


TABLE = {
    "never above": ([100.0] * 20, []),
    "at 1.02 times for ever": ([102.0] * 60, []),
    "above it for 10 s": ([90, *[103] * 10, 90], []),
    "above it for 11 s": ([90, *[103] * 11, 90], [(1.02, 11)]),
    "twice 10 s": ([*[103] * 10, 90, *[103] * 10, 90], []),
    "above 1.067 times for 3 s": ([90, *[107] * 3, 90], []),
    "above 1.067 times for 4 s": ([90, *[107] * 4, 90], [(1.067, 4)]),
    "above 1.69 times for a second": ([90, 170, 90], [(1.69, 1)]),
    "all three, and still at the end": ([90, *[180] * 12], [(1.02, 12), (1.067, 12), (1.69, 12)]),
    "a peak within a long stretch": ([*[103] * 6, 170, *[103] * 6], [(1.02, 13), (1.69, 1)]),
}


@pytest.mark.parametrize(("powers_kw", "crossed"), TABLE.values(), ids=TABLE)
def test_a_point_of_the_curve_is_crossed_by_power_above_it_for_longer_than_its_time(powers_kw, crossed):
    found = watched(powers_kw)
    assert sorted((each.over_ratio, each.lasted_s) for each in found) == crossed
    assert all(each.after_s == dict(TOLERANCE)[each.over_ratio] for each in found)
    assert all(each.highest_kw == max(powers_kw) for each in found if each.lasted_s > 1)


@pytest.mark.parametrize(("seconds", "crossed"), [(10, 0), (11, 1)])
def test_a_limit_of_zero_has_no_multiples_and_is_crossed_after_10_s(seconds, crossed):
    found = watched([5, *[-3.0] * seconds, 5], import_kw=None, export_kw=0.0)
    assert len(found) == crossed
    assert all((each.direction, each.over_ratio, each.highest_kw) == ("export", 1.02, 3.0) for each in found)


def test_the_cause_is_what_moved_most_towards_the_limit_and_the_faults_of_that_time():
    found = watched([40.0, 40.0, 180.0, 180.0, 40.0], faults={2: ["worker-gap"], 3: ["worker-gap"]})
    assert [each.cause for each in found] == [f"fault worker-gap; the load of {BAKERY} by +140.0 kW in 2 s"]
    assert found[0].began_us == 2 * SECOND_US


def test_what_moves_more_elsewhere_is_no_cause():
    found = watched([40.0, 180.0], battery_kw={2: 500.0})  # the battery is the factory's
    assert [each.cause for each in found] == [f"the load of {BAKERY} by +140.0 kW in 1 s"]


def test_a_run_that_begins_above_a_limit_says_so():
    assert [each.cause for each in watched([180.0, 180.0])] == ["the run began above the limit"]
