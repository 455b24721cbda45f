"""Setpoint frames: full on change and every other tick, renewals in between, each with its reason."""

import pytest

from hub.model import AssetKind
from streams.grid_loop import GridLoop
from streams.messages import Bound, Budget, Epoch, Reason
from streams.setpoints import FULL_EVERY_TICKS, Decision, SetpointWriter
from tests.streams.small_park import FACTORY, PLAZA, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub, south_kw
from tests.streams.virtual_park import Park


@pytest.fixture(scope="module")
def plant():
    return Park().loops["lus-1"].plant


def decision(plant, power_kw):
    n_assets = len(plant.assets)
    return Decision((power_kw,) * n_assets, ("target",) * n_assets, ("",) * n_assets)


def frames(writer, plant, powers_kw):
    return [
        writer.frame(decision(plant, power_kw), tick=100 + at, now_us=at, folded_until_us=at)
        for at, power_kw in enumerate(powers_kw)
    ]


def test_a_full_frame_is_sent_on_change_and_renewals_name_it(plant):
    writer = SetpointWriter(plant, valid_for_ms=10_000)
    writer.begin(Epoch(1, 1, 1))
    sent = frames(writer, plant, [1.0, 1.0, 2.0, 2.0])
    assert [(frame.sequence, frame.full, frame.renews) for frame in sent] == [
        (1, True, 0), (2, False, 1), (3, True, 0), (4, False, 3),
    ]  # fmt: skip
    assert all(not frame.ids for frame in sent if not frame.full)


def test_an_unchanged_decision_is_repeated_in_full_every_ten_ticks(plant):
    writer = SetpointWriter(plant, valid_for_ms=10_000)
    writer.begin(Epoch(1, 1, 1))
    sent = frames(writer, plant, [1.0] * (2 * FULL_EVERY_TICKS + 1))
    assert [at for at, frame in enumerate(sent) if frame.full] == [0, FULL_EVERY_TICKS, 2 * FULL_EVERY_TICKS]


def test_a_new_epoch_begins_with_a_full_frame_and_counts_anew(plant):
    writer = SetpointWriter(plant, valid_for_ms=10_000)
    writer.begin(Epoch(1, 1, 1))
    frames(writer, plant, [1.0, 1.0])
    writer.begin(Epoch(1, 2, 5))
    (first,) = frames(writer, plant, [1.0])
    assert (first.full, first.sequence, first.epoch) == (True, 1, Epoch(1, 2, 5))


def test_without_a_claim_nothing_is_written(plant):
    with pytest.raises(RuntimeError, match="claimed"):
        frames(SetpointWriter(plant, valid_for_ms=1), plant, [1.0])


def test_values_mean_a_floor_for_pv_a_ceiling_for_chargers_and_exactly_for_batteries(plant):
    meant = {asset.kind: bound for asset, bound in zip(plant.assets, plant.asset_bound, strict=True)}
    assert meant[AssetKind.PV] == Bound.AT_LEAST
    assert meant[AssetKind.CHARGER] == Bound.AT_MOST
    assert meant.get(AssetKind.BATTERY, Bound.EXACT) == Bound.EXACT


def test_pv_that_nothing_binds_is_set_free_to_its_rating():
    park = Park("winter-evening").turn(3)
    rated = {
        asset.id: asset.min_kw for loop in park.loops.values() for asset in loop.plant.assets if asset.kind == "pv"
    }
    told = {asset: park.obeyed_kw[park.at[asset]] for asset in rated}
    assert told == rated


def told(name, measured_kw, *, budget_kw):
    """What each asset of a loop of the small park is told at the start of a quarter: value, reason, binding node."""
    loop = GridLoop(small_hub(), name)
    loop.begin(Epoch(1, 1, 1))
    now_us = QUARTER_START_US + SECOND_US
    assert loop.fold(frame(now_us, measured_kw), received_at_us=now_us) == ()
    low, high = budget_kw
    budget = Budget(
        grid_loop=name, tick=1, epoch=Epoch(1, 1, 1), number=1, issued_at_us=now_us, lease_ms=5000, min_kw=low, max_kw=high,
    )  # fmt: skip
    assert loop.receive_budget(budget, now_us=now_us)
    setpoints = loop.balance(tick=1, now_us=now_us).setpoints
    columns = (setpoints.power_kw, setpoints.reason, setpoints.binding)
    return dict(zip(setpoints.ids, zip(*columns, strict=True), strict=True))


@pytest.mark.parametrize(
    ("measured_kw", "budget_kw", "asset", "expected"),
    [
        pytest.param(north_kw(), (0, 150), "battery", (0, Reason.TARGET, ""), id="nothing binds"),
        pytest.param(north_kw(), (0, 100), "battery", (-20, Reason.IMPORT_LIMIT, "park"), id="120 kW, 100 allowed"),
        pytest.param(
            north_kw(office=10, roof=-100), (60, 400), "battery", (70, Reason.EXPORT_LIMIT, "park"),
            id="10 kW out, 60 in is asked",
        ),
        pytest.param(
            north_kw(factory=240), (0, 450), "battery", (-40, Reason.IMPORT_LIMIT, FACTORY), id="a connection's own limit"
        ),
        pytest.param(south_kw(), (0, 100), "charger", (20, Reason.IMPORT_LIMIT, "park"), id="a charger gives way"),
        pytest.param(
            south_kw(plaza=80), (0, 300), "charger", (20, Reason.IMPORT_LIMIT, PLAZA), id="at its connection"
        ),
    ],
)  # fmt: skip
def test_a_setpoint_says_what_holds_it_and_where(measured_kw, budget_kw, asset, expected):
    power_kw, *why = told("north" if "battery" in measured_kw else "south", measured_kw, budget_kw=budget_kw)[asset]
    assert (power_kw, *why) == (pytest.approx(expected[0], rel=0.01), *expected[1:])
