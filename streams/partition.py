"""What a worker holds of one partition: its grid loops, perhaps the station, and how far its telemetry is folded.

While the state is rebuilt, frames that arrive wait; a frame below `next_offset` was folded already, whoever delivers it
again. Pure but for its own state.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hub.model import STATION, Hub
from streams.codec import Rejected
from streams.columns import BadReading, Frame
from streams.frame_reader import FrameReader
from streams.grid_loop import GridLoop
from streams.intake import Arrived, Intake
from streams.messages import DeadLetterReason
from streams.rebuild_cuts import Cuts
from streams.replay import Record
from streams.station import Station
from streams.topics import key_of, partition_of

MOST_WAITING: Final = 10_000
"""Frames kept while a rebuild runs, in all a few seconds of the largest park; more means starting the rebuild anew."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of one telemetry message; `frame` is None where it was not ours to fold."""

    grid_loop: str
    frame: Frame | None
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
    intakes: dict[bytes, Intake]
    """By message key, that of what belongs to no loop under the empty one."""
    readers: dict[bytes, FrameReader]
    """Likewise."""
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
        controllers: dict[bytes, GridLoop | Station] = {
            key_of(hub.id, name): Station(hub) if name == STATION else GridLoop(hub, name) for name in owned
        }
        points = {key: one.n_points for key, one in controllers.items()} | {b"": 0}
        return cls(
            number=number,
            hub_id=hub.id,
            controllers=controllers,
            names={key_of(hub.id, name): name for name in owned},
            intakes={key: Intake(n_points, hub.timing.tick_s) for key, n_points in points.items()},
            readers={key: FrameReader() for key in points},
        )

    @property
    def grid_loops(self) -> list[GridLoop]:
        """The grid loops among what is owned."""
        return [one for one in self.controllers.values() if isinstance(one, GridLoop)]

    @property
    def station(self) -> Station | None:
        """The hub agent, where this partition is the station's."""
        return next((one for one in self.controllers.values() if isinstance(one, Station)), None)

    def knows_all(self, cuts: Cuts) -> bool:
        """Whether the quarter's gap can tell none of the loops anything new."""
        return all(
            one.points.told_throughout(cuts.quarter_us, since_us=cuts.tail_us) for one in self.controllers.values()
        )

    def wait(self, record: Record) -> None:
        """Keep a frame until the rebuild is done; beyond the bound the oldest goes and the rebuild must be repeated."""
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.popleft()
            self.overflowed = True
        self.waiting.append(record)

    def intake_of(self, key: bytes) -> Intake:
        """Where frames of this key wait."""
        return self.intakes.get(key, self.intakes[b""])

    def reader_of(self, key: bytes) -> FrameReader:
        """What reads frames of this key."""
        return self.readers.get(key, self.readers[b""])

    def note(self, record: Record) -> bool:
        """Whether a telemetry message was delivered before; from now on this one was."""
        again = self.next_offset is not None and record.offset < self.next_offset
        if not again:
            self.next_offset = record.offset + 1
        return again

    def fold(self, record: Record) -> Folded:
        """Decode a telemetry message and fold it once; one delivered again is decoded only, to judge it."""
        return self.judge(Arrived(record, self.note(record)))

    def judge(self, arrived: Arrived) -> Folded:
        """Decode a noted message and fold it, unless it was before.

        What another hub's gateways send is theirs to fold and theirs to bury.
        """
        record, again = arrived
        name = self.names.get(record.key, "")
        if is_foreign(record.key, self.hub_id):
            return Folded(name, None, (), None)
        too_large = len(record.value) > self.intake_of(record.key).largest_bytes
        frame = (
            Rejected(DeadLetterReason.TOO_LARGE, f"{len(record.value)} bytes")
            if too_large
            else self.reader_of(record.key).read(record.value)
        )
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
