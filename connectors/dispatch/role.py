"""The role `dispatch`: puts the lease loop, its threads and its health page together, and runs until told to stop."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from connectors.dispatch import rules
from connectors.dispatch.inbox import Inbox
from connectors.dispatch.kafka_link import FrameReader, Publisher
from connectors.dispatch.marks import MarksFile, SavedMarks, lowest_mark
from connectors.dispatch.outbox import Outbox
from connectors.dispatch.progress import DispatchProgress
from connectors.dispatch.reports import reports_of
from connectors.dispatch.reversion import AssetRule, asset_rules
from connectors.dispatch.rules import LoopLease
from connectors.dispatch.service import LeaseLoop
from connectors.dispatch.simulator_driver import SimulatorDriver
from hub.model import Hub
from infra.clock import now_us
from infra.health import Health, fresh, fresh_after_grace, serve_http
from infra.metrics import DispatchMetrics
from infra.settings import Settings
from streams.override_entries import ParkOverrides
from streams.signature import read_keyring

_log = structlog.get_logger()

_STUCK_S: Final = 5.0
"""A turn takes milliseconds; a loop that stands still this long must be restarted."""

_GRACE_S: Final = 30.0
_STOP_S: Final = 3.0


class DispatchError(RuntimeError):
    """A thread of dispatch ended by a bug; the process must be restarted, devices fall back by themselves meanwhile."""


def run(settings: Settings, hub: Hub, stop: threading.Event) -> None:
    """Dispatch setpoints of `hub` until `stop` is set.

    Raises:
        MarksError: the high-water marks cannot be read, or another dispatch holds them.
        DispatchError: one of its own threads died.
    """
    with MarksFile(settings.data_path, hub.id) as marks:
        _run(settings, hub, stop=stop, marks=marks)


def _run(settings: Settings, hub: Hub, *, stop: threading.Event, marks: MarksFile) -> None:
    inbox, progress, metrics = Inbox(), DispatchProgress(time.monotonic()), DispatchMetrics(hub.id)
    keyring = read_keyring(settings.signing_keys)
    saved = marks.read()
    states = start_states(
        asset_rules(hub),
        saved,
        incarnation=settings.incarnation,
        now_us=now_us(),
        now_s=time.monotonic(),
    )
    outboxes = {grid_loop: _outbox(grid_loop, settings=settings, inbox=inbox) for grid_loop in states}
    reader = FrameReader(settings.kafka_bootstrap, inbox=inbox, progress=progress, stop=stop)
    publisher = Publisher(
        settings.kafka_bootstrap, on_dropped=lambda count: _log.warning("results_dropped", results=count)
    )
    loop = LeaseLoop(
        hub_id=hub.id,
        states=states,
        inbox=inbox,
        outboxes=outboxes,
        reports=reports_of(
            states,
            saved.said,
            hub_id=hub.id,
            outboxes=outboxes,
            publish=publisher.put,
            metrics=metrics,
            now_us=now_us,
        ),
        marks=marks,
        publish=publisher.put,
        metrics=metrics,
        progress=progress,
        overrides=ParkOverrides(hub, keyring),
        keyring=keyring,
    )
    health = _health(progress, valid_s=hub.timing.setpoint_valid_s, grid_loops=tuple(states))
    page = serve_http(settings.http_host, settings.http_port, metrics.registry, health) if settings.http_port else None
    _log.info("dispatch_started", hub=hub.id, assets=sum(len(state.rules) for state in states.values()))
    try:
        while not stop.is_set():
            loop.turn()
            _check_alive(reader, publisher, outboxes=outboxes, stop=stop)
    finally:
        stop.set()
        for outbox in outboxes.values():
            outbox.close(_STOP_S)
        publisher.close(_STOP_S)
        reader.join(_STOP_S)
        if page is not None:
            page.close()
        _log.info("dispatch_stopped", hub=hub.id)


def start_states(
    by_loop: dict[str, dict[str, AssetRule]], saved: SavedMarks, *, incarnation: int, now_us: int, now_s: float
) -> dict[str, LoopLease]:
    """State of every grid loop at the start of a process, from what the last one saved."""
    longest_lease_s = max((rule.lease_s for loop in by_loop.values() for rule in loop.values()), default=0.0)
    silent_us = None if saved.saved_at_us is None else abs(now_us - saved.saved_at_us)
    in_failsafe = silent_us is None or silent_us > longest_lease_s * 1e6
    floor = lowest_mark(incarnation)
    return {
        grid_loop: rules.start(
            loop,
            max(saved.marks.get(grid_loop, floor), floor),
            in_failsafe=in_failsafe,
            reverted_s=now_s if grid_loop in saved.latched else -math.inf,
        )
        for grid_loop, loop in by_loop.items()
    }


def _outbox(grid_loop: str, *, settings: Settings, inbox: Inbox) -> Outbox:
    driver = SimulatorDriver(settings.simulator_host, settings.simulator_port)
    return Outbox(grid_loop, driver=driver, on_delivery=inbox.put_delivery, now_us=now_us)


def _check_alive(
    reader: FrameReader, publisher: Publisher, *, outboxes: dict[str, Outbox], stop: threading.Event
) -> None:
    alive = {"frame reader": reader.alive, "result publisher": publisher.alive}
    alive.update({f"outbox {grid_loop}": outbox.alive for grid_loop, outbox in outboxes.items()})
    dead = [name for name, is_alive in alive.items() if not is_alive]
    if dead and not stop.is_set():
        raise DispatchError(f"threads ended: {', '.join(dead)}")


def _health(progress: DispatchProgress, *, valid_s: float, grid_loops: tuple[str, ...]) -> Callable[[], Health]:
    """Stuck when the lease loop stands still; not doing its job when the broker or a loop's setpoints are silent."""

    def age_s(at_s: float | None) -> float | None:
        return None if at_s is None else time.monotonic() - at_s

    def health() -> Health:
        uptime_s = time.monotonic() - progress.started_s
        turn = fresh_after_grace(
            "lease loop", age_s(progress.last_turn_s), max_age_s=_STUCK_S, uptime_s=uptime_s, grace_s=_GRACE_S
        )
        setpoints = [
            fresh(f"setpoints {grid_loop}", age_s(progress.last_accepted_s.get(grid_loop)), max_age_s=valid_s)
            for grid_loop in grid_loops
        ]
        polled = fresh("broker polled", age_s(progress.last_poll_s), max_age_s=_STUCK_S)
        return Health(progress=(turn,), duty=(polled, *setpoints))

    return health
