"""What a worker says of its rings' open points: that meters contradict one, and whether one is in doubt. Pure.

A contradiction becomes an entry on the topology's topic, for everybody: it counts when it comes back from there, as
anybody's word does. One that got lost is said again, for the meters go on contradicting.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import structlog

from hub.model import Certainty
from streams.grid_loop import GridLoop
from streams.guard_messages import Condition, ConditionKind, ConditionPhase
from streams.topics import CONDITION, TOPOLOGY, Topic, condition_key, key_of
from streams.topology_changes import doubt_open_point
from streams.topology_entries import KnownTopology
from streams.two_people import Done

_log = structlog.get_logger()


@dataclass(slots=True)
class OpenPointSayings:
    """Of all rings of one park that this worker balances."""

    known: KnownTopology
    by: str
    """Who says so: the worker."""
    _doubted: dict[str, bool] = field(default_factory=dict)
    """Whether a ring was last said to be in doubt, by us; of those of which anything was ever said."""

    def after_tick(self, loop: GridLoop, *, now_us: int) -> Iterator[tuple[Topic, bytes, msgspec.Struct]]:
        """Yield what is to be sent, by topic and key: mostly nothing."""
        name, certainty = loop.plant.grid_loop, loop.open_point.certainty
        if loop.contradiction is not None and certainty is Certainty.CONFIRMED:
            why = str(loop.contradiction)
            _log.error("open_point_contradicted", grid_loop=name, why=why)
            doubted = doubt_open_point(self.known, name, by=self.by, why=why, now_us=now_us)
            if isinstance(doubted, Done):
                yield TOPOLOGY, key_of(self.known.hub.id, name), doubted.entry
        unknown = certainty is Certainty.UNKNOWN
        if self.known.find(name) is not None and self._doubted.get(name) is not unknown:
            self._doubted[name] = unknown
            condition = self._condition(name, seen=unknown, now_us=now_us)
            yield CONDITION, condition_key(self.known.hub.id, condition.id), condition

    def _condition(self, name: str, *, seen: bool, now_us: int) -> Condition:
        entry = self.known.find(name)
        return Condition(
            id=f"{ConditionKind.OPEN_POINT_UNKNOWN}/{name}",
            hub=self.known.hub.id,
            subject=name,
            kind=ConditionKind.OPEN_POINT_UNKNOWN,
            phase=ConditionPhase.SEEN if seen else ConditionPhase.GONE,
            at_us=now_us,
            role="worker",
            text="" if entry is None else f"{entry.changed_by}: {entry.changed_why}",
        )
