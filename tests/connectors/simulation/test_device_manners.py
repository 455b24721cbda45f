"""Devices as they are: slow, late, in steps, full or empty. The park stays inside its limits with them, in virtual time.

The figures and where they come from: docs/reference/device-manners.md.
"""

from dataclasses import dataclass, replace

import msgspec
import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.crossings import ToleranceWatch
from connectors.simulation.faults import Faults
from connectors.simulation.second_run import park_of
from connectors.simulator.building import build_park
from connectors.simulator.scenarios import scenario_named
from hub.model import AssetKind
from hub.profiles import read_profiles
from tests.connectors.simulation.simulated import plan_of, session
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, QUARTER_START_US, small_hub
from tests.streams.virtual_park import DE_KOUMEN, SECOND_US, de_koumen

SLOWEST_S = {AssetKind.CHARGER: 10.0, AssetKind.PV: 20.0}
"""From nothing to full power."""

ALL_TIME = "@2026-06-21T12:00Z/10min"
SUNNY = {FACTORY: 10.0, OFFICE: 10.0, PLAZA: 0.0, BAKERY: 20.0, "roof": -90.0}
CAR = session("charger", from_min=-1, to_min=60, kwh=60, max_kw=50)


def with_ramps(hub, ramp_s):
    """The hub whose devices need so long from nothing to full power, by kind."""
    return replace(
        hub,
        assets=tuple(
            replace(asset, ramp_kw_per_s=asset.rated_kw / ramp_s[asset.kind]) if asset.kind in ramp_s else asset
            for asset in hub.assets
        ),
    )


class Lived:
    """A park that was lived through."""

    def __init__(self, loop, hub, seconds):
        self.loop, self.watch = loop, ToleranceWatch(hub, loop.park)
        self.park_kw, self.seconds, self.powers_kw = [], [], []
        park_at = loop.park.network.node_ids.index("park")
        for _ in range(seconds):
            self.seconds.append(loop.turn())
            self.watch.take(loop.state, step_us=SECOND_US)
            self.park_kw.append(loop.state.node_w[park_at] / 1000)
            self.powers_kw.append(loop.state.asset_w / 1000)
        self.watch.finish(loop.now_us)

    @property
    def not_following(self):
        frames = [frame for second in self.seconds for frame in second.setpoints]
        return {asset_id for frame in frames for asset_id in frame.not_following or ()}

    def power_kw(self, asset):
        return [powers_kw[self.loop.devices.index[asset]] for powers_kw in self.powers_kw]


def lived(columns, *, hub, seconds, faults=(), sessions=()):
    plan = plan_of(columns, minutes=10, hub=hub, sessions=sessions, faults=[f"{each}{ALL_TIME}" for each in faults])
    return Lived(ClosedLoop(plan.hub, park_of(plan), faults=plan.faults), plan.hub, seconds)


@pytest.mark.parametrize("scenario", ["sunny-noon", "cloudy"])
def test_with_the_slowest_chargers_and_inverters_no_limit_is_crossed_and_slow_is_not_taken_for_not_following(scenario):
    hub = with_ramps(de_koumen(), SLOWEST_S)
    park = build_park(
        hub,
        read_profiles(DE_KOUMEN, hub),
        scenario=scenario_named(scenario),
        began_us=QUARTER_START_US + 300 * SECOND_US,
    )
    found = Lived(ClosedLoop(hub, park, faults=Faults()), hub, 90)
    print(f"{scenario}: least {min(found.park_kw[15:]):.0f} kW at the park's boundary")
    assert found.watch.crossings == []
    assert min(found.park_kw[15:]) >= 0
    assert found.not_following == set()


@pytest.mark.parametrize("pv_s", [2.0, 20.0], ids=["quick inverters", "slow inverters"])
def test_a_battery_that_fills_up_hands_over_to_pv_without_export(pv_s):
    small = with_ramps(small_hub(), {AssetKind.PV: pv_s})
    hub = replace(small, assets=tuple(replace(a, energy_kwh=2.5) if a.id == "battery" else a for a in small.assets))
    found = lived(SUNNY, hub=hub, seconds=240)
    battery_kw, roof_kw = found.power_kw("battery"), found.power_kw("roof")
    assert max(battery_kw) == pytest.approx(50, abs=2)
    assert (battery_kw[-1], roof_kw[-1]) == (pytest.approx(0, abs=2), pytest.approx(-40, abs=2))
    assert found.watch.crossings == []
    assert found.not_following == set()


def test_a_charger_that_stops_below_six_amperes_stays_off_while_there_is_less():
    small = small_hub()
    steps = {"min_on_kw": 4.14, "step_kw": 0.69, "ramp_kw_per_s": 2.2}
    hub = replace(
        small,
        assets=tuple(replace(a, **steps) if a.id == "charger" else a for a in small.assets),
        grid_loops=tuple(replace(g, fallback_max_kw=150.0) for g in small.grid_loops),
    )
    found = lived({FACTORY: 200.0, OFFICE: 0.0, PLAZA: 97.0, BAKERY: 10.0}, hub=hub, seconds=60, sessions=[CAR])
    assert set(found.power_kw("charger")[5:]) == {0.0}
    assert found.not_following == set()


@dataclass(frozen=True, kw_only=True)
class Boasting(Faults):
    """The charger says it could take 50 kW, whatever its car takes."""

    def masked(self, frame, at_us):
        frame = Faults.masked(self, frame, at_us)
        max_kw = [50.0 if name == "charger" else kw for name, kw in zip(frame.ids, frame.max_kw, strict=True)]
        return msgspec.structs.replace(frame, max_kw=max_kw)


def test_r16_a_charger_that_boasts_absorbs_no_sun_of_another_grid_loop():
    small = small_hub()
    hub = replace(small, assets=tuple(replace(a, energy_kwh=0.5) if a.id == "battery" else a for a in small.assets))
    plan = plan_of(SUNNY, minutes=10, hub=hub, sessions=[session("charger", from_min=-1, to_min=60, kwh=60, max_kw=20)])
    found = Lived(ClosedLoop(hub, park_of(plan), faults=Boasting()), hub, 120)
    assert found.power_kw("charger")[-1] == 20
    assert found.power_kw("roof")[-1] == pytest.approx(-60, abs=1)
    assert found.park_kw[-1] == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("actuator_s", "taken_out"),
    [pytest.param(7.0, False, id="its delay is stated"), pytest.param(2.0, True, id="its delay is not stated")],
)
def test_r16_a_device_that_obeys_late_is_taken_out_only_where_nobody_said_that_it_is(actuator_s, taken_out):
    small = small_hub()
    hub = replace(small, timing=replace(small.timing, actuator_s=actuator_s))
    found = lived(SUNNY, hub=hub, seconds=120, faults=["device-late:battery"])
    assert ("battery" in found.not_following) is taken_out
    assert found.park_kw[-1] == pytest.approx(0, abs=1)
    assert found.watch.crossings == []
