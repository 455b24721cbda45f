"""Watches the limits of a park from the raw readings, and says on the log what is breached or about to be (R19).

It reads and says; what is a breach `connectors.watchdog.guarded` knows. Until the limits were read whole it judges
nothing. A condition the broker did not take is said again in the next round, with the instant at which it began.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from connectors.watchdog.guarded import GuardedNodes, LimitFinding, guard
from connectors.watchdog.log_reader import LogReader, Record
from connectors.watchdog.speaker import NotSaidError, Speaker
from hub.model import Hub
from hub.open_point import as_confirmed
from hub.tree import build_tree
from infra.clock import now_us
from infra.metrics import WatchdogMetrics
from streams.codec import decode_telemetry, encode
from streams.guard_messages import Condition, ConditionPhase
from streams.messages import TelemetryFrame
from streams.park_limits import ParkLimits
from streams.signature import Keyring
from streams.topics import CONDITION, LIMIT, TELEMETRY, TOPOLOGY, condition_key, key_of, partition_of
from streams.topology_entries import ParkTopology

_log = structlog.get_logger()

_MOST_AT_ONCE: Final = 20
"""Conditions said in a round, news first: after a start hundreds are said to be well."""


@dataclass(slots=True, kw_only=True)
class LimitWatch:
    """All limited nodes of one hub; `turn` is called by one thread."""

    hub_id: str
    limits: ParkLimits
    topology: ParkTopology
    guarded: Mapping[str, GuardedNodes]
    """By grid loop, and the station's."""
    reader: LogReader
    """Of `partitions_of` the hub, the limits and open points from their beginning."""
    speaker: Speaker
    metrics: WatchdogMetrics
    clock_us: Callable[[], int]
    judged_s: float | None = None
    """Until when all was read that was last judged, by the monotonic clock."""
    _unsaid: dict[str, list[LimitFinding]] = field(default_factory=dict)
    """By condition, two at most: that it began, and ended."""
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        hub: Hub,
        *,
        reader: LogReader,
        speaker: Speaker,
        metrics: WatchdogMetrics,
        keyring: Keyring,
        clock_us: Callable[[], int] = now_us,
    ) -> Self:
        """Watch everything of a hub that may have a limit."""
        tree = build_tree(hub)
        return cls(
            hub_id=hub.id,
            limits=ParkLimits(hub, keyring),
            topology=ParkTopology(hub, keyring),
            guarded={grid_loop: guard(hub, tree, grid_loop) for grid_loop in tree.meters},
            reader=reader,
            speaker=speaker,
            metrics=metrics,
            clock_us=clock_us,
        )

    def turn(self) -> None:
        """Hear what came, judge what is silent, say what changed."""
        by_key = {key_of(self.hub_id, grid_loop): guarded for grid_loop, guarded in self.guarded.items()}
        for record in self.reader.read():
            self._hear(record, by_key.get(record.key), self.clock_us())
        read_until_s = self.reader.read_until_s
        if read_until_s is not None and read_until_s != self.judged_s:
            self.judged_s = read_until_s
            self._judge(self.clock_us())
        for guarded in self.guarded.values():
            for finding in guarded.findings:
                self._put(finding)
            guarded.findings.clear()
        self._say_some()

    def _hear(self, record: Record, guarded: GuardedNodes | None, at_us: int) -> None:
        """What cannot be read, or is forged, is nothing; the worker buries it."""
        if record.topic in (LIMIT.name, TOPOLOGY.name):
            if record.key.startswith(key_of(self.hub_id, "")):
                known = self.limits if record.topic == LIMIT.name else self.topology
                known.fold(record.key, record.payload, record.headers)
        elif guarded is not None:
            frame = decode_telemetry(record.payload)
            if isinstance(frame, TelemetryFrame):
                guarded.hear(frame, now_us=at_us)

    def _judge(self, at_us: int) -> None:
        """A ring of which nobody knows where it is open is judged as it was confirmed last: a guess wakes nobody."""
        hub = self.topology.due(at_us)
        if hub is not None:
            self.limits.place(as_confirmed(hub))
            tree = build_tree(as_confirmed(hub))
            for guarded in self.guarded.values():
                guarded.lay_out(tree)
        limits = self.limits.due(at_us)
        for grid_loop, guarded in self.guarded.items():
            if limits is not None:
                guarded.take_limits(limits)
            guarded.judge(at_us)
            self.metrics.limits_judged(
                grid_loop, at_us=at_us, conditions=guarded.seen(), silent_nodes=guarded.silent_nodes()
            )

    def _put(self, finding: LimitFinding) -> None:
        """What began and ended before it could be said is said all the same; what came before that is out of date."""
        waiting = self._unsaid.pop(finding.id, [])
        began = [each for each in waiting[:1] if each.phase is ConditionPhase.SEEN is not finding.phase]
        self._unsaid[finding.id] = [*began, finding]

    def _say_some(self) -> None:
        for condition_id in sorted(self._unsaid, key=self._can_wait)[:_MOST_AT_ONCE]:
            try:
                for finding in self._unsaid[condition_id]:
                    self._say(finding)
            except NotSaidError as error:
                _log.error("not_said", condition=condition_id, error=str(error))
                return
            del self._unsaid[condition_id]

    def _can_wait(self, condition_id: str) -> bool:
        """Whether nobody was told otherwise."""
        return self._unsaid[condition_id][0].phase is not ConditionPhase.SEEN and condition_id not in self._seen

    def _say(self, finding: LimitFinding) -> None:
        condition = Condition(
            id=finding.id,
            hub=self.hub_id,
            subject=finding.node,
            kind=finding.kind,
            phase=finding.phase,
            at_us=finding.at_us,
            role="watchdog",
            text=finding.text,
            figures=dict(finding.figures),
        )
        self.speaker.say(CONDITION, condition_key(self.hub_id, condition.id), encode(condition))
        if finding.phase is ConditionPhase.SEEN:
            _log.error("condition_seen", condition=finding.id, text=finding.text)
            self._seen.add(finding.id)
        elif finding.id in self._seen:
            _log.info("condition_gone", condition=finding.id)
            self._seen.discard(finding.id)


def partitions_of(hub: Hub) -> list[tuple[str, int]]:
    """Topics and partitions that tell of a hub's readings, limits and open points."""
    keys = [key_of(hub.id, key) for key in build_tree(hub).meters]
    readings = [(TELEMETRY.name, number) for number in sorted({partition_of(key) for key in keys})]
    said = [(topic.name, number) for topic in (LIMIT, TOPOLOGY) for number in range(topic.partitions)]
    return [*readings, *said]
