"""The roles: one process each. A role's libraries are loaded when it runs, so that no role loads another's."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Final

import click
import structlog

from infra.logs import configure_logs
from infra.settings import Settings
from lusbalans.balance import use_kernel_cache
from lusbalans.failure import BAD_INPUT, FAILED, CommandFailedError
from lusbalans.surroundings import want_hub, want_keyring, want_parks, want_proven, want_settings

_log = structlog.get_logger()


def run_worker(settings: Settings) -> None:
    """Balance grid loops, of one park or of a folder of parks. Faust minds the signals itself."""
    group, hubs = want_parks(settings.hub_dir)
    want_proven(hubs)
    from streams.worker import WorkerFailedError, run

    try:
        run(settings, hubs, group=group)
    except WorkerFailedError as error:
        raise CommandFailedError(str(error)) from error


def run_dispatch(settings: Settings) -> None:
    """Tell devices their setpoints, and keep the leases."""
    hub = want_hub(settings.hub_dir)
    from connectors.dispatch.marks import MarksError
    from connectors.dispatch.role import DispatchError, run

    try:
        run(settings, hub, stop_on_signal())
    except (MarksError, DispatchError) as error:
        raise CommandFailedError(str(error)) from error


def run_recorder(settings: Settings) -> None:
    """Store what passes on Kafka."""
    hub = want_hub(settings.hub_dir)
    from connectors.recorder import RecorderProgress, StoreNotReadyError, run
    from connectors.recorder_health import health_of
    from infra.health import serve_http
    from infra.metrics import RecorderMetrics

    if not settings.database_dsn:
        raise CommandFailedError("no database: set LUSBALANS_DATABASE_DSN", BAD_INPUT)
    progress = RecorderProgress()
    with ExitStack() as stack:
        if settings.http_port:
            registry = RecorderMetrics(hub.id, progress).registry
            page = serve_http(settings.http_host, settings.http_port, registry, health_of(progress))
            stack.callback(page.close)
        try:
            run(settings, hub, stop_on_signal(), progress)
        except StoreNotReadyError as error:
            raise CommandFailedError(str(error)) from error


def run_watchdog(settings: Settings) -> None:
    """Revert grid loops that nobody decides on."""
    hub = want_hub(settings.hub_dir)
    from connectors.watchdog.role import run

    run(settings, hub, stop_on_signal())


def run_simulator(settings: Settings) -> None:
    """Be the park: devices, meters and gateways."""
    hub = want_hub(settings.hub_dir)
    from connectors.simulator.role import run
    from connectors.simulator.scenarios import ScenarioError
    from hub.profiles import ProfileError

    try:
        run(settings, hub, stop_on_signal())
    except (ScenarioError, ProfileError) as error:
        raise CommandFailedError(str(error), BAD_INPUT) from error


ROLES: Final[Mapping[str, Callable[[Settings], None]]] = {
    "worker": run_worker,
    "dispatch": run_dispatch,
    "recorder": run_recorder,
    "watchdog": run_watchdog,
    "simulator": run_simulator,
}


SIGNING: Final = frozenset({"worker", "dispatch", "watchdog"})
"""Roles that sign or verify."""


@click.command()
@click.argument("role", metavar="ROLE", type=click.Choice(list(ROLES)))
@click.option("--hub", "hub_dir", metavar="DIR", help="The hub folder; default: LUSBALANS_HUB_DIR.")
@click.option("--data", "data_dir", metavar="DIR", help="What the role keeps; default: LUSBALANS_DATA_DIR.")
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Metrics and health; 0 for none; default: the settings.",
)
def run(role: str, hub_dir: str | None, data_dir: str | None, http_port: int | None) -> None:
    """Run one role of a park until SIGTERM or SIGINT.

    \b
    worker     balances grid loops: telemetry in, setpoints out; of one hub, or of all hubs in a folder of hub folders
    dispatch   tells devices their setpoints and keeps the leases
    recorder   stores what passes in PostgreSQL or TimescaleDB
    watchdog   sends a grid loop to its reversion values when nobody decides on it
    simulator  stands in for a park: devices, meters, gateways

    Everything else is set by variables LUSBALANS_<NAME>, such as LUSBALANS_KAFKA_BOOTSTRAP=127.0.0.1:9092. With
    LUSBALANS_HTTP_PORT a role serves /metrics, /healthz and /readyz. Logs go to stderr.
    """  # noqa: D301 (click's mark for a paragraph that is not to be wrapped)
    settings = want_settings(hub_dir=hub_dir, data_dir=data_dir, http_port=http_port)
    configure_logs(role=role, level=settings.log_level, as_json=settings.log_json)
    use_kernel_cache(settings.data_path / "numba")
    if role in SIGNING:
        _say_whether_signed(settings)
    try:
        settings.data_path.mkdir(parents=True, exist_ok=True)
        ROLES[role](settings)
    except OSError as error:  # a port that is taken, a disk that is full: nothing of ours
        raise CommandFailedError(f"{role}: {error.strerror or error}{_named(error)}", FAILED) from error


def _say_whether_signed(settings: Settings) -> None:
    """Check the signing keys, and begin the log with what protects setpoints and limits."""
    keyring = want_keyring(settings)
    if keyring.ids:
        _log.info("signed", signs_with=keyring.ids[0], accepts=keyring.ids)
    else:
        _log.warning(
            "unsigned", effect="whoever can write to Kafka steers devices", remedy="LUSBALANS_SIGNING_KEYS_FILE"
        )


def stop_on_signal() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets; the second signal ends the process at once."""
    stop = threading.Event()

    def note(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            sys.exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return stop


def _named(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
