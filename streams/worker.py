"""The role `worker`, a Faust process around its parks: one agent per topic, raw bytes in, nothing kept in Faust.

Faust hands out partitions and delivers messages, at least once; that is all it is used for. No tables, no windows, no
seeking, no web server.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import faust
import structlog

from hub.model import Hub
from infra.clock import now_us
from infra.health import serve_http
from infra.settings import Settings
from streams.codec import Rejected, encode
from streams.columns import Frame
from streams.frame_reader import FrameReader
from streams.grid_loop import GridLoop
from streams.messages import Epoch, TelemetryFrame
from streams.parks import Parks
from streams.replay import Record
from streams.reporting import STUCK_S, health_of, registry_of
from streams.station import Station
from streams.topics import LOOP_BUDGET, LOOP_OFFER, TELEMETRY, Topic

_log = structlog.get_logger()

SESSION_S: Final = 3.0
"""A dead worker's loops are handed on after this, within the devices' leases; the broker must allow it (checked)."""

HEARTBEAT_S: Final = 0.5
COMMIT_S: Final = 1.0

WATCH_S: Final = 1.0
"""How often the event loop is looked after from outside."""

STOP_S: Final = 6.0
"""A stop takes tenths of a second; without a broker Faust would wait for its consumer for ever. Supervisors wait 10 s."""


class WorkerFailedError(RuntimeError):
    """A bug ended the worker; the process must be restarted, devices fall back by themselves meanwhile."""


def run(settings: Settings, hubs: Sequence[Hub], *, group: str) -> None:
    """Balance the loops this process is given, until SIGTERM or SIGINT.

    `group` names the workers that share these parks. It must never change for a park: a new group's epochs begin low,
    and dispatch would refuse them (R8) until the incarnation is raised.

    Raises:
        WorkerFailedError: something failed that a restart may mend.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # until Faust takes the signals over
    for hub in hubs:
        warm_up(hub)
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        _log.error("worker_failed", error=repr(error), exc_info=error)
        failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    parks = Parks(settings, hubs, name=f"{socket.gethostname()}-{os.getpid()}", fail=fail)
    reports = [conductor.report for conductor in parks.conductors]
    page = (
        serve_http(settings.http_host, settings.http_port, registry_of(reports), lambda: health_of(reports))
        if settings.http_port
        else None
    )
    watch = threading.Thread(target=_exit_when_stuck, args=(parks,), daemon=True)
    watch.start()
    try:
        process = _Process(
            build_app(settings, parks, group=group, fail=fail),
            loglevel="ERROR",
            override_logging=False,
            redirect_stdouts=False,
            quiet=True,
        )
        process.execute_from_commandline()
    except SystemExit as stopped:
        if failures or stopped.code:
            raise WorkerFailedError(f"the worker ended: {failures[0] if failures else stopped.code}") from stopped
    finally:
        if page is not None:
            page.close()


class _Process(faust.Worker):
    """Faust's process, but one that ends when it is told to, also without a broker."""

    async def stop(self) -> None:
        """End in good order, else at once: what was decided is in the log or will be refused as too old."""
        bound = threading.Timer(STOP_S, _end_at_once)
        bound.daemon = True
        bound.start()
        await super().stop()


def _end_at_once() -> None:
    _log.warning("stop_took_too_long", waited_s=STOP_S)
    os._exit(1)


def warm_up(hub: Hub) -> None:
    """Compile reader, fold and kernel before joining the group: a tick must not wait for a compiler."""
    epoch = Epoch(0, 0, 0)
    at_us = now_us()
    station = Station(hub)
    station.begin(epoch)
    for grid_loop in hub.grid_loops:
        loop = GridLoop(hub, grid_loop.id)
        loop.begin(epoch)
        loop.fold(_read_twice(loop.plant.points.ids, at_us=at_us), received_at_us=at_us)
        station.receive_offer(loop.offer(tick=0, now_us=at_us))
        loop.balance(tick=0, now_us=at_us)
    station.clear(tick=0, now_us=at_us)


def _read_twice(ids: Sequence[str], *, at_us: int) -> Frame:
    """A frame as the quick reader reads it, from the second on."""
    reader = FrameReader()
    missing: list[float | None] = [None] * len(ids)
    payload = encode(
        TelemetryFrame(
            gateway="", sequence=0, sent_at_us=0, ids=list(ids), measured_at_us=[at_us] * len(ids), power_kw=missing
        )
    )
    reader.read(payload)
    frame = reader.read(payload)
    assert not isinstance(frame, Rejected)  # noqa: S101 - it was encoded here
    return frame


def build_app(settings: Settings, parks: Parks, *, group: str, fail: Callable[[BaseException], None]) -> faust.App:
    """The Faust app of one worker process."""
    app = faust.App(
        group,
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        datadir=str(settings.data_path / "faust"),
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=COMMIT_S,
        broker_max_poll_interval=60.0,
        consumer_auto_offset_reset="latest",
        worker_redirect_stdouts=False,
    )
    for topic, handler in (
        (TELEMETRY, parks.on_telemetry),
        (LOOP_OFFER, parks.on_offer),
        (LOOP_BUDGET, parks.on_budget),
    ):
        _add_agent(app, topic, handler, fail=fail)

    async def assigned(_app: Any, *args: Any, **_: Any) -> None:  # noqa: ANN401 (Faust's signature)
        mine = {one.partition for one in args[0] if one.topic == TELEMETRY.name}
        parks.resume(mine, generation=app.consumer_generation_id)

    async def revoked(_app: Any, *_args: Any, **_: Any) -> None:  # noqa: ANN401 (Faust's signature)
        parks.suspend()

    async def tick() -> None:
        try:
            await _or_fail(parks.tick_forever(), fail)
        finally:
            await parks.stop()

    async def watch() -> None:
        await _or_fail(parks.watch_forever(), fail)

    async def entries() -> None:
        await _or_fail(parks.follow_entries_forever(), fail)

    app.on_partitions_assigned.connect(cast("Any", assigned))
    app.on_partitions_revoked.connect(cast("Any", revoked))
    app.task(tick)
    app.task(watch)
    app.task(entries)
    return app


async def _or_fail(work: Awaitable[None], fail: Callable[[BaseException], None]) -> None:
    try:
        await work
    except Exception as error:  # the process edge: whatever it is, a restart is the remedy
        fail(error)
        raise


def _add_agent(
    app: faust.App,
    topic: Topic,
    handler: Callable[[Record], Awaitable[None]],
    *,
    fail: Callable[[BaseException], None],
) -> None:
    source = app.topic(topic.name, key_serializer="raw", value_serializer="raw", partitions=topic.partitions)

    async def deliver(stream: Any) -> None:  # noqa: ANN401 (Faust has no types)
        async for event in stream.events():
            message = event.message
            record = Record(
                partition=message.partition,
                offset=message.offset,
                key=message.key or b"",
                value=message.value or b"",
                received_at_us=round(message.timestamp * 1e6),
            )
            await _or_fail(handler(record), fail)  # Faust by itself would skip the message and go on

    app.agent(source, name=f"{topic.name}-agent", concurrency=1)(deliver)


def _exit_when_stuck(parks: Parks) -> None:
    """End the process when its event loop stands still: a supervisor starts another, devices fall back meanwhile.

    Where this thread stood still too, the whole process was stopped; its loop gets a chance to go on.
    """
    awake_s = resumed_s = time.monotonic()
    while True:
        time.sleep(WATCH_S)
        slept_s, awake_s = time.monotonic() - awake_s, time.monotonic()
        if slept_s > 2 * WATCH_S:
            resumed_s = awake_s
        last_s = parks.last_turn_s
        if last_s is not None and awake_s - max(last_s, resumed_s) > 2 * STUCK_S:
            _log.error("worker_stuck", last_turn_ago_s=round(awake_s - last_s, 1))
            os._exit(1)
