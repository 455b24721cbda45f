"""How much telemetry of one grid loop is folded per tick, so that one that floods takes nobody else's time (R20).

What a loop needs has room several times over. Beyond that frames wait, by gateway: the gateway with the least waiting
comes first and the newest of its frames before older ones, and where too much waits, the oldest of the gateway with
the most is dropped. Nothing is lost by that but old readings: a fold takes them in any order, and registers go on.
Pure: whoever calls it says when a period begins.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.replay import Record

PERIOD_BYTES: Final = 1_000_000
"""Folded per second whatever a loop's size: some 20 ms of work, and a hundred times what a small loop sends."""

POINT_BYTES: Final = 512
"""And this per point; a reading takes 60 to 200 bytes."""

FRAME_BYTES: Final = 1_024
"""What a frame costs besides its bytes, in bytes of the same work."""

LETTER_WEIGHT: Final = 3
"""A byte that goes to the dead letters costs this much more than one that is folded: it is compressed again."""

LARGEST_BYTES: Final = 65_536
LARGEST_POINT_BYTES: Final = 1_024
"""A frame is one cycle of at most all points of a loop; a larger one is not decoded."""

MOST_PERIODS: Final = 16
"""What waits is at most what so many periods may fold."""

MOST_GATEWAYS: Final = 256
"""Gateways told apart while they wait; others share one queue."""

_GATEWAY: Final = re.compile(rb'\s*\{\s*"gateway"\s*:\s*"([^"\\]{1,80})"')


class Arrived(NamedTuple):
    """A frame that was delivered; `again`: it was folded before."""

    record: Record
    again: bool


@dataclass(slots=True)
class Intake:
    """The frames of one grid loop between delivery and fold."""

    n_points: int
    tick_s: float
    dropped: int = 0
    """Frames that will never be folded, not yet told."""
    _left: int = field(init=False)
    _waiting: dict[bytes, deque[Arrived]] = field(default_factory=dict)
    _waiting_bytes: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._left = self.period_bytes

    @property
    def period_bytes(self) -> int:
        """What one period folds."""
        return round((PERIOD_BYTES + POINT_BYTES * self.n_points) * self.tick_s)

    @property
    def largest_bytes(self) -> int:
        """What a frame may have."""
        return LARGEST_BYTES + LARGEST_POINT_BYTES * self.n_points

    def begin_period(self) -> None:
        """Give what a period may fold; what the last one left is not added."""
        self._left = self.period_bytes

    def charge(self, n_bytes: int) -> bool:
        """Take work from what is left of this period; False, and nothing is taken, when none is left."""
        if self._left <= 0:
            return False
        self._left -= n_bytes
        return True

    def admit(self, arrived: Arrived) -> bool:
        """Whether a frame is judged and folded now; else it waits, but for one that is too large."""
        if len(arrived.record.value) > self.largest_bytes:
            taken = self.charge(FRAME_BYTES)
            self.dropped += not taken
            return taken
        if self.charge(_cost_bytes(arrived)):
            return True
        gateway = _gateway_of(arrived.record.value)
        if gateway not in self._waiting and len(self._waiting) >= MOST_GATEWAYS:
            gateway = b""
        self._waiting.setdefault(gateway, deque()).append(arrived)
        self._count(gateway, _cost_bytes(arrived))
        while sum(self._waiting_bytes.values()) > MOST_PERIODS * self.period_bytes:
            self._pop(max(self._waiting_bytes, key=self._waiting_bytes.__getitem__), newest=False)
            self.dropped += 1
        return False

    def take(self) -> Arrived | None:
        """Next of the frames that wait; None when there is none, or when this period has folded what it may."""
        if not self._waiting or self._left <= 0:
            return None
        arrived = self._pop(min(self._waiting_bytes, key=self._waiting_bytes.__getitem__), newest=True)
        self.charge(_cost_bytes(arrived))
        return arrived

    def take_dropped(self) -> int:
        """How many frames were dropped since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def _pop(self, gateway: bytes, *, newest: bool) -> Arrived:
        queue = self._waiting[gateway]
        arrived = queue.pop() if newest else queue.popleft()
        self._count(gateway, -_cost_bytes(arrived))
        if not queue:
            del self._waiting[gateway], self._waiting_bytes[gateway]
        return arrived

    def _count(self, gateway: bytes, n_bytes: int) -> None:
        self._waiting_bytes[gateway] = self._waiting_bytes.get(gateway, 0) + n_bytes


def _cost_bytes(arrived: Arrived) -> int:
    return FRAME_BYTES + len(arrived.record.value)


def _gateway_of(payload: bytes) -> bytes:
    """Name of the gateway as our encoder writes it, first of all; without decoding the rest."""
    found = _GATEWAY.match(payload[:200])
    return b"" if found is None else found[1]
