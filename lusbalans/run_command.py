"""`lusbalans run ROLE`: one role of the system as one process, until SIGTERM or SIGINT.

Each role is imported only when it is asked for: dispatch and recorder never load Faust, the worker no database driver.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Final, NoReturn

import click

from hub.errors import HubErrors
from hub.folder import read_hub
from hub.model import Hub
from infra.health import Check, Health, fresh, serve_http
from infra.logs import configure_logs
from infra.settings import Settings, SettingsError, load_settings
from lusbalans.balance import use_kernel_cache

FAILED: Final = 1
BAD_INPUT: Final = 2
NOT_FOUND: Final = 3

RECORDER_STUCK_S: Final = 60.0
"""A batch takes well under a second, a look at a database that is away two; a minute is stuck."""


@click.command()
@click.argument("role", type=click.Choice(["worker", "dispatch", "recorder", "simulator"]))
@click.option("--hub", "hub_dir", metavar="DIR", help="The hub folder; default: LUSBALANS_HUB_DIR.")
@click.option("--data", "data_dir", metavar="DIR", help="Where the role keeps what must survive it.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Metrics and health; 0 for none.")
def run(role: str, hub_dir: str | None, data_dir: str | None, http_port: int | None) -> None:
    """Run one ROLE as this process.

    Settings come from the environment (LUSBALANS_KAFKA_BOOTSTRAP, LUSBALANS_DATABASE_DSN and so on).
    """
    try:
        settings = load_settings(os.environ, hub_dir=hub_dir, data_dir=data_dir, http_port=http_port)
        park = _read_hub(settings)
        settings.data_path.mkdir(parents=True, exist_ok=True)
    except (SettingsError, HubErrors) as error:
        _fail(str(error), BAD_INPUT)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}", NOT_FOUND)
    configure_logs(role=role, level=settings.log_level, as_json=settings.log_json)
    _ROLES[role](settings, park)


def _read_hub(settings: Settings) -> Hub:
    if not settings.hub_dir:
        raise SettingsError("no hub folder: give --hub DIR or set LUSBALANS_HUB_DIR")
    folder = Path(settings.hub_dir).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is no such hub folder", str(folder))
    return read_hub(folder)


def _worker(settings: Settings, park: Hub) -> None:
    use_kernel_cache(settings.data_path)
    from streams.worker import WorkerFailedError
    from streams.worker import run as balance_park

    try:
        balance_park(settings, park)
    except WorkerFailedError as error:
        _fail(str(error), FAILED)


def _dispatch(settings: Settings, park: Hub) -> None:
    from connectors.dispatch.marks import MarksError
    from connectors.dispatch.role import DispatchError
    from connectors.dispatch.role import run as dispatch

    try:
        dispatch(settings, park, _stopped_by_signals())
    except (MarksError, DispatchError) as error:
        _fail(str(error), FAILED)


def _recorder(settings: Settings, park: Hub) -> None:
    from connectors.recorder import RecorderProgress, StoreNotReadyError
    from connectors.recorder import run as record
    from infra.metrics import RecorderMetrics

    progress = RecorderProgress()

    def health() -> Health:
        turn = fresh("turn", time.monotonic() - progress.last_turn_monotonic_s, max_age_s=RECORDER_STUCK_S)
        database = Check("database", not progress.database_away, "away" if progress.database_away else "answers")
        return Health(progress=(turn,), duty=(database,))

    page = (
        closing(serve_http(settings.http_host, settings.http_port, RecorderMetrics(park.id, progress).registry, health))
        if settings.http_port
        else nullcontext()
    )
    try:
        with page:
            record(settings, park, _stopped_by_signals(), progress)
    except StoreNotReadyError as error:
        _fail(str(error), FAILED)


def _simulator(settings: Settings, park: Hub) -> None:
    from connectors.simulator.role import run as simulate
    from connectors.simulator.scenarios import ScenarioError
    from hub.profiles import ProfileError

    try:
        simulate(settings, park, _stopped_by_signals())
    except (ScenarioError, ProfileError) as error:
        _fail(str(error), BAD_INPUT)


_ROLES: Final[dict[str, Callable[[Settings, Hub], None]]] = {
    "worker": _worker,
    "dispatch": _dispatch,
    "recorder": _recorder,
    "simulator": _simulator,
}


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
