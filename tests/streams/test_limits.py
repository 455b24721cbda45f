"""Which limit holds now: a quarter's mean is kept to the end of the quarter, and what one direction used is not paid
for by the other."""

from dataclasses import replace

import numpy as np
import pytest

from balancer.model import Layer
from streams.bounds import BoundRows, Bounds, lay_out_bounds
from streams.budgets import Interval
from streams.grid_loop import GridLoop
from streams.limits import judged_bounds_kw, seconds_left, with_budget
from streams.messages import Epoch
from tests.streams.small_park import (
    FACTORY,
    PLAZA,
    QUARTER_START_US,
    SECOND_US,
    frame,
    north_kw,
    small_hub,
    south_kw,
)

LIMIT_KW = 100.0
STEP_S = 15


def bounds_of(*, imports=True, quarter_kw=LIMIT_KW, instant_kw=np.inf, node=0, budget=False):
    return Bounds(
        node=node, layer=Layer.CONTRACT, imports=imports, instant_kw=instant_kw, quarter_kw=quarter_kw, budget=budget
    )


def bound_kw(bounds, *, passed_s, import_kwh=0.0, export_kwh=0.0, uncovered_s=0.0):
    allowed_kw = judged_bounds_kw(
        BoundRows([bounds]),
        energy_kwh=np.array([[import_kwh, export_kwh]]),
        uncovered_s=np.array([uncovered_s]),
        now_us=QUARTER_START_US + passed_s * SECOND_US,
    )
    return float(allowed_kw[0])


def loop_of(name):
    loop = GridLoop(small_hub(), name)
    loop.begin(Epoch(1, 1, 1))
    return loop


@pytest.mark.parametrize(
    ("passed_s", "import_kwh", "expected_kw"),
    [
        pytest.param(0, 0.0, 99.8, id="an even quarter, less the margin"),
        pytest.param(450, 12.5, 99.6, id="half of it used in half the time"),
        pytest.param(450, 0.0, 110.0, id="a quiet start may be used, by a tenth"),
        pytest.param(840, 24.95, 0.0, id="used up a minute too early"),
        pytest.param(840, 26.0, 0.0, id="overdrawn: nothing is left, and nothing is fed back for it"),
        pytest.param(899, 0.0, 100.0, id="in the last seconds not above the limit"),
    ],
)
def test_a_mean_of_100_kw_allows_at_this_second(passed_s, import_kwh, expected_kw):
    assert bound_kw(bounds_of(), passed_s=passed_s, import_kwh=import_kwh) == pytest.approx(expected_kw)


@pytest.mark.parametrize(("imports", "expected_kw"), [(True, 99.6), (False, 110.0)])
def test_what_went_in_counts_against_import_only_and_is_no_credit_for_export(imports, expected_kw):
    allowed_kw = bound_kw(bounds_of(imports=imports), passed_s=450, import_kwh=12.5)
    assert allowed_kw == pytest.approx(expected_kw)


@pytest.mark.parametrize("passed_s", [0, 300, 450, 890])
def test_seconds_of_which_no_register_tells_count_as_if_the_limit_had_been_used(passed_s):
    allowed_kw = bound_kw(bounds_of(), passed_s=passed_s, uncovered_s=passed_s)
    assert allowed_kw == pytest.approx(0.998 * LIMIT_KW)


@pytest.mark.parametrize("passed_s", [0, 450, 899])
@pytest.mark.parametrize("import_kwh", [0.0, 1000.0])
def test_where_nothing_may_flow_out_nothing_may_at_any_second(passed_s, import_kwh):
    nothing = bounds_of(imports=False, quarter_kw=0.0)
    assert bound_kw(nothing, passed_s=passed_s, import_kwh=import_kwh, uncovered_s=passed_s) == 0
    assert bound_kw(nothing, passed_s=passed_s, export_kwh=1.0) == 0


def test_the_tighter_of_an_instant_and_a_quarter_limit_holds():
    assert bound_kw(bounds_of(instant_kw=80.0), passed_s=0) == 80
    assert bound_kw(bounds_of(instant_kw=80.0), passed_s=840, import_kwh=24.95) == pytest.approx(0)
    assert bound_kw(bounds_of(instant_kw=np.inf, quarter_kw=np.inf), passed_s=0) == np.inf


def test_each_entry_is_judged_by_its_own_node_and_direction():
    rows = BoundRows(bounds_of(node=node, imports=imports) for node in (1, 0) for imports in (True, False))
    energy_kwh = np.array([[24.95, 0.0], [0.0, 24.95]])
    allowed_kw = judged_bounds_kw(
        rows, energy_kwh=energy_kwh, uncovered_s=np.zeros(2), now_us=QUARTER_START_US + 450 * SECOND_US
    )
    assert allowed_kw.tolist() == pytest.approx([110.0, 0.0, 0.0, 110.0])


def test_a_budget_fills_its_own_two_entries_and_may_ask_for_import():
    rows = BoundRows([bounds_of(), bounds_of(budget=True), bounds_of(imports=False, budget=True)])
    before_kw = np.array([100.0, np.inf, np.inf])
    filled_kw = with_budget(rows, before_kw, budget=Interval(10.0, 60.0))
    assert filled_kw.tolist() == [100.0, 60.0, -10.0]
    assert before_kw.tolist() == [100.0, np.inf, np.inf]


def test_within_a_layer_the_tightest_limit_counts_and_layers_stay_apart():
    hub = small_hub()
    sections = [limit for limit in hub.limits if limit.node == "north-1"]
    contract = [limit for limit in hub.limits if limit.node == FACTORY]
    tighter = [replace(limit, import_kw=50.0) for limit in contract]
    laid_out = lay_out_bounds([*sections, *contract, *tighter], {"north-1": 0, FACTORY: 1})
    assert [(b.node, b.layer, b.imports, b.instant_kw, b.quarter_kw) for b in laid_out] == [
        (0, Layer.PROTECTION, True, 500.0, np.inf),
        (0, Layer.PROTECTION, False, 500.0, np.inf),
        (1, Layer.CONTRACT, True, np.inf, 50.0),
        (1, Layer.CONTRACT, False, np.inf, 0.0),
    ]


@pytest.mark.parametrize(
    ("passed_us", "left_s"), [(0, 900.0), (1, 899.999999), (899_999_999, 1e-6), (900_000_000, 900)]
)
def test_a_quarter_ends_on_the_clock(passed_us, left_s):
    assert seconds_left(QUARTER_START_US + passed_us) == pytest.approx(left_s)


def charge_for_a_quarter(plaza_kw):
    """What the plaza used, Wh, and the largest power it was allowed, kW; its car obeys at once, told every 15 s."""
    loop, charger_kw, used_wh, allowed_kw = loop_of("south"), 0.0, 0.0, []
    for passed_s in range(-STEP_S, 900, STEP_S):
        now_us = QUARTER_START_US + passed_s * SECOND_US
        powers_kw = south_kw(plaza=plaza_kw(passed_s), charger=charger_kw, bakery=0.0)
        heard = frame(now_us, powers_kw, import_wh={"south/a": round(used_wh), PLAZA: round(used_wh)})
        assert loop.fold(heard, received_at_us=now_us) == ()
        cycle = loop.balance(tick=passed_s, now_us=now_us)
        charger_kw = cycle.setpoints.power_kw[0] if cycle.setpoints.full else charger_kw
        if passed_s >= 0:
            used_wh += (plaza_kw(passed_s) + charger_kw) * 1000 * STEP_S / 3600
            allowed_kw.append(cycle.state.nodes.limit_import_kw[cycle.state.nodes.ids.index(PLAZA)])
    return used_wh, max(allowed_kw)


@pytest.mark.parametrize(
    ("plaza_kw", "expected_wh"),
    [
        pytest.param(lambda _: 80.0, 24_950, id="too much all along"),
        pytest.param(lambda passed_s: 0.0 if passed_s < 450 else 90.0, 20_000, id="a quiet start"),
        pytest.param(lambda passed_s: 98.0 if passed_s < 450 else 60.0, 24_950, id="a busy start"),
        pytest.param(lambda passed_s: 60.0 + 35.0 * (passed_s // 60 % 2), 24_950, id="up and down"),
    ],
)
def test_a_car_charges_what_the_quarter_leaves_and_never_more(plaza_kw, expected_wh):
    used_wh, most_allowed_kw = charge_for_a_quarter(plaza_kw)
    assert used_wh == pytest.approx(expected_wh, abs=5)
    assert most_allowed_kw <= 1.1 * LIMIT_KW


@pytest.mark.parametrize("passed_s", [0, 450, 890])
def test_a_battery_takes_what_would_flow_out_of_a_connection_that_may_not_export(passed_s):
    loop, now_us = loop_of("north"), QUARTER_START_US + passed_s * SECOND_US
    loop.fold(frame(now_us, north_kw(factory=-30.0, office=100.0)), received_at_us=now_us)
    told = loop.balance(tick=1, now_us=now_us).setpoints
    assert dict(zip(told.ids, told.power_kw, strict=True))["battery"] == 30
