"""A simulation in steps of a second: the closed loop from the first instant to the last, watched and summed up."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from connectors.simulation.charging import ChargingRecord
from connectors.simulation.closed_loop import SECOND_US, ClosedLoop, Heard, Second
from connectors.simulation.crossings import ToleranceWatch
from connectors.simulation.measured import measured_park, without_profile
from connectors.simulation.plan import SECONDS, Plan, Watcher
from connectors.simulation.summary import SimulationSummary
from connectors.simulation.trace import Trace
from connectors.simulator.park import Park
from hub.model import Hub
from streams.summary import Summary, SummaryFold

_LOOK_EVERY: Final = 10
"""Seconds between two looks at who looks on."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What became of a run in steps of a second."""

    summary: Summary
    watch: ToleranceWatch
    charging: ChargingRecord
    until_us: int


def run_seconds(plan: Plan, loop: ClosedLoop, trace: Trace, watcher: Watcher) -> SimulationSummary:
    """Simulate a plan; `loop` is one around `park_of` it."""
    lived = live(plan.hub, loop, until_us=plan.until_us, trace=trace, watcher=watcher)
    return SimulationSummary(
        **msgspec.structs.asdict(lived.summary),
        step_s=SECONDS,
        seed=plan.faults.seed,
        finished=lived.until_us == plan.until_us,
        faults=list(plan.fault_texts),
        loss_ratio=plan.faults.loss_ratio,
        delay_ms=plan.faults.delay_us // 1000,
        not_assessed=[],
        without_profile=without_profile(plan.hub, plan.powers, plan.sessions),
        crossings=lived.watch.crossings,
        crossing_count=lived.watch.count,
        charging=lived.charging.figures(until_us=lived.until_us),
    )


def park_of(plan: Plan) -> Park:
    """The park that a plan simulates."""
    return measured_park(plan.hub, plan.powers, plan.sessions, began_us=plan.from_us)


def live(hub: Hub, loop: ClosedLoop, *, until_us: int, trace: Trace, watcher: Watcher) -> Lived:
    """Let any park live from its beginning until an instant, or until it is stopped."""
    park, fold = loop.park, SummaryFold(hub)
    watch = ToleranceWatch(hub, park)
    charging = ChargingRecord(park.chargers, from_us=park.began_us)
    told = np.flatnonzero([asset.kind.controllable for asset in park.assets])
    while loop.now_us < until_us:
        if (loop.now_us - park.began_us) // SECOND_US % _LOOK_EVERY == 0:
            watcher.on_progress(loop.now_us)
            if watcher.is_stopped():
                break
        began_us = loop.now_us
        second = loop.turn()
        _sum_up(fold, second)
        watch.take(loop.state, step_us=SECOND_US, faults=loop.faults.named(began_us))
        charging.take(loop.state.chargers.session, loop.state.chargers.taken_kwh)
        row_kw = np.concatenate([loop.state.point_w / 1000, second.told_kw[told]])
        trace.write(np.array([began_us]), row_kw[None, :])
    _hear(fold, loop.last_words())
    watch.finish(loop.now_us)
    return Lived(fold.summary(), watch, charging, loop.now_us)


def _sum_up(fold: SummaryFold, second: Second) -> None:
    _hear(fold, second.heard)
    for state in second.states:
        fold.take_state(state)
    for frame in second.setpoints:
        fold.take_setpoints(frame, appended_us=None)
    for result in second.results:
        fold.take_result(result)


def _hear(fold: SummaryFold, heard: tuple[Heard, ...]) -> None:
    for each in heard:
        fold.take_telemetry(each.grid_loop, each.frame, received_at_us=each.received_at_us)
