"""What a worker holds of one partition: its grid loops, perhaps the station, and how far its telemetry is folded.

While the state is rebuilt, frames that arrive wait; a frame below `next_offset` was folded already, whoever delivers it
again. Pure but for its own state.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hub.model import STATION, Hub
from streams.codec import Rejected, decode_telemetry
from streams.columns import BadReading
from streams.grid_loop import GridLoop
from streams.messages import DeadLetterReason, TelemetryFrame
from streams.replay import Record
from streams.station import Station
from streams.topics import key_of, partition_of

MOST_WAITING: Final = 10_000
"""Frames kept while a rebuild runs, in all a few seconds of the largest park; more means starting the rebuild anew."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of one telemetry message; `frame` is None where it was not ours to fold."""

    grid_loop: str
    frame: TelemetryFrame | None
    bad: tuple[BadReading, ...]
    rejected: Rejected | None


@dataclass(slots=True)
class OwnedPartition:
    """One partition of the co-partitioned topics."""

    number: int
    hub_id: str
    controllers: dict[bytes, GridLoop | Station]
    """By message key."""
    names: dict[bytes, str]
    next_offset: int | None = None
    active: bool = False
    waiting: deque[Record] = field(default_factory=deque)
    overflowed: bool = False

    @classmethod
    def of(cls, hub: Hub, number: int) -> "OwnedPartition":
        """Everything of the hub whose key belongs to the partition, heard or silent."""
        owned = [
            name for name in (*(loop.id for loop in hub.grid_loops), STATION)
            if partition_of(key_of(hub.id, name)) == number
        ]  # fmt: skip
        return cls(
            number=number,
            hub_id=hub.id,
            controllers={
                key_of(hub.id, name): Station(hub) if name == STATION else GridLoop(hub, name) for name in owned
            },
            names={key_of(hub.id, name): name for name in owned},
        )

    @property
    def grid_loops(self) -> list[GridLoop]:
        """The grid loops among what is owned."""
        return [one for one in self.controllers.values() if isinstance(one, GridLoop)]

    @property
    def station(self) -> Station | None:
        """The hub agent, where this partition is the station's."""
        return next((one for one in self.controllers.values() if isinstance(one, Station)), None)

    def wait(self, record: Record) -> None:
        """Keep a frame until the rebuild is done; beyond the bound the oldest goes and the rebuild must be repeated."""
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.popleft()
            self.overflowed = True
        self.waiting.append(record)

    def fold(self, record: Record) -> Folded:
        """Decode a telemetry message and fold it once; one delivered again is decoded only, to judge it.

        What another hub's gateways send is theirs to fold and theirs to bury.
        """
        name = self.names.get(record.key, "")
        again = self.next_offset is not None and record.offset < self.next_offset
        if not again:
            self.next_offset = record.offset + 1
        if is_foreign(record.key, self.hub_id):
            return Folded(name, None, (), None)
        frame = decode_telemetry(record.value)
        if isinstance(frame, Rejected):
            return Folded(name, None, (), frame)
        controller = self.controllers.get(record.key)
        if controller is None:
            return Folded(name, None, (), Rejected(DeadLetterReason.UNKNOWN_POINT, f"no grid loop {record.key!r}"))
        if again:
            return Folded(name, None, (), None)
        outcome = controller.fold(frame, received_at_us=record.received_at_us)
        if isinstance(outcome, Rejected):
            return Folded(name, None, (), outcome)
        return Folded(name, frame, outcome, None)


def is_foreign(key: bytes, hub_id: str) -> bool:
    """Whether a message is another hub's, for all hubs share the topics; a key without a hub is everybody's.

    >>> is_foreign(b"de-koumen/lus-1", "de-koumen"), is_foreign(b"elsewhere/lus-1", "de-koumen"), is_foreign(b"", "x")
    (False, True, False)
    """
    return b"/" in key and not key.startswith(key_of(hub_id, ""))
