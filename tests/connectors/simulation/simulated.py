"""The small park simulated, said in few words: columns of kW per minute in, summary and trace out."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.faults import Faults, parse_fault
from connectors.simulation.instants import instant_us
from connectors.simulation.plan import Plan, Watcher
from connectors.simulation.powers import Powers
from connectors.simulation.quarter_plant import TargetedPlant
from connectors.simulation.quarter_run import QuarterRun
from connectors.simulation.second_run import park_of, run_seconds
from connectors.simulation.sessions_file import PlannedSession
from connectors.simulation.summary import SimulationSummary
from connectors.simulation.trace import columns_of, open_trace
from tests.streams.small_park import small_hub

NOON_US = instant_us("2026-06-21T12:00Z")
MINUTE_US = 60_000_000


def plan_of(columns_kw, *, minutes, step_us=MINUTE_US, sessions=(), faults=(), hub=None, **disturbances):
    """A plan from noon on; a column is one figure for all the time, or one per step."""
    hub = hub or small_hub()
    rows = minutes * MINUTE_US // step_us
    powers = Powers(
        names=tuple(columns_kw),
        start_us=NOON_US,
        step_us=step_us,
        power_kw=np.stack([np.broadcast_to(np.array(kw, np.float64), rows) for kw in columns_kw.values()], axis=1),
    )
    return Plan(
        hub=hub,
        powers=powers,
        sessions=tuple(sorted(sessions, key=lambda one: (one.charger, one.arrival_us))),
        from_us=NOON_US,
        until_us=NOON_US + minutes * MINUTE_US,
        faults=Faults(faults=tuple(parse_fault(text, hub) for text in faults), **disturbances),
        fault_texts=tuple(faults),
    )


def session(charger, *, from_min, to_min, kwh, max_kw=22.0):
    return PlannedSession(
        charger=charger,
        arrival_us=NOON_US + round(from_min * MINUTE_US),
        departure_us=NOON_US + round(to_min * MINUTE_US),
        energy_kwh=kwh,
        max_kw=max_kw,
        row=2,
    )


@dataclass(frozen=True)
class Simulated:
    summary: SimulationSummary
    trace: dict
    """Columns of the trace as numbers, read back from the file alone; NaN where there is none."""


def simulate(plan, folder: Path, *, quarters=False, stop_after_looks=None) -> Simulated:
    park, looks = park_of(plan), []
    controllable = [asset.id for asset in park.assets if asset.kind.controllable]
    columns = columns_of(park.network.node_ids, [asset.id for asset in park.assets], controllable)
    watcher = Watcher(is_stopped=lambda: len(looks) > (stop_after_looks or 10**9), on_progress=looks.append)
    with open_trace(folder / "trace.csv", columns) as trace:
        run = (
            QuarterRun(plan, park, TargetedPlant(plan.hub)).run
            if quarters
            else lambda *rest: run_seconds(plan, ClosedLoop(plan.hub, park, faults=plan.faults), *rest)
        )
        summary = run(trace, watcher)
    return Simulated(summary, read_trace(folder / "trace.csv"))


def read_trace(path):
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    numbers = np.array([[np.nan if cell == "" else float(cell) for cell in row[1:]] for row in rows])
    numbers = numbers.reshape(len(rows), len(header) - 1)
    return {"time_utc": [row[0] for row in rows]} | {name: numbers[:, at] for at, name in enumerate(header[1:])}


def limit_of(summary, node, direction, judged):
    return next(x for x in summary.limits if (x.node, x.direction, x.judged) == (node, direction, judged))
