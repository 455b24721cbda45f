"""Quarter by quarter: energies and quarter means, checked by what stands in the files alone."""

from dataclasses import replace

import numpy as np
import pytest

from tests.connectors.simulation.simulated import MINUTE_US, NOON_US, limit_of, plan_of, session, simulate
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, small_hub

QUARTER_MIN = 15
DAY_MIN = 24 * 60
NODES = {
    "north/a": [FACTORY], "north/b": [OFFICE], "south/a": [PLAZA], "south/b": [BAKERY],
    "north": [FACTORY, OFFICE], "south": [PLAZA, BAKERY], "park": [FACTORY, OFFICE, PLAZA, BAKERY],
}  # fmt: skip


def uneven(seed, low, high, rows):
    return np.random.default_rng(seed).uniform(low, high, rows)


@pytest.mark.parametrize("step_s", [1, 60, 300, 900, 1200, 3600])
def test_where_nothing_is_curtailed_every_energy_is_the_profiles_to_the_watt_hour(tmp_path, step_s):
    minutes = 120 if step_s == 1 else 2 * DAY_MIN
    rows = minutes * 60 // step_s
    columns = {FACTORY: uneven(1, 10, 90, rows), BAKERY: uneven(2, 0, 60, rows), "roof": -uneven(3, 0, 10, rows)}
    done = simulate(plan_of(columns, minutes=minutes, step_us=step_s * 1_000_000), tmp_path, quarters=True)
    for point in (FACTORY, BAKERY, "roof"):
        profile_kwh = columns[point].sum() * step_s / 3600
        assert abs(done.trace[point].sum() / 4 - profile_kwh) <= 0.001
    assert done.summary.curtailed_kwh == 0
    assert done.summary.limits_breached == 0


def test_each_node_is_the_sum_of_its_connections_and_each_connection_of_its_load_and_assets(tmp_path):
    load_kw = uneven(4, 0, 120, 4 * 24)
    columns = {FACTORY: load_kw, OFFICE: 10.0, BAKERY: 15.0, "roof": -uneven(5, 0, 100, 4 * 24)}
    trace = simulate(plan_of(columns, minutes=DAY_MIN, step_us=15 * MINUTE_US), tmp_path, quarters=True).trace
    for node, eans in NODES.items():
        np.testing.assert_allclose(trace[node], sum(trace[ean] for ean in eans), atol=1e-6)
    np.testing.assert_allclose(trace[FACTORY], load_kw + trace["battery"], atol=1.1e-3)
    np.testing.assert_allclose(trace[OFFICE], 10 + trace["roof"], atol=1e-6)


def test_the_summarys_energies_are_those_of_the_trace(tmp_path):
    columns = {FACTORY: uneven(6, 0, 180, 96), BAKERY: uneven(7, 0, 90, 96), "roof": -uneven(8, 0, 100, 96)}
    done = simulate(plan_of(columns, minutes=DAY_MIN, step_us=15 * MINUTE_US), tmp_path, quarters=True)
    park_kw, battery_kw = done.trace["park"], done.trace["battery"]
    assert done.summary.imported_kwh == pytest.approx(np.maximum(park_kw, 0).sum() / 4, abs=1e-6)
    assert done.summary.exported_kwh == pytest.approx(np.maximum(-park_kw, 0).sum() / 4, abs=1e-6)
    assert done.summary.charged_kwh == pytest.approx(np.maximum(battery_kw, 0).sum() / 4, abs=1e-6)
    curtailed_kwh = (done.trace["roof"] - columns["roof"]).sum() / 4
    assert done.summary.curtailed_kwh == pytest.approx(curtailed_kwh, abs=96 * 0.25e-3)
    for node in NODES:
        for each in (x for x in done.summary.limits if x.node == node):
            flow_kw = np.maximum(done.trace[node] * (1 if each.direction == "import" else -1), 0)
            assert each.quarter_kw == pytest.approx(flow_kw.max(), abs=1e-6)
            allowed_kw = each.limit_kw * (1.02 if each.judged == "instant" else 1) + 0.004
            assert each.quarters_breached == (flow_kw > allowed_kw).sum()


def test_zero_export_charges_the_battery_before_pv_is_curtailed(tmp_path):
    done = simulate(plan_of({"roof": -90.0, BAKERY: 20.0}, minutes=6 * 60), tmp_path, quarters=True)
    first, last = ({name: done.trace[name][at] for name in ("park", "battery", "roof")} for at in (0, -1))
    assert first == {"park": 0.0, "battery": 70.0, "roof": -90.0}
    assert last == {"park": 0.0, "battery": 0.0, "roof": -20.0}
    assert done.trace["battery"].sum() / 4 == pytest.approx(100, abs=1)  # it began half full of 200 kWh
    assert done.summary.exported_kwh == 0


def test_a_load_that_nothing_can_hold_breaches_and_says_so(tmp_path):
    done = simulate(plan_of({BAKERY: 110.0}, minutes=60), tmp_path, quarters=True)
    breached = limit_of(done.summary, BAKERY, "import", "quarter")
    assert (breached.quarters_breached, breached.breached, breached.quarter_kw) == (4, True, 110.0)
    assert done.summary.limits_breached == 1
    assert done.summary.violations > 0


def test_of_instants_and_leases_nothing_is_said_but_a_mean_above_a_limit_at_once_is_proof(tmp_path):
    exporting = plan_of({OFFICE: -80.0}, minutes=180)  # unlisted generation, which nobody can hold down
    done = simulate(exporting, tmp_path, quarters=True)
    assert done.summary.not_assessed == ["leases", "instantaneous limits"]
    at_once = limit_of(done.summary, "park", "export", "instant")
    assert (at_once.instant_kw, at_once.instant_at_us, at_once.instant_ratio) == (None, None, None)
    assert done.trace["battery"].tolist()[:2] == [80.0, 80.0]  # half full, it takes it for an hour
    assert (at_once.breached, at_once.quarters_breached) == (True, (done.trace["park"] < -0.004).sum())


def test_cars_get_what_their_stay_allows_and_the_accounts_agree(tmp_path):
    sessions = [
        session("charger", from_min=5, to_min=65, kwh=10),  # served
        session("charger", from_min=70, to_min=80, kwh=10),  # 10 minutes of 22 kW: 3.667 kWh at most
        session("charger", from_min=100, to_min=500, kwh=30, max_kw=80),  # the charger has 50 kW
        session("charger", from_min=-30, to_min=2, kwh=8),  # was there before: played, not judged
    ]
    done = simulate(plan_of({BAKERY: 5.0}, minutes=480, sessions=sessions), tmp_path, quarters=True)
    charging = done.summary.charging
    assert (charging.sessions, charging.fully_served) == (2, 1)
    assert (charging.asked_kwh, charging.possible_kwh) == (20.0, pytest.approx(13.667, abs=1e-3))
    assert charging.delivered_kwh == pytest.approx(13.667, abs=1e-2)
    assert charging.jain_index == pytest.approx((1 + 0.3667) ** 2 / (2 * (1 + 0.3667**2)), abs=1e-3)
    before_kwh = 8 * 2 / 32
    assert done.trace["charger"].sum() / 4 == pytest.approx(before_kwh + 13.667 + 30, abs=0.02)


def test_a_tight_limit_lets_cars_wait_and_says_what_they_missed(tmp_path):
    cars = [session("charger", from_min=0, to_min=60, kwh=40, max_kw=50)]
    done = simulate(plan_of({PLAZA: 80.0}, minutes=60, sessions=cars), tmp_path, quarters=True)
    # 100 kW contracted, 80 used, 0.2 % kept free for the clocks
    assert done.trace["charger"].tolist() == [19.8] * 4
    assert (done.summary.charging.delivered_kwh, done.summary.charging.delivered_percent) == (19.8, 49.5)


def test_a_charger_with_a_column_follows_it(tmp_path):
    done = simulate(
        plan_of({"charger": [0.0, 11.0, 30.0, 50.0]}, minutes=60, step_us=15 * MINUTE_US), tmp_path, quarters=True
    )
    assert done.trace["charger"].tolist() == [0.0, 11.0, 30.0, 50.0]
    assert done.summary.charging is None


def test_a_run_that_is_stopped_tells_what_was_done(tmp_path):
    plan = plan_of({BAKERY: 40.0}, minutes=3 * DAY_MIN, step_us=15 * MINUTE_US)
    done = simulate(plan, tmp_path, quarters=True, stop_after_looks=1)
    assert (done.summary.finished, done.summary.ticks, done.summary.imported_kwh) == (False, 96, 960.0)
    assert done.summary.until_us == NOON_US + DAY_MIN * MINUTE_US
    assert len(done.trace["time_utc"]) == 96


def test_what_nothing_tells_of_is_named(tmp_path):
    summary = simulate(plan_of({BAKERY: 40.0}, minutes=15), tmp_path, quarters=True).summary
    assert summary.without_profile == [FACTORY, OFFICE, PLAZA, "roof", "charger"]


@pytest.mark.parametrize("quarters", [True, False], ids=["quarters", "seconds"])
@pytest.mark.parametrize("kinds", [set(), {"pv"}, {"battery"}, {"charger"}], ids=lambda kinds: str(sorted(kinds)))
def test_a_park_with_one_kind_of_asset_or_none_can_be_simulated(tmp_path, kinds, quarters):
    hub = small_hub()
    hub = replace(hub, assets=tuple(asset for asset in hub.assets if asset.kind.value in kinds))
    columns = {BAKERY: 40.0} | ({"roof": -20.0} if "pv" in kinds else {})
    done = simulate(plan_of(columns, minutes=15, hub=hub), tmp_path, quarters=quarters)
    assert done.summary.imported_kwh == pytest.approx(10 - 5 * ("pv" in kinds), abs=0.02)


SETTLES = {
    "sun to spare": {FACTORY: 10.0, OFFICE: 10.0, BAKERY: 20.0, "roof": -90.0},
    "more sun than the battery takes": {BAKERY: 5.0, OFFICE: -30.0, "roof": -100.0},
    "an evening above the park's limit": {FACTORY: 150.0, OFFICE: 60.0, PLAZA: 40.0, BAKERY: 60.0, "charger": 50.0},
    "a charger behind a small contract": {FACTORY: 20.0, PLAZA: 75.0, "charger": 50.0},
    "nothing that binds": {FACTORY: 20.0, PLAZA: 10.0, "charger": 30.0, "roof": -20.0},
}


@pytest.mark.parametrize("columns", SETTLES.values(), ids=SETTLES)
def test_a_quarter_is_where_the_loop_of_seconds_settles(tmp_path, columns):
    """One allocation of the whole park is what offers, budgets and grid loops come to in two levels."""
    (tmp_path / "s").mkdir()
    (tmp_path / "q").mkdir()
    seconds = simulate(plan_of(columns, minutes=3), tmp_path / "s").trace
    quarter = simulate(plan_of(columns, minutes=15), tmp_path / "q", quarters=True).trace
    for point in ("battery", "roof", "charger", FACTORY, PLAZA, "north", "south", "park"):
        assert seconds[point][-1] == pytest.approx(quarter[point][0], abs=0.75), point
