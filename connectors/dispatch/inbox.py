"""What waits for the lease loop: frames, reverts and overrides from the broker, deliveries from the outboxes (R20)."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from connectors.dispatch.outbox import Delivery, Reading
from streams.topics import SETPOINT, Topic

MOST_FRAMES: Final = 1_000
"""A hundred grid loops for ten seconds; of more the oldest is dropped, which would be refused as too old anyway."""

MOST_REVERTS: Final = 1_000
"""Of all parks on the broker; the newest are kept, and one is enough for its grid loop."""

MOST_OVERRIDES: Final = 1_000
"""None may be lost, so whoever reads them waits while so many are untaken."""

PATIENCE_S: Final = 10.0
"""... but not for ever: a lease loop that stands still for so long is restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One record as it came from the broker, with both clocks at its receipt."""

    key: bytes
    payload: bytes
    partition: int
    offset: int
    at_s: float
    at_us: int
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: Topic = SETPOINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """All that waited."""

    overrides: list[Received]
    reverts: list[Received]
    frames: list[Received]
    deliveries: list[Delivery | Reading]
    dropped: int
    """Frames that had to make room since last time."""


class Inbox:
    """Filled by many threads, emptied by one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: deque[Received] = deque()
        self._reverts: deque[Received] = deque(maxlen=MOST_REVERTS)
        self._overrides: deque[Received] = deque()
        self._deliveries: deque[Delivery | Reading] = deque()
        self._dropped = 0

    def put_override(self, received: Received) -> None:
        """Add an override, or what ends one, in the log's order."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._overrides) < MOST_OVERRIDES, PATIENCE_S)
            self._overrides.append(received)
            self._changed.notify_all()

    def put_revert(self, received: Received) -> None:
        """Add a revert; frames never push one out."""
        with self._changed:
            self._reverts.append(received)
            self._changed.notify()

    def put_frame(self, received: Received) -> None:
        """Add a frame; the oldest waiting one makes room."""
        with self._changed:
            if len(self._frames) >= MOST_FRAMES:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(received)
            self._changed.notify()

    def put_delivery(self, delivery: Delivery | Reading) -> None:
        """Add what an outbox did; there are two under way per outbox at most, so nothing needs dropping."""
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify()

    def take(self, timeout_s: float) -> Taken:
        """Wait for anything, at most `timeout_s`, and take all."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._overrides or self._reverts or self._frames or self._deliveries, timeout_s
            )
            taken = Taken(
                overrides=list(self._overrides),
                reverts=list(self._reverts),
                frames=list(self._frames),
                deliveries=list(self._deliveries),
                dropped=self._dropped,
            )
            self._overrides.clear()
            self._reverts.clear()
            self._frames.clear()
            self._deliveries.clear()
            self._dropped = 0
            self._changed.notify_all()  # there is room for overrides again
            return taken
