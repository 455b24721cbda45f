"""One grid loop laid out: what hangs below what, who measures it, and how each setpoint is meant."""

from dataclasses import replace

import numpy as np
import pytest

from balancer.model import Layer
from hub.model import AssetKind
from streams.messages import Bound
from streams.plant import build_plant
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, small_hub

NORTH = build_plant(small_hub(), "north")


def by_node(values):
    return dict(zip(NORTH.node_ids, values, strict=True))


def test_nodes_stand_below_the_loop_in_chains_and_parents_come_first():
    names = ("", *NORTH.node_ids)
    assert by_node(names[parent + 1] for parent in NORTH.parent) == {
        "north": "", "north/a": "north", "north-1": "north/a", FACTORY: "north-1", "north/b": "north",
        "north-2": "north/b", OFFICE: "north-2",
    }  # fmt: skip
    assert (NORTH.parent < np.arange(len(NORTH.node_ids))).all()


def test_feeders_and_connections_have_meters_and_cables_have_none():
    points = ("", *NORTH.points.ids)
    assert {node: points[meter + 1] for node, meter in zip(NORTH.node_ids, NORTH.meter, strict=True) if meter >= 0} == {
        "north/a": "north/a", "north/b": "north/b", FACTORY: FACTORY, OFFICE: OFFICE,
    }  # fmt: skip


def test_a_reading_is_absurd_at_twice_what_its_point_can_carry():
    most_kw = dict(zip(NORTH.points.ids, NORTH.points.max_abs_kw, strict=True))
    assert most_kw == {"north/a": 1600, "north/b": 1600, FACTORY: 800, OFFICE: 800, "battery": 200, "roof": 200}


def test_a_node_sums_what_lies_below_it_and_nothing_else():
    load_kw = [{FACTORY: 80.0, OFFICE: 40.0}[connection.ean] for connection in NORTH.connections]
    assert by_node(NORTH.sum_up(np.array(load_kw))) == {
        "north": 120, "north/a": 80, "north-1": 80, FACTORY: 80, "north/b": 40, "north-2": 40, OFFICE: 40,
    }  # fmt: skip


def test_assets_are_summed_behind_their_connection_and_a_connection_without_any_counts_nothing():
    south = build_plant(small_hub(), "south")
    summed = south.per_connection(np.array([7.0]))
    assert {c.ean: kw for c, kw in zip(south.connections, summed, strict=True)} == {PLAZA: 7, BAKERY: 0}


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        pytest.param(AssetKind.PV, Bound.AT_LEAST, id="pv is told a floor: produce at most"),
        pytest.param(AssetKind.BATTERY, Bound.EXACT, id="a battery is told exactly"),
        pytest.param(AssetKind.CHARGER, Bound.AT_MOST, id="a charger is told a ceiling"),
        pytest.param(AssetKind.FLEXIBLE_LOAD, Bound.AT_MOST, id="a flexible load too"),
        pytest.param(AssetKind.THERMAL_STORE, Bound.AT_MOST, id="a cold store too"),
    ],
)
def test_how_a_setpoint_is_meant(kind, bound):
    hub = small_hub()
    changed = [replace(asset, kind=kind) if asset.id == "battery" else asset for asset in hub.assets]
    plant = build_plant(replace(hub, assets=tuple(changed)), "north")
    assert plant.asset_bound[[asset.id for asset in plant.assets].index("battery")] == bound


@pytest.mark.parametrize("kind", [AssetKind.LOAD, AssetKind.GAS_METER, AssetKind.WATER_METER])
def test_what_takes_no_setpoint_is_no_asset_of_the_kernel(kind):
    hub = small_hub()
    changed = tuple(replace(asset, kind=kind) if asset.id == "roof" else asset for asset in hub.assets)
    assert [asset.id for asset in build_plant(replace(hub, assets=changed), "north").assets] == ["battery"]


def test_every_limit_finds_its_place_in_the_kernels_tree_and_the_budget_hangs_at_the_loop():
    tree = NORTH.topology
    for bounds, at in zip(NORTH.bounds, NORTH.bounds_at, strict=True):
        assert (tree.limits[at].node, tree.limits[at].layer) == (NORTH.node_ids[bounds.node], bounds.layer)
    budgets = [(NORTH.node_ids[b.node], b.layer, b.imports) for b in NORTH.bounds if b.budget]
    assert budgets == [("north", Layer.DSO_CAP, True), ("north", Layer.DSO_CAP, False)]
    assert sorted(NORTH.bounds_at) == list(range(len(tree.limits)))


def test_moving_the_open_point_moves_a_cable_to_the_other_arm():
    hub = small_hub()
    loops = [replace(grid_loop, open_after=0) for grid_loop in hub.grid_loops]
    plant = build_plant(replace(hub, grid_loops=tuple(loops)), "north")
    load_kw = plant.sum_up(np.array([80.0 if c.ean == FACTORY else 40.0 for c in plant.connections]))
    assert {name: kw for name, kw in zip(plant.node_ids, load_kw, strict=True) if name.startswith("north")} == {
        "north": 120, "north/a": 0, "north/b": 120, "north-2": 120, "north-1": 80,
    }  # fmt: skip
