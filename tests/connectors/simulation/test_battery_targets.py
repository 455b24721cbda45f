"""What target policy does where there is no surplus. What it saves where there is: `tests/lusbalans/test_simulated_targets.py`."""

from connectors.simulation.plan import Watcher
from connectors.simulation.quarter_plant import QuarterPlant, TargetedPlant
from connectors.simulation.quarter_run import QuarterRun
from connectors.simulation.second_run import park_of
from connectors.simulation.trace import open_trace
from tests.connectors.simulation.sunny_days import plan_of_days


def lived(plan, plant):
    park = park_of(plan)
    watcher = Watcher(is_stopped=lambda: False, on_progress=lambda _: None)
    return QuarterRun(plan, park, plant(plan.hub)).run(open_trace(None, []), watcher)


def test_in_winter_a_battery_that_is_half_full_moves_little():
    winter = plan_of_days(7, from_text="2016-12-01T00:00Z")
    rest = lived(winter, QuarterPlant)
    moved = lived(winter, TargetedPlant)
    print(f"charged in December: target 0 {rest.charged_kwh:.0f} kWh, targets {moved.charged_kwh:.0f} kWh")
    assert moved.limits_breached <= rest.limits_breached
    assert moved.violations <= rest.violations
