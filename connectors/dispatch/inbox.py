"""What waits for the lease loop: frames from the broker and deliveries from the outboxes, both bounded (R20)."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from connectors.dispatch.outbox import Delivery

MOST_FRAMES: Final = 1_000
"""A hundred grid loops for ten seconds; of more the oldest is dropped, which would be refused as too old anyway."""


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


class Inbox:
    """Filled by many threads, emptied by one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: deque[Received] = deque()
        self._deliveries: deque[Delivery] = deque()
        self._dropped = 0

    def put_frame(self, received: Received) -> None:
        """Add a frame; the oldest waiting one makes room."""
        with self._changed:
            if len(self._frames) >= MOST_FRAMES:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(received)
            self._changed.notify()

    def put_delivery(self, delivery: Delivery) -> None:
        """Add a delivery; there is one under way per outbox at most, so nothing needs dropping."""
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify()

    def take(self, timeout_s: float) -> tuple[list[Received], list[Delivery], int]:
        """Wait for anything, at most `timeout_s`, and take all: frames, deliveries, frames dropped since last time."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._deliveries, timeout_s)
            taken = (list(self._frames), list(self._deliveries), self._dropped)
            self._frames.clear()
            self._deliveries.clear()
            self._dropped = 0
            return taken
