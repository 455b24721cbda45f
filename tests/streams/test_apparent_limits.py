"""Limits in kVA: reactive power takes its part of them, as measured, else by the hub's cos phi."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from balancer.model import Layer
from hub.limits import limit_book, limits_at
from hub.model import Judged, LimitLayer, NodeLimit
from streams.bounds import BoundRows, Bounds, lay_out_bounds
from streams.grid_loop import GridLoop
from streams.limits import within_apparent_kw, within_phases_kw
from streams.messages import DeadLetterReason, Epoch
from tests.hub.test_limits import stated
from tests.streams.small_park import FACTORY, QUARTER_START_US, SECOND_US, STALE_AFTER_S, frame, north_kw, small_hub

NOW_US = QUARTER_START_US + 300 * SECOND_US
CAPACITY = NodeLimit(
    node=FACTORY, layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=100.0, export_kw=100.0,
    source="connections.csv", apparent=True,
)  # fmt: skip


def loop_of(*, cos_phi_ratio=1.0):
    """Grid loop north, where the factory's connection carries 100 kVA and 80 kW flow."""
    hub = small_hub()
    loop = GridLoop(replace(hub, limits=(*hub.limits, CAPACITY), cos_phi_ratio=cos_phi_ratio), "north")
    loop.begin(Epoch(1, 1, 1))
    return loop


def hear(loop, reactive_kvar, *, at_us=NOW_US, factory=80.0):
    """One frame; reactive power by point, None for a gateway that does not know it."""
    heard = frame(at_us, north_kw(factory=factory))
    if reactive_kvar is not None:
        heard = msgspec.structs.replace(heard, reactive_kvar=[reactive_kvar.get(point) for point in heard.ids])
    return loop.fold(heard, received_at_us=at_us)


def import_kw(loop, now_us=NOW_US):
    nodes = loop.balance(tick=1, now_us=now_us).state.nodes
    return nodes.limit_import_kw[nodes.ids.index(FACTORY)]


@pytest.mark.parametrize(
    ("reactive_kvar", "cos_phi_ratio", "expected_kw"),
    [
        pytest.param({FACTORY: 60.0}, 1.0, 80, id="sqrt(100^2 - 60^2)"),
        pytest.param({FACTORY: -60.0}, 1.0, 80, id="capacitive as inductive"),
        pytest.param({FACTORY: 100.0}, 1.0, 0, id="reactive power takes all of it"),
        pytest.param({FACTORY: 130.0}, 1.0, 0, id="and more"),
        pytest.param({FACTORY: 0.0}, 0.9, 100, id="measured as none: the hub's guess does not count"),
        pytest.param({}, 0.9, 90, id="a gateway that has no value for this meter"),
        pytest.param(None, 0.9, 90, id="a gateway that knows no reactive power"),
        pytest.param(None, 1.0, 100, id="neither does the hub"),
    ],
)
def test_what_reactive_power_leaves_of_a_connection(reactive_kvar, cos_phi_ratio, expected_kw):
    loop = loop_of(cos_phi_ratio=cos_phi_ratio)
    assert hear(loop, reactive_kvar) == ()
    assert import_kw(loop) == expected_kw


def test_r6_reactive_power_that_was_not_heard_lately_is_not_known():
    loop = loop_of(cos_phi_ratio=0.9)
    hear(loop, {FACTORY: 10.0})
    assert import_kw(loop, NOW_US + round((STALE_AFTER_S + 1) * SECOND_US)) == 90


def test_a_battery_makes_room_for_reactive_power():
    loop = loop_of()
    hear(loop, {FACTORY: 80.0})
    told = loop.balance(tick=1, now_us=NOW_US).setpoints
    assert dict(zip(told.ids, told.power_kw, strict=True))["battery"] == -20


def test_r14_absurd_reactive_power_is_refused_with_its_reading_and_a_short_column_with_the_frame():
    loop = loop_of(cos_phi_ratio=0.9)
    assert [bad.reason for bad in hear(loop, {FACTORY: 1e6})] == [DeadLetterReason.ABSURD_VALUE]
    short = msgspec.structs.replace(frame(NOW_US, north_kw()), reactive_kvar=[1.0])
    assert loop.fold(short, received_at_us=NOW_US).reason is DeadLetterReason.UNEQUAL_COLUMNS


def test_a_limit_in_kva_and_one_in_kw_are_kept_apart_at_one_place():
    in_kw = replace(CAPACITY, import_kw=70.0, export_kw=None, apparent=False)
    laid_out = {b.imports: b for b in lay_out_bounds([CAPACITY, in_kw], {FACTORY: 0})}
    assert [(laid_out[side].instant_kw, laid_out[side].apparent_kva) for side in (True, False)] == [
        (70, 100), (100, 100)
    ]  # fmt: skip


def test_a_limit_that_somebody_states_does_not_turn_kva_into_kw():
    hub = small_hub()
    hub = replace(hub, limits=(*hub.limits, CAPACITY))
    now = limits_at(limit_book(hub, [replace(stated(), node=FACTORY)]), NOW_US + 10**15)
    assert CAPACITY in now.limits


def test_a_node_without_a_limit_in_kva_has_none_by_it():
    bounds = BoundRows([Bounds(node=0, layer=Layer.CONTRACT, imports=True, instant_kw=np.inf, quarter_kw=np.inf)])
    kw = within_apparent_kw(bounds, np.array([np.inf]), reactive_kvar=np.array([5.0]), cos_phi_ratio=0.9)
    assert kw.tolist() == [np.inf]


# Phases: the factory's connection carries 150 A in each at 100 kVA, so one ampere in one phase is 0.222 kW

PER_PHASE_KW = 100 / 150 / 3


def phased_loop():
    hub = small_hub()
    connections = tuple(replace(c, capacity_a=150.0, capacity_kva=100.0) for c in hub.connections)
    loop = GridLoop(replace(hub, connections=connections, limits=(*hub.limits, CAPACITY)), "north")
    loop.begin(Epoch(1, 1, 1))
    return loop


def hear_phases(loop, *, import_a, export_a=0.0, factory=50.0):
    heard = frame(NOW_US, north_kw(factory=factory))
    columns = {
        name: [value if point == FACTORY else None for point in heard.ids]
        for name, value in (("phase_import_a", import_a), ("phase_export_a", export_a))
    }
    return loop.fold(msgspec.structs.replace(heard, **columns), received_at_us=NOW_US)


@pytest.mark.parametrize(
    ("import_a", "expected_kw"),
    [
        pytest.param(75.0, 50 + 75 * PER_PHASE_KW, id="balanced: only by what one phase still carries"),
        pytest.param(130.0, 50 + 20 * PER_PHASE_KW, id="one phase is nearly full"),
        pytest.param(150.0, 50, id="one phase is full"),
        pytest.param(160.0, 50 - 30 * PER_PHASE_KW, id="over: three times as much less"),
        pytest.param(1000.0, 0, id="far over: nothing, and no feeding in for it"),
        pytest.param(None, 100, id="not told"),
    ],
)
def test_the_fullest_phase_bounds_a_connection(import_a, expected_kw):
    loop = phased_loop()
    assert hear_phases(loop, import_a=import_a) == ()
    assert import_kw(loop) == pytest.approx(expected_kw, abs=0.001)


def test_a_phase_that_feeds_in_bounds_feeding_in_and_nothing_else():
    plant = phased_loop().plant
    at = plant.node_ids.index(FACTORY)
    power_kw, phase_a = np.zeros(len(plant.node_ids)), np.full((2, len(plant.node_ids)), np.nan)
    power_kw[at], phase_a[:, at] = -50.0, (0.0, 141.0)
    found_kw = within_phases_kw(plant, np.full(len(plant.bounds), 500.0), phase_a=phase_a, power_kw=power_kw)
    bounded = {(b.node, b.imports): kw for b, kw in zip(plant.bounds, found_kw, strict=True) if kw < 500}
    assert bounded == {(at, False): pytest.approx(50 + 9 * PER_PHASE_KW), (at, True): 0}


def test_r14_a_negative_current_is_refused_with_its_reading():
    loop = phased_loop()
    assert [bad.reason for bad in hear_phases(loop, import_a=-1.0)] == [DeadLetterReason.ABSURD_VALUE]
