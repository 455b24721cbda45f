"""Says what devices show that people should know: conditions on the log, once per change and again after a restart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from connectors.dispatch import own_limits
from connectors.dispatch.findings import Finding
from connectors.dispatch.kafka_link import Outgoing
from connectors.dispatch.not_following import NotFollowing
from connectors.dispatch.outbox import Outbox, Reading
from connectors.dispatch.rules import LoopLease
from infra.metrics import DispatchMetrics
from streams.codec import encode
from streams.guard_messages import Condition, ConditionKind, ConditionPhase
from streams.topics import CONDITION, condition_key, partition_of

_log = structlog.get_logger()

UNREAD_AGAIN_S: Final = 30.0
"""Devices whose own limits were never read are asked for them again after this."""


@dataclass(slots=True, kw_only=True)
class Reports:
    """What was said of one grid loop's devices, and what is still to be read."""

    hub_id: str
    grid_loop: str
    outbox: Outbox
    publish: Callable[[Outgoing], None]
    metrics: DispatchMetrics
    now_us: Callable[[], int]
    unread: set[str]
    """Assets whose own limits were not read yet (R15)."""
    said: set[str] = field(default_factory=set)
    """Ids of conditions that hold."""
    _following: NotFollowing = field(default_factory=NotFollowing)
    _read_again_s: float = 0.0

    def __post_init__(self) -> None:
        kind = f"{ConditionKind.NOT_FOLLOWING}/"
        self._following.before.update(name.removeprefix(kind) for name in self.said if name.startswith(kind))

    def turn(self, state: LoopLease, now_s: float) -> tuple[Finding, ...]:
        """Ask for what must be read; answer what ended."""
        if self.unread and now_s >= self._read_again_s:
            self._read_again_s = now_s + UNREAD_AGAIN_S
            self.outbox.ask(sorted(self.unread))
        if ripe := self._following.ripe(state, now_s):
            self.outbox.ask(ripe)
        return self._following.gone(state)

    def take(self, state: LoopLease, reading: Reading) -> tuple[LoopLease, tuple[Finding, ...]]:
        """Take what devices show; answer what began, or ended since before a restart."""
        news = {asset_id: shown for asset_id, shown in reading.shown.items() if asset_id in self.unread}
        self.unread.difference_update(news)
        state, differing = own_limits.compare(state, news) if news else (state, ())
        told = [finding for finding in differing if finding.phase is ConditionPhase.SEEN or finding.id in self.said]
        return state, (*told, *self._following.seen(state, reading.asked, reading.shown))

    def note(self, findings: Iterable[Finding]) -> None:
        """Count on findings being said: what begins is remembered before it is said, so that a restart can end it."""
        self.said.update(finding.id for finding in findings if finding.phase is ConditionPhase.SEEN)

    def say(self, findings: Sequence[Finding]) -> None:
        """Publish conditions."""
        for finding in findings:
            self._say(finding)
        counts = {str(kind): sum(name.startswith(f"{kind}/") for name in self.said) for kind in _KINDS}
        self.metrics.note_conditions(self.grid_loop, counts)

    def _say(self, finding: Finding) -> None:
        if finding.phase is ConditionPhase.SEEN:
            _log.warning("condition_seen", condition=finding.id, text=finding.text)
        else:
            _log.info("condition_gone", condition=finding.id)
            self.said.discard(finding.id)
        condition = Condition(
            id=finding.id,
            hub=self.hub_id,
            subject=finding.asset_id,
            kind=finding.kind,
            phase=finding.phase,
            at_us=self.now_us(),
            role="dispatch",
            text=finding.text,
            figures=dict(finding.figures),
        )
        key = condition_key(self.hub_id, condition.id)
        self.publish(
            Outgoing(
                topic=CONDITION.name,
                key=key,
                value=encode(condition),
                partition=partition_of(key, CONDITION.partitions),
            )
        )


_KINDS: Final = (ConditionKind.NOT_FOLLOWING, ConditionKind.RANGE_DIFFERS)


def reports_of(
    states: Mapping[str, LoopLease],
    said: Mapping[str, Iterable[str]],
    *,
    hub_id: str,
    outboxes: Mapping[str, Outbox],
    publish: Callable[[Outgoing], None],
    metrics: DispatchMetrics,
    now_us: Callable[[], int],
) -> dict[str, Reports]:
    """One per grid loop, knowing what was said before the start."""
    return {
        grid_loop: Reports(
            hub_id=hub_id,
            grid_loop=grid_loop,
            outbox=outboxes[grid_loop],
            publish=publish,
            metrics=metrics,
            now_us=now_us,
            unread=set(state.rules),
            said=set(said.get(grid_loop, ())),
        )
        for grid_loop, state in states.items()
    }
