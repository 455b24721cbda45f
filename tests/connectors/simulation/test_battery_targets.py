"""What target policy saves: thirty sunny days, beside batteries without targets and beside perfect foresight."""

import pytest

from connectors.simulation.plan import Watcher
from connectors.simulation.quarter_plant import QuarterPlant, TargetedPlant
from connectors.simulation.quarter_run import QuarterRun
from connectors.simulation.second_run import park_of
from connectors.simulation.trace import columns_of, open_trace
from tests.connectors.simulation.simulated import read_trace
from tests.connectors.simulation.sunny_days import least_curtailed_kwh, plan_of_days


def lived(plan, plant, path):
    park = park_of(plan)
    told = [asset.id for asset in park.assets if asset.kind.controllable]
    watcher = Watcher(is_stopped=lambda: False, on_progress=lambda _: None)
    with open_trace(path, columns_of(park.network.node_ids, [asset.id for asset in park.assets], told)) as trace:
        summary = QuarterRun(plan, park, plant(plan.hub)).run(trace, watcher)
    return summary, read_trace(path)


@pytest.fixture(scope="module")
def sunny():
    return plan_of_days(30, from_text="2016-06-01T00:00Z", sun_ratio=1.5, load_ratio=0.7)


def test_in_thirty_sunny_days_targets_save_most_of_what_foresight_would(sunny, tmp_path):
    rest, _ = lived(sunny, QuarterPlant, tmp_path / "rest.csv")
    moved, trace = lived(sunny, TargetedPlant, tmp_path / "moved.csv")
    least_kwh = least_curtailed_kwh(sunny)
    saved = (rest.curtailed_kwh - moved.curtailed_kwh) / (rest.curtailed_kwh - least_kwh)
    print(
        f"curtailed: target 0 {rest.curtailed_kwh:.0f} kWh, targets {moved.curtailed_kwh:.0f} kWh,"
        f" foresight {least_kwh:.0f} kWh; {saved:.0%} of the gap"
    )
    assert least_kwh < moved.curtailed_kwh
    assert saved > 0.75
    assert moved.limits_breached <= rest.limits_breached
    assert moved.violations <= rest.violations
    assert moved.exported_kwh == 0
    assert trace["park"].min() >= 0


def test_in_winter_a_battery_that_is_half_full_moves_little(tmp_path):
    winter = plan_of_days(7, from_text="2016-12-01T00:00Z")
    rest, _ = lived(winter, QuarterPlant, tmp_path / "rest.csv")
    moved, _ = lived(winter, TargetedPlant, tmp_path / "moved.csv")
    print(f"charged in December: target 0 {rest.charged_kwh:.0f} kWh, targets {moved.charged_kwh:.0f} kWh")
    assert moved.limits_breached <= rest.limits_breached
    assert moved.violations <= rest.violations
