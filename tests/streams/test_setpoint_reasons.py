"""What a setpoint says of itself: its value, why, and whose limit binds; followed in one's head on the small park."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from hub.model import PARK, Judged, LimitLayer, NodeLimit
from streams.following import PATIENCE_READINGS
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from streams.setpoints import budget_binds
from tests.streams.small_park import (
    FACTORY,
    OFFICE,
    PLAZA,
    QUARTER_START_US,
    SECOND_US,
    frame,
    north_kw,
    small_hub,
    south_kw,
)


def hub_with(*limits, battery_kw=100.0):
    hub = small_hub()
    smaller = [replace(a, min_kw=-battery_kw, max_kw=battery_kw) if a.id == "battery" else a for a in hub.assets]
    return replace(hub, assets=tuple(smaller), limits=(*hub.limits, *limits))


def limit(node, *, import_kw=None, export_kw=None):
    return NodeLimit(
        node=node, layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=import_kw, export_kw=export_kw,
        source="invented",
    )  # fmt: skip


def loop_of(name, hub=None):
    loop = GridLoop(hub or small_hub(), name)
    loop.begin(Epoch(1, 1, 1))
    return loop


def cycle_of(loop, powers_kw, *, second=0, reported=None):
    """One reading of everything and the tick after it; `reported` is the range (least, most) a device tells of itself."""
    now_us = QUARTER_START_US + second * SECOND_US
    heard = frame(now_us, powers_kw)
    ranges = [(reported or {}).get(point, (None, None)) for point in heard.ids]
    heard = msgspec.structs.replace(heard, min_kw=[low for low, _ in ranges], max_kw=[high for _, high in ranges])
    assert loop.fold(heard, received_at_us=now_us) == ()
    return loop.balance(tick=second, now_us=now_us)


def told(cycle):
    """Value, reason and binding node by asset."""
    sent = cycle.setpoints
    return {row[0]: row[1:] for row in zip(sent.ids, sent.power_kw, sent.reason, sent.binding, strict=True)}


FREE = (-100.0, "target", "")
HELD = (-100.0, "export_limit", PARK)
"""No less than it makes, but no brighter either while what flows out is kept in by others."""
REST = (0.0, "target", "")


@pytest.mark.parametrize(
    ("powers_kw", "hub", "battery", "roof"),
    [
        pytest.param({}, small_hub(), REST, FREE, id="nothing binds: the battery rests, the roof is free to its rating"),
        pytest.param({"roof": -30.0}, small_hub(), REST, FREE, id="a roof in haze is not clipped at what it makes now"),
        pytest.param({"factory": 230.0, "office": -60.0}, small_hub(), (-30.4, "import_limit", FACTORY), FREE,
                     id="a contract binds: its margin is kept as well"),
        pytest.param({"factory": 120.0, "office": 0.0}, hub_with(limit("north-1", import_kw=90.0)),
                     (-30.0, "import_limit", "north-1"), FREE, id="a cable binds"),
        pytest.param({"office": 90.0}, small_hub(), (-20.0, "import_limit", PARK), FREE,
                     id="the share of the park binds"),
        pytest.param({"factory": 30.0, "roof": -100.0}, small_hub(), (30.0, "export_limit", PARK), HELD,
                     id="the battery takes what would flow out before the roof gives way"),
        pytest.param({"factory": 30.0, "roof": -100.0}, hub_with(battery_kw=20.0), (20.0, "export_limit", PARK),
                     (-90.0, "export_limit", PARK), id="what the battery cannot take the roof leaves"),
        pytest.param({"office": 0.0, "roof": -60.0}, hub_with(limit(OFFICE, export_kw=40.0)), REST,
                     (-40.0, "export_limit", OFFICE), id="only the roof can help its own connection"),
    ],
)  # fmt: skip
def test_a_setpoint_names_the_limit_that_binds(powers_kw, hub, battery, roof):
    setpoints = told(cycle_of(loop_of("north", hub), north_kw(**powers_kw)))
    assert setpoints == {"battery": battery, "roof": roof}


@pytest.mark.parametrize(
    ("powers_kw", "battery_kw"),
    [
        pytest.param({"office": 90.0001}, -20.01, id="held down: rounded down"),
        pytest.param({"factory": 30.0001, "roof": -100.0}, 30.0, id="pushed up: rounded up"),
        pytest.param({"factory": 29.9999, "roof": -100.0}, 30.01, id="and not to the nearest"),
    ],
)
def test_writing_a_setpoint_in_steps_of_ten_watts_breaks_no_limit(powers_kw, battery_kw):
    assert told(cycle_of(loop_of("north"), north_kw(**powers_kw)))["battery"][0] == battery_kw


def test_the_nearest_limit_that_changes_the_price_is_named_and_not_one_above_it():
    hub = hub_with(limit(OFFICE, export_kw=40.0), battery_kw=20.0)
    setpoints = told(cycle_of(loop_of("north", hub), north_kw(factory=0.0, office=0.0, roof=-100.0)))
    assert setpoints == {"battery": (20.0, "export_limit", PARK), "roof": (-20.0, "export_limit", PARK)}


@pytest.mark.parametrize(
    ("most_kw", "expected"),
    [
        pytest.param(30.0, (30.0, "target", ""), id="a car charges as fast as it can"),
        pytest.param(0.0, (0.0, "device_range", ""), id="no car"),
    ],
)
def test_a_charger_with_nothing_to_choose_says_that_it_is_the_device(most_kw, expected):
    cycle = cycle_of(loop_of("south"), south_kw(), reported={"charger": (0.0, most_kw)})
    assert told(cycle) == {"charger": expected}


def test_a_car_gives_way_to_what_its_connection_may_draw():
    setpoints = told(cycle_of(loop_of("south"), south_kw(plaza=70.0)))
    assert setpoints == {"charger": (20.0, "import_limit", PARK)}
    setpoints = told(cycle_of(loop_of("south"), south_kw(plaza=70.0, bakery=0.0)))
    assert setpoints == {"charger": (29.8, "import_limit", PLAZA)}


def test_r16_a_battery_that_does_nothing_is_asked_on_and_the_roof_does_what_it_should_have_done():
    loop = loop_of("north")
    seen = [
        told(cycle_of(loop, north_kw(factory=30.0, roof=-100.0), second=second))
        for second in range(PATIENCE_READINGS + 1)
    ]
    assert seen[0] == {"battery": (30.0, "export_limit", PARK), "roof": HELD}
    assert seen[-1] == {"battery": (30.0, "not_following", ""), "roof": (-70.0, "export_limit", PARK)}


def test_r16_a_battery_that_did_not_charge_is_not_asked_on_when_it_should_discharge():
    loop = loop_of("north")
    for second in range(PATIENCE_READINGS + 1):
        cycle_of(loop, north_kw(factory=30.0, roof=-100.0), second=second)
    evening = [told(cycle_of(loop, north_kw(office=90.0), second=second))["battery"] for second in (10, 11)]
    assert evening == [(0.0, "import_limit", PARK), (-20.0, "import_limit", PARK)]


def test_r7_without_a_feeder_meter_every_asset_is_told_what_it_falls_back_to():
    powers_kw = north_kw(factory=30.0, roof=-100.0)
    del powers_kw["north/b"]
    assert set(told(cycle_of(loop_of("north"), powers_kw)).values()) == {(0.0, "fallback", "")}


@pytest.mark.parametrize(
    ("powers_kw", "binding"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"factory": 230.0, "office": -60.0}, {FACTORY: "import"}, id="a contract"),
        pytest.param({"office": 90.0}, {"north": "import"}, id="the budget, at the loop itself"),
        pytest.param({"factory": 30.0, "roof": -100.0}, {"north": "export"}, id="the other way"),
    ],
)
def test_the_loops_state_marks_the_nodes_whose_limits_move_something(powers_kw, binding):
    nodes = cycle_of(loop_of("north"), north_kw(**powers_kw)).state.nodes
    assert {node: which for node, which in zip(nodes.ids, nodes.binding, strict=True) if which} == binding


@pytest.mark.parametrize(
    ("price", "budget_kw", "own_kw", "expected"),
    [
        pytest.param(-1.0, (60.0, 0.0), (100.0, 100.0), True, id="the budget is tighter on import"),
        pytest.param(-1.0, (120.0, 0.0), (100.0, 100.0), False, id="the loop's own limit is"),
        pytest.param(1.0, (60.0, 0.0), (100.0, 100.0), True, id="tighter on export"),
        pytest.param(1.0, (60.0, 150.0), (100.0, 100.0), False, id="the loop's own limit is on export"),
        pytest.param(-1.0, (60.0, 0.0), (np.inf, np.inf), True, id="the loop has no limit of its own"),
    ],
)
def test_the_park_is_named_only_where_the_budget_is_the_tighter(price, budget_kw, own_kw, expected):
    loop = loop_of("north", hub_with(limit("north", import_kw=100.0, export_kw=100.0)))
    bounds_kw = np.array(
        [
            (budget_kw if b.budget else own_kw if b.node == 0 else (0.0, 0.0))[0 if b.imports else 1]
            for b in loop.plant.bounds
        ]
    )
    assert budget_binds(loop.plant, bounds_kw=bounds_kw, price=price) is expected


def test_r21_limits_that_contradict_are_answered_in_full_and_what_could_not_be_kept_is_said():
    hub = hub_with(limit("north-2", import_kw=60.0))
    cycle = cycle_of(loop_of("north", hub), north_kw(factory=350.0, office=100.0))
    assert set(told(cycle)) == {"battery", "roof"}
    found = {(v.node, v.direction, v.layer): v.kw for v in cycle.state.violations}
    assert found == {
        ("north-2", "import", "protection"): 40.0,
        (FACTORY, "import", "contract"): 50.4,
        (OFFICE, "import", "contract"): 0.2,
        ("north", "import", "dso_cap"): 200.0,
    }


@pytest.mark.parametrize(
    ("reported", "battery"),
    [
        pytest.param({}, (-20.0, "import_limit", PARK), id="one that does not tell is counted at what it makes"),
        pytest.param(
            {"roof": (-15.0, 0.0)}, (-5.0, "import_limit", PARK), id="one that is set free and tells is counted on"
        ),
    ],
)
def test_r16_an_import_limit_counts_on_no_sun_that_is_not_seen(reported, battery):
    cycle = cycle_of(loop_of("north"), north_kw(office=90.0), reported=reported)
    assert told(cycle)["battery"] == battery


def test_an_offer_does_not_count_on_that_sun_either():
    loop = loop_of("north")
    cycle_of(loop, north_kw(office=90.0))
    offer = loop.offer(tick=1, now_us=QUARTER_START_US)
    rest_kw = offer.curve.power_kw[offer.curve.order.index(0)]
    assert (offer.uncontrolled_low_kw, offer.uncontrolled_high_kw + rest_kw) == (170, 170)
