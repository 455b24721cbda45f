"""Limits that change while a park runs: obeyed in the next tick, on any node, and named with their layer."""

from dataclasses import replace

import numpy as np
import pytest

from balancer.model import Layer
from hub.model import GROUP, PARK, Judged, LimitLayer, NodeLimit
from streams.bounds import Bounds
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from streams.plant import build_plant
from streams.station import Station
from tests.streams.small_park import FACTORY, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub
from tests.streams.test_node_states import told
from tests.streams.test_station import offer

NOW_US = QUARTER_START_US + 300 * SECOND_US
EPOCH = Epoch(1, 1, 1)


def limit(node, import_kw, *, layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT, export_kw=None):
    return NodeLimit(node=node, layer=layer, judged=judged, import_kw=import_kw, export_kw=export_kw, source="test")


def with_more(*limits):
    return (*small_hub().limits, *limits)


@pytest.fixture
def loop():
    claimed = GridLoop(small_hub(), "north")
    claimed.begin(EPOCH)
    claimed.fold(frame(NOW_US, north_kw()), received_at_us=NOW_US)
    return claimed


def balanced(loop):
    """What the battery is told, and the first node's effective import limit with its layer."""
    cycle = loop.balance(tick=1, now_us=NOW_US)
    nodes = cycle.state.nodes
    told_kw = dict(zip(loop_ids(loop), loop._writer.last.power_kw, strict=True))
    return told_kw["battery"], nodes.limit_import_kw[0], nodes.limit_import_layer[0]


def loop_ids(loop):
    return [asset.id for asset in loop.plant.assets]


@pytest.mark.parametrize(
    ("more", "battery_kw"),
    [
        pytest.param(limit("north", 60.0), -60, id="the loop"),
        pytest.param(limit("north/a", 50.0), -30, id="an arm, which never had a limit"),
        pytest.param(limit("north-1", 20.0), -60, id="a section, in another layer than the folder's"),
        pytest.param(limit(FACTORY, 75.0, layer=LimitLayer.PLAN), -5, id="a connection, in the lowest layer"),
        pytest.param(limit("south", 1.0), 0, id="another loop: none of its business"),
        pytest.param(limit("north", 60.0, judged=Judged.QUARTER), -60.12, id="judged on the mean, its margin too"),
    ],
)
def test_a_limit_that_comes_is_obeyed_in_the_next_tick_and_one_that_goes_no_more(loop, more, battery_kw):
    before = balanced(loop)
    loop.take_limits(with_more(more))
    assert balanced(loop)[0] == pytest.approx(battery_kw, abs=0.001)
    loop.take_limits(small_hub().limits)
    assert balanced(loop) == before


def test_the_state_names_the_layer_that_binds(loop):
    assert balanced(loop)[1:] == (150, "budget")
    loop.take_limits(with_more(limit("north", 100.0), limit("north", 70.0, layer=LimitLayer.OPERATOR)))
    assert balanced(loop)[1:] == (70, "operator")
    loop.take_limits(with_more(limit("north", 70.0), limit("north", 70.0, layer=LimitLayer.OPERATOR)))
    assert balanced(loop)[1:] == (70, "dso_cap")


def test_the_kernels_tree_is_laid_out_anew_only_for_a_place_that_never_had_a_limit():
    plant = build_plant(small_hub(), "north")
    capped = plant.with_limits(with_more(limit("north", 60.0)))
    again = capped.with_limits(with_more(limit("north", 30.0)))
    assert capped.topology is not plant.topology
    assert again.topology is capped.topology
    assert again.with_limits(small_hub().limits).topology is capped.topology
    assert [asset.id for asset in again.assets] == list(again.topology.asset_ids)


def test_changed_limits_are_those_of_a_plant_that_always_had_them():
    hub = small_hub()
    more = with_more(limit("north", 60.0, export_kw=5.0), limit("north/b", 40.0, layer=LimitLayer.OPERATOR))
    changed = build_plant(hub, "north").with_limits(more)
    always = build_plant(replace(hub, limits=more), "north")
    assert set(changed.bounds) == set(always.bounds)
    for b, at in zip(changed.bounds, changed.bounds_at, strict=True):
        assert (changed.topology.limits[at].node, changed.topology.limits[at].layer) == (
            changed.node_ids[b.node], b.layer
        )  # fmt: skip


@pytest.mark.parametrize(("node", "layer"), [(PARK, LimitLayer.DSO_CAP), (GROUP, LimitLayer.OPERATOR)])
def test_the_hub_agent_lends_less_in_the_tick_after_a_cap(node, layer):
    station = Station(small_hub())
    station.begin(EPOCH)

    budgets = {}

    def lent_kw(tick):
        at_us = NOW_US + tick * SECOND_US
        station.fold(frame(at_us, {PARK: 200.0, GROUP: 200.0}), received_at_us=at_us)
        for name in ("north", "south"):
            station.receive_offer(offer(name, tick=tick, net_kw=100.0, room_kw=100.0, obeys=budgets.get(name)))
        clearing = station.clear(tick=tick, now_us=at_us)
        budgets.update({budget.grid_loop: budget for budget in clearing.budgets})
        at = clearing.state.nodes.ids.index(node)
        return sum(budget.max_kw for budget in clearing.budgets), clearing.state.nodes.limit_import_layer[at]

    assert lent_kw(1)[0] == pytest.approx(299.4)
    station.take_limits(with_more(limit(node, 90.0, layer=layer)))
    assert lent_kw(2) == (pytest.approx(90.0), layer)
    station.take_limits(small_hub().limits)
    assert lent_kw(3)[0] == pytest.approx(299.4, abs=0.1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], "", id="no limit"),
        pytest.param([(Layer.PLAN, np.inf)], "", id="a place without a bound"),
        pytest.param([(Layer.PLAN, 50.0), (Layer.CONTRACT, 60.0)], "plan", id="the tightest"),
        pytest.param([(Layer.PLAN, 50.0), (Layer.CONTRACT, 50.0)], "contract", id="among equals the highest"),
    ],
)
def test_a_binding_layer_is_told_for_each_direction(rows, expected):
    bounds = [
        Bounds(node=0, layer=layer, imports=False, instant_kw=np.inf, quarter_kw=np.inf) for layer, _ in rows
    ]  # fmt: skip
    state = told(bounds=bounds, bounds_kw=[kw for _, kw in rows])
    assert (state["limit_import_layer"], state["limit_export_layer"]) == ("", expected)
