"""A simulation as its user meets it: input checked as a whole, progress, the summary, and one clear line otherwise."""

import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from rich.console import Console

from connectors.simulation.closed_loop import ClosedLoop, OpenLoop
from connectors.simulation.faults import Fault, FaultError, Faults, parse_fault
from connectors.simulation.instants import as_utc, instant_us
from connectors.simulation.plan import QUARTERS, SECONDS, Plan, Watcher
from connectors.simulation.powers import Powers
from connectors.simulation.profile_checks import check_profiles, cut
from connectors.simulation.profile_file import read_table
from connectors.simulation.quarter_plant import FreePlant, TargetedPlant
from connectors.simulation.quarter_run import QuarterRun
from connectors.simulation.recording import points_of, recorded_powers
from connectors.simulation.second_run import park_of, run_seconds
from connectors.simulation.sessions_file import PlannedSession, read_sessions
from connectors.simulation.summary import SimulationSummary
from connectors.simulation.trace import Trace, columns_of, open_trace
from connectors.simulator.park import Park
from hub.errors import HubErrors
from hub.model import Hub
from lusbalans.failure import BAD_INPUT, FAILED, LIMIT_BREACHED, OK, CommandFailedError
from lusbalans.interrupt import INTERRUPTED, stop_on_interrupt
from lusbalans.simulation_text import print_simulation
from lusbalans.summary_text import verdict

_SAY_EVERY_S: Final = 2.0
_WIDTH: Final = 120

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says, the hub read."""

    hub: Hub
    profiles: Path | None
    dsn: str
    """The database whose recording is played where there are no profiles."""
    sessions: Path | None
    from_text: str
    until_text: str
    quarters: bool
    """In steps of a quarter instead of a second."""
    seed: int
    loss_ratio: float
    delay_ms: int
    faults: tuple[str, ...]
    compare: bool
    """With nobody balancing, too."""


def run_session(asked: Asked, *, trace: Path | None, as_json: bool) -> int:
    """Simulate what was asked; returns the exit code.

    Raises:
        CommandFailedError: with one line per error for the user.
    """
    err = Console(stderr=True)
    plan = make_plan(asked)
    park = park_of(plan)
    controllable = [asset.id for asset in park.assets if asset.kind.controllable]
    columns = columns_of(park.network.node_ids, [asset.id for asset in park.assets], controllable)
    progress = _Progress(err, plan)
    try:
        with stop_on_interrupt() as stop, open_trace(trace, columns) as rows:
            watcher = Watcher(is_stopped=stop.is_set, on_progress=progress.reached)
            summary = _simulate(asked, plan, park, rows, watcher)
    except HubErrors as error:
        raise CommandFailedError(str(error), BAD_INPUT) from error
    except OSError as error:
        raise CommandFailedError(f"{error.filename or trace}: {error.strerror or error}", FAILED) from error
    return _tell(summary, err, as_json=as_json)


def _simulate(asked: Asked, plan: Plan, park: Park, trace: Trace, watcher: Watcher) -> SimulationSummary:
    """The plan balanced, and where that was asked for with nobody balancing too."""
    hub, faults = plan.hub, plan.faults
    if asked.quarters:
        summary = QuarterRun(plan, park, TargetedPlant(hub)).run(trace, watcher)
    else:
        summary = run_seconds(plan, ClosedLoop(hub, park, faults=faults), trace, watcher)
    if not (asked.compare and summary.finished):
        return summary
    nowhere = open_trace(None, [])
    if asked.quarters:
        other = QuarterRun(plan, park, FreePlant(hub)).run(nowhere, watcher)
    else:
        other = run_seconds(plan, OpenLoop(hub, park, faults=faults), nowhere, watcher)
    return msgspec.structs.replace(summary, unbalanced=other)


def make_plan(asked: Asked) -> Plan:
    """Read and check everything that was asked for.

    Raises:
        CommandFailedError: with everything that is wrong.
    """
    wrong: list[str] = []
    step_s = QUARTERS if asked.quarters else SECONDS
    from_us = _instant(asked.from_text, "--from", step_s, wrong)
    until_us = _instant(asked.until_text, "--to", step_s, wrong)
    if not wrong and not from_us < until_us:
        wrong.append(f"--to {asked.until_text} is not later than --from {asked.from_text}")
    faults = [fault for text in asked.faults if (fault := _fault(text, asked.hub, wrong)) is not None]
    if asked.quarters and (asked.faults or asked.loss_ratio or asked.delay_ms):
        wrong.append("--fault, --loss and --delay-ms happen within seconds: use --step 1s")
    sessions: tuple[PlannedSession, ...] | None = ()
    if (path := asked.sessions) is not None:
        sessions = _collected(lambda: read_sessions(path, asked.hub), wrong)
    with_sessions = {session.charger for session in sessions or ()}
    period = (from_us, until_us) if from_us < until_us else None
    powers = _collected(lambda: _read_powers(asked, with_sessions, period), wrong)
    if wrong or powers is None or sessions is None:
        raise CommandFailedError("\n".join(wrong), BAD_INPUT)
    return Plan(
        hub=asked.hub,
        powers=powers,
        sessions=sessions,
        from_us=from_us,
        until_us=until_us,
        faults=Faults(
            faults=tuple(faults), loss_ratio=asked.loss_ratio, delay_us=asked.delay_ms * 1000, seed=asked.seed
        ),
        fault_texts=asked.faults,
    )


def _read_powers(asked: Asked, with_sessions: Collection[str], period: tuple[int, int] | None) -> Powers | None:
    if asked.profiles is None:
        return None if period is None else _play_recording(asked, with_sessions, period)
    powers = check_profiles(read_table(asked.profiles), asked.hub, with_sessions=with_sessions)
    if period is None:
        return powers
    return cut(powers, file=asked.profiles.name, from_us=period[0], until_us=period[1])


def _play_recording(asked: Asked, with_sessions: Collection[str], period: tuple[int, int]) -> Powers:
    """What was recorded; a charger with sessions needs no column."""
    import psycopg

    from connectors.store.recorded import read_recorded

    hub, (from_us, until_us) = asked.hub, period
    try:
        with psycopg.connect(asked.dsn, autocommit=True, connect_timeout=5) as connection:
            recorded = dict(read_recorded(connection, hub.id, points_of(hub), from_us=from_us, until_us=until_us))
    except psycopg.Error as error:
        raise CommandFailedError(f"the database cannot be read: {str(error).splitlines()[0]}", FAILED) from error
    powers = recorded_powers(recorded, hub, from_us=from_us, until_us=until_us)
    kept = [at for at, name in enumerate(powers.names) if name not in with_sessions]
    return replace(powers, names=tuple(powers.names[at] for at in kept), power_kw=powers.power_kw[:, kept])


def _instant(text: str, option: str, step_s: int, wrong: list[str]) -> int:
    at_us = instant_us(text)
    if at_us is None:
        wrong.append(f"{option} {text}: write an ISO 8601 time with its zone, such as 2026-06-21T00:00Z")
        return 0
    if at_us % (step_s * 1_000_000):
        wrong.append(f"{option} {text}: is not a whole {'quarter-hour' if step_s == QUARTERS else 'second'}")
    return at_us


def _fault(text: str, hub: Hub, wrong: list[str]) -> Fault | None:
    try:
        return parse_fault(text, hub)
    except FaultError as error:
        wrong.append(str(error))
        return None


def _collected(read: Callable[[], _T], wrong: list[str]) -> _T | None:
    try:
        return read()
    except HubErrors as errors:
        wrong += map(str, errors.errors)
        return None


@dataclass(slots=True)
class _Progress:
    """Says now and then how far it is, where it takes long enough for that to matter."""

    err: Console
    plan: Plan
    began_s: float = field(default_factory=time.monotonic)
    said_s: float = field(default_factory=time.monotonic)

    def reached(self, at_us: int) -> None:
        now_s = time.monotonic()
        if now_s - self.said_s < _SAY_EVERY_S:
            return
        self.said_s = now_s
        done = (at_us - self.plan.from_us) / (self.plan.until_us - self.plan.from_us)
        left_s = (now_s - self.began_s) * (1 - done) / done if done > 0 else 0.0
        self.err.print(f"{done:6.1%}  {as_utc(at_us)}  about {left_s:.0f} s left", highlight=False)


def _tell(summary: SimulationSummary, err: Console, *, as_json: bool) -> int:
    if summary.until_us == summary.began_us:
        err.print("stopped before anything was simulated", highlight=False)
        return INTERRUPTED
    if as_json:
        print(msgspec.json.encode(summary).decode())  # noqa: T201 (the result)
        err.print(verdict(summary), highlight=False, soft_wrap=True)
    else:
        print_simulation(summary, Console(width=None if sys.stdout.isatty() else _WIDTH))
    return LIMIT_BREACHED if summary.limits_breached else OK
