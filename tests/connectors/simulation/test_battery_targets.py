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


def test_a_peak_that_is_higher_than_all_before_is_met_with_a_reserve():
    """Grid loop 3 may draw 680 kW as a quarter's mean; by 24 June it has drawn 656 at most, then 717."""
    june = plan_of_days(24, from_text="2016-06-01T00:00Z")
    moved = lived(june, TargetedPlant)
    print(f"violations in June: {moved.violations}, limits breached: {moved.limits_breached}")
    assert (moved.violations, moved.limits_breached) == (0, 0)


def test_in_winter_a_battery_that_is_half_full_moves_little():
    winter = plan_of_days(7, from_text="2016-12-01T00:00Z")
    rest = lived(winter, QuarterPlant)
    moved = lived(winter, TargetedPlant)
    print(f"charged in December: target 0 {rest.charged_kwh:.0f} kWh, targets {moved.charged_kwh:.0f} kWh")
    assert moved.limits_breached <= rest.limits_breached
    assert moved.violations <= rest.violations
