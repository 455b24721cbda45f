"""One run of the demo, from an empty folder to the summary. Builds processes and looks at them; decides nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import msgspec
import psycopg

from connectors.run_log import Happened, RunLog
from connectors.store.offsets import LogPartition
from connectors.store.row_counts import count_rows, is_stored
from hub.model import Hub
from hub.quarters import quarter_start_us
from infra.clock import now_us
from infra.services import Edition, Progress
from infra.services.folder import FolderLock
from infra.services.ports import free_port
from infra.settings import Settings
from lusbalans.children import Roles, compiling
from lusbalans.environment import Environment, InterruptedStartError, start_environment
from lusbalans.picture import Picture
from streams.messages import LoopState, SetpointFrame, SetpointResult, TelemetryFrame
from streams.summary import Summary, SummaryFold

SENDERS: Final = ("watchdog", "simulator", "worker", "dispatch")
"""Stopped first, so that the recorder can store the last of what they said."""

FIRST_SETPOINT_S: Final = 120.0
"""A demo whose roles have run this long without a setpoint will not get one."""

_EARLY_US: Final = 10_000_000
"""The quarter that is open is judged with what an earlier run said in it, from a little before its start."""

_LOOK_S: Final = 0.2
_READY_EVERY_S: Final = 0.5
_CATCH_UP_S: Final = 5.0


class NoSetpointError(Exception):
    """Everything runs, but nothing is balanced; one line with who is not ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for."""

    hub: Hub
    hub_dir: Path
    scenario: str
    edition: Edition
    data: Path
    duration_s: float | None
    """From the first setpoint on; None until somebody stops it."""


class View(Protocol):
    """Shows the picture while everything runs."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

    def update(self, picture: Picture) -> None:
        """Take note of the picture; called a few times a second."""


def run_demo(plan: Plan, view: View, *, stop: threading.Event, on_progress: Progress) -> Summary:
    """Start everything, watch it for as long as asked, stop everything, and sum it up.

    Raises:
        ServiceError, TopicsUnavailableError, MigrationError: broker or database cannot be had.
        InterruptedStartError: `stop` was set before the first setpoint.
        RoleDiedError, NoSetpointError, LogUnavailableError, OutsideLogError: it did not go as it should.
    """
    began_us = now_us()
    with (
        FolderLock(plan.data),
        compiling(plan.hub_dir, plan.data, on_progress=on_progress) as compilation,
        _running_environment(plan, stop, on_progress) as environment,
        RunLog(environment.kafka.bootstrap, plan.hub.id, since_us=quarter_start_us(began_us) - _EARLY_US) as log,
        Roles(_settings(plan, environment), on_progress=on_progress) as roles,
    ):
        roles.start("simulator", "dispatch", "recorder", "watchdog")
        on_progress("waiting for the compiled kernel (half a minute, the first time)")
        compilation.wait(stop)
        roles.start("worker")
        watch = _Watch(plan.hub, log, roles)
        watch.wait_for_setpoint(stop, on_progress)
        with view:
            watch.look(view, stop, duration_s=plan.duration_s)
        on_progress("stopping: roles, then broker and database")
        roles.stop(*SENDERS)
        ends = watch.read_to_the_end()
        rows = _rows_stored(environment.database.dsn, ends, since_us=began_us)
    first_us = watch.picture.first_setpoint_us
    after_s = None if first_us is None else round((first_us - began_us) / 1e6, 3)
    return msgspec.structs.replace(watch.fold.summary(), rows_stored=rows, first_setpoint_after_s=after_s)


class _Watch:
    """Reads what happens and keeps both the picture and the sum of it."""

    def __init__(self, hub: Hub, log: RunLog, roles: Roles) -> None:
        self.fold = SummaryFold(hub)
        self.picture = Picture(hub)
        self._log = log
        self._roles = roles

    def wait_for_setpoint(self, stop: threading.Event, on_progress: Progress) -> None:
        """Tell who becomes ready, until something is balanced."""
        began_s = time.monotonic()
        waiting, next_look_s = list(self._roles.running.values()), began_s
        while self.picture.first_setpoint_us is None:
            if stop.is_set():
                raise InterruptedStartError
            now_s = time.monotonic()
            if now_s - began_s > FIRST_SETPOINT_S:
                names = ", ".join(role.name for role in waiting)
                raise NoSetpointError(f"no setpoint within {FIRST_SETPOINT_S:.0f} s; not ready: {names or 'nobody'}")
            if now_s >= next_look_s:
                next_look_s = now_s + _READY_EVERY_S
                for role in [role for role in waiting if role.is_ready()]:
                    waiting.remove(role)
                    on_progress(f"{role.name} is ready")
            self._read()
        on_progress("first setpoint")

    def look(self, view: View, stop: threading.Event, *, duration_s: float | None) -> None:
        """Show what happens until the time is over or somebody stops it."""
        until_s = None if duration_s is None else time.monotonic() + duration_s
        while not stop.is_set() and (until_s is None or time.monotonic() < until_s):
            self._read()
            view.update(self.picture)

    def read_to_the_end(self) -> dict[LogPartition, int]:
        """Read what the senders said last; return where the log ends."""
        ends = self._log.ends()
        until_s = time.monotonic() + _CATCH_UP_S
        while not self._log.has_read(ends) and time.monotonic() < until_s:
            self._take()
        return ends

    def _read(self) -> None:
        self._roles.require_alive()
        self._take()

    def _take(self) -> None:
        for happened in self._log.poll(_LOOK_S):
            if not happened.before:
                self.picture.take(happened)
            self._sum_up(happened)

    def _sum_up(self, happened: Happened) -> None:
        fold, appended_us = self.fold, happened.appended_us
        match happened.message:
            case TelemetryFrame() as frame if happened.before:
                fold.remember_telemetry(happened.grid_loop, frame, received_at_us=appended_us)
            case TelemetryFrame() as frame:
                fold.take_telemetry(happened.grid_loop, frame, received_at_us=appended_us)
            case LoopState() as state:
                fold.take_state(state)
            case SetpointFrame() as setpoints:
                fold.take_setpoints(setpoints, appended_us=appended_us)
            case SetpointResult() as result:
                fold.take_result(result)


@contextmanager
def _running_environment(plan: Plan, stop: threading.Event, on_progress: Progress) -> Iterator[Environment]:
    environment = start_environment(plan.data, plan.edition, stop=stop, on_progress=on_progress)
    try:
        yield environment
    finally:
        environment.stop()


def _settings(plan: Plan, environment: Environment) -> Settings:
    return Settings(
        hub_dir=str(plan.hub_dir),
        data_dir=str(plan.data),
        kafka_bootstrap=environment.kafka.bootstrap,
        database_dsn=environment.database.dsn,
        simulator_port=free_port(),
        scenario=plan.scenario,
    )


def _rows_stored(dsn: str, ends: dict[LogPartition, int], *, since_us: int) -> dict[str, int]:
    """Rows of this run by table, once the recorder has stored all of it; none where the database does not answer."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=3) as connection:
            until_s = time.monotonic() + _CATCH_UP_S
            while not is_stored(connection, ends) and time.monotonic() < until_s:
                time.sleep(_LOOK_S)
            return count_rows(connection, since_us=since_us)
    except psycopg.Error:
        return {}
