"""Clocks that jump: of dispatch's host, of the worker's host, and of the country, twice a year."""

import dataclasses

import pytest

from connectors.dispatch import rules
from connectors.dispatch.rules import Refused
from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.crossings import ToleranceWatch
from connectors.simulation.instants import instant_us
from connectors.simulation.second_run import park_of
from streams.messages import Outcome, Refusal
from tests.connectors.dispatch.lease_tables import RULES, fresh, full, wall_us
from tests.connectors.simulation.simulated import plan_of
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, SECOND_US

HOUR_US = 3_600 * SECOND_US
SUNNY = {FACTORY: 10.0, OFFICE: 10.0, BAKERY: 20.0, "roof": -90.0}


@pytest.mark.parametrize(
    ("jump_us", "why"), [(HOUR_US, Refusal.TOO_OLD), (-HOUR_US, Refusal.IN_THE_FUTURE)], ids=["ahead", "back"]
)
def test_R2_a_jump_of_dispatchs_clock_neither_prolongs_nor_shortens_a_lease(jump_us, why):  # noqa: N802
    state, _ = rules.receive(fresh(), full(1, 0, pv=-40, charger=5, battery=20), now_s=0.0, now_us=wall_us(0))
    for second in range(1, 10):
        frame = full(1 + second, second, pv=-40, charger=5, battery=20)
        state, outcome = rules.receive(state, frame, now_s=float(second), now_us=wall_us(second) + jump_us)
        assert outcome == Refused(why)
        state, ended = rules.expire(state, float(second))
        assert ended == ()
    state, ended = rules.expire(state, 10.0)
    assert ended == ("pv",)  # the others follow after their lags (R3)
    state, ended = rules.expire(state, 16.0)
    assert set(ended) == RULES.keys() - {"pv"}
    _, outcome = rules.receive(state, full(20, 17, pv=-40), now_s=17.0, now_us=wall_us(17))
    assert not isinstance(outcome, Refused)


class OtherTime(ClosedLoop):
    """The worker's host has another time than everybody else."""

    ahead_us = 0

    def _decide(self, now_us):
        return super()._decide(now_us + self.ahead_us)


@pytest.mark.parametrize("jump_us", [HOUR_US, -HOUR_US], ids=["ahead", "back"])
def test_R2_R3_while_the_workers_clock_is_an_hour_off_devices_go_home_and_return_when_it_is_right(jump_us):  # noqa: N802
    plan = plan_of(SUNNY, minutes=10)
    loop = OtherTime(plan.hub, park_of(plan), faults=plan.faults)
    watch = ToleranceWatch(plan.hub, loop.park)

    def turn(seconds):
        outcomes = set()
        for _ in range(seconds):
            outcomes |= {(result.outcome, result.refusal) for result in loop.turn().results}
            watch.take(loop.state, step_us=SECOND_US)
        return outcomes, loop.state.asset_w[loop.devices.index["roof"]] / 1000

    _, before_kw = turn(30)
    loop.ahead_us = jump_us
    outcomes, meanwhile_kw = turn(90)
    loop.ahead_us = 0
    _, after_kw = turn(60)
    watch.finish(loop.now_us)
    print(f"the roof made {before_kw:.0f} kW, {meanwhile_kw:.0f} kW meanwhile, {after_kw:.0f} kW a minute after")
    why = Refusal.IN_THE_FUTURE if jump_us > 0 else Refusal.TOO_OLD
    assert (Outcome.REFUSED, why) in outcomes
    assert Outcome.ACCEPTED not in {outcome for outcome, _ in outcomes}
    assert meanwhile_kw == 0
    assert after_kw < -80
    assert watch.crossings == []


@pytest.mark.parametrize("shift", ["2026-03-29T01:00Z", "2026-10-25T01:00Z"])
def test_a_park_decides_the_same_when_the_countrys_clocks_change(shift):
    def lived(around_us):
        plan = plan_of(SUNNY, minutes=2)
        from_us = around_us - 20 * SECOND_US
        powers = dataclasses.replace(plan.powers, start_us=from_us)
        plan = dataclasses.replace(plan, powers=powers, from_us=from_us, until_us=from_us + 120 * SECOND_US)
        loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
        said = [[(frame.ids, frame.power_kw, frame.reason) for frame in loop.turn().setpoints] for _ in range(40)]
        return said, loop.state.node_w.tolist(), [cycle.state.nodes for cycle in loop.cycles.values()]

    assert lived(instant_us(shift)) == lived(instant_us(shift) + 7 * 24 * HOUR_US)
