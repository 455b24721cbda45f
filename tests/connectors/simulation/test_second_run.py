"""Second by second: the same loop, rules and summary as with services, checked by what stands in the trace alone."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.connectors.simulation.simulated import MINUTE_US, NOON_US, limit_of, plan_of, session, simulate
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA

GOLDEN = Path(__file__).parents[2] / "golden/simulation/small-quarter.json"
"""Of `small_quarter`. A change of the rules changes it: then write it anew, and look at what differs."""


def small_quarter(**changes):
    """A quarter in which everything happens: sun, a factory that starts, a car, lost frames and three faults."""
    told = {
        "columns_kw": {
            FACTORY: [10, 10, 10, 120, 120, 120, 10, 10, 10, 10, 10, 10, 10, 10, 10],
            OFFICE: 10.0, PLAZA: 15.0, BAKERY: 40.0,
            "roof": [-20, -40, -60, -80, -95, -95, -95, -95, -95, -95, -90, -50, -20, -80, -95],
        },
        "minutes": 15,
        "sessions": [session("charger", from_min=2.5, to_min=13, kwh=3.0)],
        "faults": [
            "meter-dead:OFFICE@2026-06-21T12:04Z/20s".replace("OFFICE", OFFICE),
            "worker-gap@2026-06-21T12:07Z/30s",
            "device-ignores:battery@2026-06-21T12:10Z/40s",
        ],
        "loss_ratio": 0.02, "delay_us": 60_000, "seed": 7,
    } | changes  # fmt: skip
    return plan_of(told.pop("columns_kw"), **told)


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    return simulate(small_quarter(), tmp_path_factory.mktemp("quarter"))


def test_the_golden_quarter_comes_to_the_same_figures(quarter):
    assert msgspec.json.format(msgspec.json.encode(quarter.summary)).decode() + "\n" == GOLDEN.read_text()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_loses_other_frames(tmp_path, quarter):
    folders = [tmp_path / name for name in ("again", "other")]
    for folder in folders:
        folder.mkdir()
    again = simulate(small_quarter(), folders[0])
    assert msgspec.json.encode(again.summary) == msgspec.json.encode(quarter.summary)
    other = simulate(small_quarter(seed=8), folders[1])
    assert other.summary.readings != again.summary.readings


def test_power_is_conserved_at_every_node_in_every_second(quarter):
    trace = quarter.trace
    assert len(trace["time_utc"]) == 900
    sums = {
        "north/a": [FACTORY], "north/b": [OFFICE], "south/a": [PLAZA], "south/b": [BAKERY],
        "north": [FACTORY, OFFICE], "south": [PLAZA, BAKERY], "park": ["north", "south"], "group": ["park"],
    }  # fmt: skip
    for node, parts in sums.items():
        np.testing.assert_allclose(trace[node], sum(trace[part] for part in parts), atol=1e-6)
    np.testing.assert_allclose(trace[OFFICE], 10 + trace["roof"], atol=1.1e-3)
    np.testing.assert_allclose(trace[PLAZA], 15 + trace["charger"], atol=1.1e-3)
    assert set(trace[BAKERY]) == {40.0}


def test_the_summarys_energies_are_those_of_the_trace_to_the_watt_hours_that_registers_round(quarter):
    summary, trace = quarter.summary, quarter.trace
    park_kw, charging_kw = trace["park"], trace["battery"].clip(0) + trace["charger"]
    assert summary.imported_kwh == pytest.approx(park_kw.clip(0).sum() / 3600, abs=0.0011)
    assert summary.exported_kwh == pytest.approx((-park_kw).clip(0).sum() / 3600, abs=0.0011)
    # frames that are lost at the very start or end would take their watt-hours along
    assert summary.charged_kwh == pytest.approx(charging_kw.sum() / 3600, abs=0.03)
    assert summary.charging.delivered_kwh == pytest.approx(trace["charger"].sum() / 3600, abs=1e-3)


def test_devices_do_what_they_were_told_but_for_ramp_and_fault(quarter):
    trace, ignores = quarter.trace, slice(600, 640)
    followed = np.abs(trace["battery"] - trace["battery setpoint"]) < 1e-3
    assert followed[300:420].mean() > 0.95
    assert not followed[ignores].any() or len(set(trace["battery"][ignores])) == 1
    assert len(set(trace["battery"][ignores])) == 1
    assert (trace["charger"] <= trace["charger setpoint"] + 1e-3).mean() > 0.98


def test_while_nobody_decides_ticks_are_missed_and_after_the_lease_devices_go_home(quarter):
    assert quarter.summary.missed_ticks == 30
    assert quarter.summary.results["reverted"] == 3
    gap = slice(7 * 60 + 12, 7 * 60 + 30)  # the lease of 10 s, and then some
    assert set(quarter.trace["battery setpoint"][gap]) == {0.0}
    assert quarter.trace["roof"][7 * 60 + 20] == 0.0


def test_the_summary_names_what_was_asked_and_how_much_was_heard(quarter):
    summary = quarter.summary
    assert (summary.step_s, summary.seed, summary.finished, summary.not_assessed) == (1, 7, True, [])
    assert summary.faults[1] == "worker-gap@2026-06-21T12:07Z/30s"
    assert summary.ticks == 870
    every_reading = 901 * (2 + 4 + 4 + 3)
    assert 0.96 * every_reading < summary.readings < every_reading
    assert summary.without_profile == []


def test_a_quarter_in_seconds_comes_to_the_same_as_one_step_where_nothing_moves(tmp_path):
    columns = {FACTORY: 50.0, BAKERY: 30.0, PLAZA: 5.0, OFFICE: 12.0}
    (tmp_path / "s").mkdir()
    (tmp_path / "q").mkdir()
    seconds = simulate(plan_of(columns, minutes=15), tmp_path / "s").summary
    quarters = simulate(plan_of(columns, minutes=15), tmp_path / "q", quarters=True).summary
    assert (
        (seconds.imported_kwh, seconds.exported_kwh) == (quarters.imported_kwh, quarters.exported_kwh) == (24.25, 0.0)
    )
    one, other = (limit_of(summary, "park", "import", "quarter") for summary in (seconds, quarters))
    assert (one.quarter_kw, one.quarters_seen) == (other.quarter_kw, other.quarters_seen) == (97.0, 1)


def test_a_load_that_trips_crosses_the_curve_and_is_named(tmp_path):
    columns = {FACTORY: [180.0] * 20 + [0.0] * 40, "roof": -95.0, OFFICE: 5.0, BAKERY: 20.0}
    stuck = [f"device-ignores:{device}@2026-06-21T12:00:15Z/45s" for device in ("battery", "roof")]
    plan = plan_of(columns, minutes=1, step_us=MINUTE_US // 60, faults=stuck)
    summary = simulate(plan, tmp_path).summary
    crossing = next(each for each in summary.crossings if (each.node, each.direction) == ("park", "export"))
    assert crossing.began_us == pytest.approx(NOON_US + 20_000_000, abs=1_500_000)
    assert f"the load of {FACTORY} by -" in crossing.cause
    assert "fault device-ignores battery, device-ignores roof; " in crossing.cause
    assert (crossing.over_ratio, crossing.lasted_s > 10, crossing.highest_kw > 60) == (1.02, True, True)
    assert limit_of(summary, "park", "export", "instant").breached


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = simulate(small_quarter(), Path(folder))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(done.summary)) + b"\n")
