"""What target policy saves, as `lusbalans simulate` tells it: thirty sunny days of De Koumen from files.

Beside batteries whose target is always 0, and beside perfect foresight.
"""

import csv
import json

import pytest
from click.testing import CliRunner

from connectors.simulation.instants import as_utc
from connectors.simulation.plan import Watcher
from connectors.simulation.quarter_plant import QuarterPlant
from connectors.simulation.quarter_run import QuarterRun
from connectors.simulation.second_run import park_of
from connectors.simulation.trace import open_trace
from lusbalans.cli import main
from tests.connectors.simulation.simulated import read_trace
from tests.connectors.simulation.sunny_days import least_curtailed_kwh, plan_of_days
from tests.connectors.simulator.park_words import DE_KOUMEN


def simulated(plan, folder, name):
    """Summary and trace, and the bytes of both."""
    profiles, trace = folder / "profiles.csv", folder / f"{name}.csv"
    powers = plan.powers
    with profiles.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_utc", *powers.names])
        for at, row in enumerate(powers.power_kw.tolist()):
            rows.writerow([as_utc(powers.start_us + at * powers.step_us), *row])
    words = [DE_KOUMEN, "--profiles", profiles, "--from", as_utc(plan.from_us), "--to", as_utc(plan.until_us)]
    words += ["--step", "15min", "--trace", trace, "--json"]
    done = CliRunner().invoke(main, ["simulate", *map(str, words)])
    assert done.exit_code in {0, 4}, done.output
    return json.loads(done.stdout), trace, (done.stdout, trace.read_bytes())


def at_rest(plan):
    park = park_of(plan)
    watcher = Watcher(is_stopped=lambda: False, on_progress=lambda _: None)
    return QuarterRun(plan, park, QuarterPlant(plan.hub)).run(open_trace(None, []), watcher)


@pytest.fixture(scope="module")
def sunny():
    return plan_of_days(30, from_text="2016-06-01T00:00Z", sun_ratio=1.5, load_ratio=0.7)


def test_in_thirty_sunny_days_targets_save_most_of_what_foresight_would(sunny, tmp_path):
    rest = at_rest(sunny)
    moved, trace, _ = simulated(sunny, tmp_path, "moved")
    least_kwh = least_curtailed_kwh(sunny)
    saved = (rest.curtailed_kwh - moved["curtailed_kwh"]) / (rest.curtailed_kwh - least_kwh)
    print(
        f"curtailed: target 0 {rest.curtailed_kwh:.0f} kWh, targets {moved['curtailed_kwh']:.0f} kWh,"
        f" foresight {least_kwh:.0f} kWh; {saved:.0%} of the gap"
    )
    assert least_kwh < moved["curtailed_kwh"]
    assert saved > 0.75
    assert moved["limits_breached"] <= rest.limits_breached
    assert moved["violations"] <= rest.violations
    assert moved["exported_kwh"] == 0
    assert read_trace(trace)["park"].min() >= 0


def test_the_same_files_and_seed_give_the_same_bytes_with_targets_too(tmp_path):
    days = plan_of_days(3, from_text="2016-06-01T00:00Z", sun_ratio=1.5, load_ratio=0.7)
    *_, first = simulated(days, tmp_path, "first")
    *_, second = simulated(days, tmp_path, "second")
    assert first == second
