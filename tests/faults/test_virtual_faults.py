"""Faults in virtual time: whatever fails, the park's own physics never cross the tolerance curve of a limit.

The curve is a relay's (1.02 times a limit for 10 s, 1.067 for 3 s, 1.69 for 0.1 s); any export at all where none is
allowed counts after 10 s. While a fault lasts the load does the step that the park keeps a margin for.
"""

import dataclasses
import time

import msgspec
import numpy as np
import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.crossings import ToleranceWatch
from connectors.simulation.faults import Fault, FaultKind, Faults
from connectors.simulation.second_run import park_of
from hub.model import STATION, Hub, Margin
from tests.connectors.simulation.simulated import plan_of, session
from tests.faults.measured import row
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, SECOND_US, small_hub
from tests.streams.virtual_park import Park, de_koumen

BEGIN_S, LASTS_S = 60, 60
STEP_S, STEP_KW = 4, 8.0
"""Of load that falls away soon after a fault begins, where the park keeps a margin of 10 kW."""

SUNNY = {
    FACTORY: 10.0,
    OFFICE: 10.0,
    BAKERY: np.where(np.arange(600) < BEGIN_S + STEP_S, 20.0, 20.0 - STEP_KW),
    "roof": -90.0,
}
"""40 kW of load and 90 kW of sun where nothing may leave the park: the battery takes what it can, the roof gives way."""

AWAY = f"@2026-06-21T12:01Z/{LASTS_S}s"
ALL_BACK_S = 330
"""R12: everything is back after five minutes; and the hold before it."""


@dataclasses.dataclass
class Life:
    """A closed loop with the judge of its limits beside it."""

    loop: ClosedLoop
    watch: ToleranceWatch

    def turn(self, seconds):
        """[seconds] What the park drew, kW."""
        park_at = self.loop.park.network.node_ids.index("park")
        drawn_kw = []
        for _ in range(seconds):
            second = self.loop.turn()
            self.watch.take(self.loop.state, step_us=SECOND_US, faults=self.loop.faults.named(self.loop.now_us))
            drawn_kw.append(self.loop.state.node_w[park_at] / 1000)
            assert_told_or_home(self.loop, second)
        return np.array(drawn_kw)

    def power_kw(self, asset):
        return self.loop.state.asset_w[self.loop.devices.index[asset]] / 1000

    def crossings(self):
        self.watch.finish(self.loop.now_us)
        return self.watch.crossings


def assert_told_or_home(loop, second):
    """Each device obeys a setpoint on lease, or goes to its reversion value."""
    on_lease = loop.devices.leases.until_s > loop.now_us / 1e6
    told_kw = np.where(on_lease, loop.devices.leases.setpoint_kw, loop.park.reversion_kw)
    controllable = [asset.kind.controllable for asset in loop.park.assets]
    np.testing.assert_array_equal(second.told_kw[controllable], told_kw[controllable])


def born(columns, *, hub=None, kind=None, **words) -> Life:
    plan = plan_of(columns, hub=hub, **words)
    faults = (
        plan.faults
        if kind is None
        else kind(**{each.name: getattr(plan.faults, each.name) for each in dataclasses.fields(Faults)})
    )
    loop = ClosedLoop(plan.hub, park_of(plan), faults=faults)
    return Life(loop, ToleranceWatch(plan.hub, loop.park))


FAULTS = {
    "none": [],
    "worker away, shorter than a lease": ["worker-gap@2026-06-21T12:01Z/8s"],
    "worker away, longer than all leases": [f"worker-gap{AWAY}"],
    "gateway of a loop with a battery silent": [f"gateway-silent:north{AWAY}"],
    "gateway of the boundary silent": [f"gateway-silent:@station{AWAY}"],
    "all gateways silent": [f"gateway-silent:{one}{AWAY}" for one in ("north", "south", "@station")],
    "battery ignores its setpoints": [f"device-ignores:battery{AWAY}"],
    "roof ignores its setpoints": [f"device-ignores:roof{AWAY}"],
    "battery obeys five seconds late": [f"device-late:battery{AWAY}"],
    "meter of the battery's connection dead": [f"meter-dead:{FACTORY}{AWAY}"],
    "feeder meter of the roof's arm dead": [f"meter-dead:north/b{AWAY}"],
    "boundary meter dead": [f"meter-dead:park{AWAY}"],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_on_a_sunny_noon_no_fault_lets_out_what_may_not_leave(faults, request):
    life = born(SUNNY, hub=careful_hub(), minutes=10, step_us=SECOND_US, faults=faults)
    before_kw, during_kw, after_kw = life.turn(BEGIN_S), life.turn(LASTS_S), life.turn(60)
    row(
        f"{request.node.callspec.id}, in virtual time",
        "reversion values, bounds by direction (R3, R6, R7)",
        park_drew=f"{before_kw[-1]:.0f} kW before, {during_kw.min():.0f} to {during_kw.max():.0f} kW meanwhile,"
        f" {after_kw.min():.0f} to {after_kw.max():.0f} kW in the minute after",
    )
    assert life.crossings() == []


def test_a_blackout_of_ten_minutes_is_spent_at_reversion_values_and_left_in_turn():
    live_through_a_blackout(600)


def live_through_a_blackout(seconds):
    gap = f"worker-gap@2026-06-21T12:01Z/{seconds}s"
    began_s = time.monotonic()
    life = born({**SUNNY, BAKERY: 20.0}, minutes=seconds // 60 + 20, faults=[gap])
    life.turn(BEGIN_S)
    assert life.power_kw("roof") < -80
    life.turn(60)
    assert life.power_kw("roof") == life.power_kw("battery") == 0
    life.turn(seconds - 61)
    assert life.power_kw("roof") == life.power_kw("battery") == 0
    returned_s = next(
        second for second in range(ALL_BACK_S) if life.turn(1) is not None and life.power_kw("roof") < -80
    )
    print(f"{seconds} s in {time.monotonic() - began_s:.1f} s; the roof was back {returned_s} s after a worker was")
    assert life.crossings() == []


DE_KOUMEN_FAULTS = {
    "worker away": (FaultKind.WORKER_GAP, ""),
    "gateway of a loop silent": (FaultKind.GATEWAY_SILENT, "lus-3"),
    "gateway of the boundary silent": (FaultKind.GATEWAY_SILENT, STATION),
    "feeder meter dead": (FaultKind.METER_DEAD, "lus-1/a"),
}


@pytest.mark.parametrize(("kind", "target"), DE_KOUMEN_FAULTS.values(), ids=DE_KOUMEN_FAULTS)
def test_under_clouds_no_fault_lets_de_koumen_cross_a_limit(kind, target):
    """Roofs of 2.7 MW, 100 companies that come and go, batteries and a charging plaza, with the margins of its folder."""
    park = Park("cloudy").turn(30)
    began_us = park.now_us
    fault = Fault(kind, target, began_us, began_us + LASTS_S * SECOND_US)
    life = Life(park.closed, ToleranceWatch(de_koumen(), park.plant))
    life.loop.faults = Faults(faults=(fault,))
    drawn_kw = life.turn(LASTS_S + 30)
    print(f"drawn by the park: {drawn_kw.min():.0f} to {drawn_kw.max():.0f} kW")
    assert life.crossings() == []


def careful_hub() -> Hub:
    return dataclasses.replace(small_hub(), margin=Margin(import_kw=10.0, export_kw=10.0, source="invented"))


def tight_hub() -> Hub:
    """The charging plaza's section carries 60 kW instead of 500."""
    hub = small_hub()
    limits = tuple(
        dataclasses.replace(limit, import_kw=60.0) if limit.node == "south-1" else limit for limit in hub.limits
    )
    return dataclasses.replace(hub, limits=limits)


@pytest.mark.parametrize("dead", ["south/a", PLAZA, "charger"], ids=["feeder", "connection", "charger"])
def test_R7_a_meter_lost_at_95_percent_load_lets_nothing_above_the_limit(dead):  # noqa: N802
    """27 kW of load and a car of 30 kW on 60 kW; while nobody sees it the load rises to 45 kW."""
    load_kw = np.where(np.arange(600) < BEGIN_S + 30, 27.0, 45.0)
    cars = [session("charger", from_min=-1, to_min=60, kwh=50, max_kw=30)]
    life = born(
        {PLAZA: load_kw},
        hub=tight_hub(),
        minutes=10,
        step_us=SECOND_US,
        sessions=cars,
        faults=[f"meter-dead:{dead}{AWAY}"],
    )
    life.turn(BEGIN_S)
    assert life.power_kw("charger") == pytest.approx(30, abs=1)
    life.turn(LASTS_S)
    print(f"{dead} lost at 57 of 60 kW: the charger went to {life.power_kw('charger'):.0f} kW")
    assert life.power_kw("charger") <= 15
    life.turn(120)
    assert life.power_kw("charger") == pytest.approx(15, abs=1.5)
    assert life.crossings() == []


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrongClock(Faults):
    """From a moment on, the clock of grid loop north's gateway is wrong."""

    wrong_us: int = 0

    def masked(self, frame, at_us):
        frame = super().masked(frame, at_us)
        if not self.named(at_us) and at_us % 600_000_000 >= BEGIN_S * SECOND_US and "north" in frame.gateway:
            return msgspec.structs.replace(frame, measured_at_us=[at + self.wrong_us for at in frame.measured_at_us])
        return frame


@pytest.mark.parametrize("hours", [1, -1], ids=["an hour ahead", "an hour behind"])
def test_R5_a_gateway_whose_clock_is_wrong_counts_as_silent_and_no_other(hours):  # noqa: N802
    life = born(
        SUNNY,
        hub=careful_hub(),
        minutes=10,
        step_us=SECOND_US,
        kind=lambda **words: WrongClock(wrong_us=hours * 3_600_000_000, **words),
    )
    life.turn(BEGIN_S)
    assert life.loop.cycles["north"].state.mode == "closed"
    life.turn(LASTS_S)
    assert {name: cycle.state.mode for name, cycle in life.loop.cycles.items()} == {
        "north": "fallback",
        "south": "closed",
    }
    assert life.loop.cycles["north"].state.folded_until_us <= life.loop.now_us
    assert life.crossings() == []


@pytest.mark.parametrize(
    ("loss", "delay_us"), [(0.2, 0), (0.0, 1_500_000), (0.2, 1_500_000)], ids=["20 % lost", "1.5 s late", "both"]
)
def test_telemetry_that_is_lost_or_late_crosses_nothing(loss, delay_us):
    life = born(SUNNY, hub=careful_hub(), minutes=10, step_us=SECOND_US, loss_ratio=loss, delay_us=delay_us, seed=7)
    drawn_kw = life.turn(180)
    print(f"least drawn by the park {drawn_kw.min():.1f} kW")
    assert life.crossings() == []
