"""The role `watchdog`: reverts the grid loop on which nobody decides (R17), and tells which limits are breached (R19).

Code and client library of its own: it shares with the worker only what messages, limits and quarters mean. It decides
nothing itself, `connectors.watchdog.rules` does, and `connectors.watchdog.guarded`. It is watched in turn: by the instant of its last round among its metrics, which
stands still when it does, and by its health page.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from connectors.watchdog import rules
from connectors.watchdog.limit_watch import LimitWatch, partitions_of
from connectors.watchdog.log_reader import LogReader, Record
from connectors.watchdog.rules import BREAK_S, GRACE_S, Finding, LoopWatch, Patience
from connectors.watchdog.speaker import NotSaidError, Speaker
from hub.model import Hub
from infra.clock import now_us
from infra.health import Health, fresh, fresh_after_grace, serve_http
from infra.metrics import WatchdogMetrics
from infra.settings import Settings
from streams.codec import decode_setpoint, decode_state, encode
from streams.guard_messages import Condition, ConditionKind, ConditionPhase, Revert, RevertBy
from streams.messages import LoopState, SetpointFrame
from streams.signature import Keyring, read_keyring
from streams.topics import (
    CONDITION,
    LIMIT,
    LOOP_STATE,
    REVERT,
    SETPOINT,
    TOPOLOGY,
    condition_key,
    key_of,
    partition_of,
)

_log = structlog.get_logger()

_STUCK_S: Final = 10.0
"""A round takes tenths of a second; with a broker that just left, a few seconds."""


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """All grid loops of one hub; `turn` is called by one thread."""

    hub_id: str
    loops: dict[str, LoopWatch]
    patience: Patience
    reader: LogReader
    speaker: Speaker
    metrics: WatchdogMetrics
    keyring: Keyring = field(default_factory=Keyring)
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    judged_s: float | None = None
    """Until when all was read that was last judged, by the monotonic clock."""
    turned_s: float | None = None

    def turn(self) -> None:
        """Hear what came; judge when the log was read to its end since last time."""
        names = {key_of(self.hub_id, grid_loop): grid_loop for grid_loop in self.loops}
        for record in self.reader.read():
            if (grid_loop := names.get(record.key)) is not None:
                self._hear(grid_loop, record, time.monotonic())
        read_until_s = self.reader.read_until_s
        if read_until_s is not None and read_until_s != self.judged_s:
            self._judge_all(read_until_s)
        self.turned_s = time.monotonic()
        self.metrics.turned(at_us=now_us())

    def _hear(self, grid_loop: str, record: Record, now_s: float) -> None:
        """Take a sign of life; what cannot be read, or is forged, is none. Dispatch buries it, not we."""
        watch = self.loops[grid_loop]
        if record.topic == LOOP_STATE.name:
            state = decode_state(record.payload)
            if isinstance(state, LoopState):
                self.loops[grid_loop] = rules.hear_state(watch, state, now_s)
            return
        refused = self.keyring.refuse(record.headers, topic=record.topic, key=record.key, payload=record.payload)
        frame = refused or decode_setpoint(record.payload)
        if isinstance(frame, SetpointFrame):
            self.loops[grid_loop] = rules.hear_setpoints(watch, frame, now_s)
            if self.loops[grid_loop].lower_epoch_s == now_s:
                self.metrics.count_lower_epoch(grid_loop)

    def _judge_all(self, now_s: float) -> None:
        if self.judged_s is not None and now_s - self.judged_s > BREAK_S:
            _log.warning("watched_again_after_a_break", away_s=round(now_s - self.judged_s, 1))
            self.loops = {name: rules.resume(watch, now_s) for name, watch in self.loops.items()}
        self.judged_s = now_s
        for grid_loop, watch in self.loops.items():
            for finding in rules.judge(watch, now_s, self.patience):
                self._try_to_say(grid_loop, finding)
            conditions = {str(kind): phase is ConditionPhase.SEEN for kind, phase in self.loops[grid_loop].said.items()}
            self.metrics.judged(grid_loop, at_us=now_us(), conditions=conditions)

    def _try_to_say(self, grid_loop: str, finding: Finding) -> None:
        """Say it, unless the broker does not take it: then it is found again."""
        try:
            self._say(grid_loop, finding)
        except NotSaidError as error:
            _log.error("not_said", grid_loop=grid_loop, kind=finding.kind, error=str(error))
        else:
            self.loops[grid_loop] = rules.said(self.loops[grid_loop], finding)

    def _say(self, grid_loop: str, finding: Finding) -> None:
        """Tell the log, a revert before the condition of it."""
        seen = finding.phase is ConditionPhase.SEEN
        if seen and finding.kind is ConditionKind.REVERTED:
            self._revert(grid_loop, finding.text)
        if seen:
            _log.error("condition_seen", grid_loop=grid_loop, kind=finding.kind, text=finding.text)
        elif finding.kind in self.loops[grid_loop].said:
            _log.info("condition_gone", grid_loop=grid_loop, kind=finding.kind, text=finding.text)
        condition = Condition(
            id=f"{finding.kind}/{grid_loop}",
            hub=self.hub_id,
            subject=grid_loop,
            kind=finding.kind,
            phase=finding.phase,
            at_us=now_us(),
            role="watchdog",
            text=finding.text,
            figures={"silence_s": round(finding.silence_s, 3)},
        )
        self.speaker.say(CONDITION, condition_key(self.hub_id, condition.id), encode(condition))

    def _revert(self, grid_loop: str, why: str) -> None:
        revert = Revert(grid_loop=grid_loop, at_us=now_us(), by=RevertBy.WATCHDOG, who=self.name, why=why)
        self.speaker.say(REVERT, key_of(self.hub_id, grid_loop), encode(revert))
        self.metrics.count_revert(grid_loop)


def run(settings: Settings, hub: Hub, stop: threading.Event) -> None:
    """Watch the grid loops and the limits of `hub` until `stop` is set."""
    keyring, names = read_keyring(settings.signing_keys), [grid_loop.id for grid_loop in hub.grid_loops]
    numbers = sorted({partition_of(key_of(hub.id, name)) for name in names})
    reader = LogReader(
        bootstrap=settings.kafka_bootstrap,
        partitions=[(topic.name, number) for topic in (SETPOINT, LOOP_STATE) for number in numbers],
        wait=stop.wait,
    )
    readings = LogReader(
        bootstrap=settings.kafka_bootstrap,
        partitions=partitions_of(hub),
        wait=stop.wait,
        whole=frozenset({LIMIT.name, TOPOLOGY.name}),
    )
    speaker = Speaker(bootstrap=settings.kafka_bootstrap, keyring=keyring)
    metrics = WatchdogMetrics(hub.id, names)
    began_s = time.monotonic()
    watchdog = Watchdog(
        hub_id=hub.id,
        loops={name: LoopWatch(watched_since_s=began_s) for name in names},
        patience=Patience(revert_s=settings.watchdog_revert_s),
        reader=reader,
        speaker=speaker,
        metrics=metrics,
        keyring=keyring,
    )
    limits = LimitWatch.of(hub, reader=readings, speaker=speaker, metrics=metrics, keyring=keyring)
    health = _health(watchdog, limits, began_s)
    page = serve_http(settings.http_host, settings.http_port, metrics.registry, health) if settings.http_port else None
    _log.info("watchdog_started", hub=hub.id, grid_loops=names, revert_s=settings.watchdog_revert_s)
    try:
        while not stop.is_set():
            watchdog.turn()
            limits.turn()
    finally:
        reader.close()
        readings.close()
        speaker.close()
        if page is not None:
            page.close()
        _log.info("watchdog_stopped", hub=hub.id)


def _health(watchdog: Watchdog, limits: LimitWatch, began_s: float) -> Callable[[], Health]:
    """Stuck when its rounds stand still; not doing its job when one of its logs is not read to its end."""

    def health() -> Health:
        now_s = time.monotonic()
        instants_s = (watchdog.turned_s, watchdog.judged_s, limits.judged_s)
        turned_s, judged_s, read_s = (None if at_s is None else now_s - at_s for at_s in instants_s)
        turn = fresh_after_grace("round", turned_s, max_age_s=_STUCK_S, uptime_s=now_s - began_s, grace_s=GRACE_S)
        decisions = fresh("log read to its end", judged_s, max_age_s=BREAK_S)
        readings = fresh("readings read to their end", read_s, max_age_s=BREAK_S)
        return Health(progress=(turn,), duty=(decisions, readings))

    return health
