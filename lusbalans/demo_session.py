"""The demo as its user meets it: progress, live table or lines, the summary, and one clear line when it cannot be."""

import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from connectors.kafka_log import LogUnavailableError, OutsideLogError
from connectors.store.migrations import MigrationError
from connectors.topic_admin import TopicsUnavailableError
from hub.model import Hub
from infra.services import Edition, ServiceError, default_cache_folder
from lusbalans.balance import use_kernel_cache
from lusbalans.children import RoleDiedError
from lusbalans.demo_run import NoSetpointError, Plan, View, run_demo
from lusbalans.environment import InterruptedStartError
from lusbalans.failure import BAD_INPUT, FAILED, LIMIT_BREACHED, OK, CommandFailedError
from lusbalans.interrupt import INTERRUPTED, stop_on_interrupt
from lusbalans.live_table import LiveTable, StatusLines
from lusbalans.summary_text import print_summary, verdict
from lusbalans.surroundings import want_proven
from streams.summary import Summary

_FAILURES = (
    ServiceError,
    TopicsUnavailableError,
    MigrationError,
    RoleDiedError,
    NoSetpointError,
    LogUnavailableError,
    OutsideLogError,
)
"""Each is one line already."""


_WIDTH: Final = 120
"""Columns of a summary that goes to a file."""


def run_session(
    *,
    hub: Hub,
    hub_dir: Path,
    scenario: str,
    edition: Edition,
    data: Path,
    duration_s: float | None,
    headless: bool,
    as_json: bool,
) -> int:
    """Run the demo; returns the exit code.

    Raises:
        CommandFailedError: with one line for the user.
    """
    if hub.profiles is None:
        raise CommandFailedError(f"hub {hub.id} names no profiles: a demo needs them to simulate the park", BAD_INPUT)
    want_proven([hub])
    err = Console(stderr=True)
    began_s = time.monotonic()
    title = f"lusbalans demo: {hub.name}, {scenario}"
    view: View = StatusLines(err) if headless or not err.is_terminal else LiveTable(err, title)

    def say(text: str) -> None:
        err.print(f"{time.monotonic() - began_s:5.1f} s  {text}", highlight=False, markup=False, soft_wrap=True)

    plan = Plan(hub=hub, hub_dir=hub_dir, scenario=scenario, edition=edition, data=data, duration_s=duration_s)
    say(f"{title}; everything is kept in {data}")
    use_kernel_cache(default_cache_folder())
    with stop_on_interrupt() as stop:
        try:
            summary = run_demo(plan, view, stop=stop, on_progress=say)
        except InterruptedStartError:
            say("stopped before the first setpoint; nothing is left running")
            return INTERRUPTED
        except _FAILURES as error:
            raise CommandFailedError(str(error), FAILED) from error
        except OSError as error:
            raise CommandFailedError(f"{error.filename or data}: {error.strerror or error}", FAILED) from error
    say("stopped")
    return _tell(summary, err, as_json=as_json)


def _tell(summary: Summary, err: Console, *, as_json: bool) -> int:
    if as_json:
        print(msgspec.json.encode(summary).decode())  # noqa: T201 (the result)
        err.print(verdict(summary), highlight=False)
    else:
        print_summary(summary, Console(width=None if sys.stdout.isatty() else _WIDTH))
    return LIMIT_BREACHED if summary.limits_breached else OK
