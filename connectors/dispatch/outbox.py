"""One thread per grid loop that hands writes to a driver, so that a device that hangs delays nobody else's loop.

Holds at most one write per asset, the newest (R20); while the driver is busy, newer writes replace waiting ones. Devices
are read back when asked for, after what is to be written.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.dispatch.driver import Driver, Shown
from connectors.dispatch.rules import DeviceWrite
from streams.messages import Epoch

READ_AT_ONCE: Final = 500
"""Devices read in one go: writes that come meanwhile wait for no more than this, and the answer fits a driver's line."""


@dataclass(frozen=True, slots=True)
class FrameRef:
    """The frame that asked for writes, for the answer to it."""

    epoch: Epoch
    sequence: int
    issued_at_us: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one batch."""

    grid_loop: str
    asset_ids: tuple[str, ...]
    failed: dict[str, str]
    """Asset id to why."""
    frames: tuple[FrameRef, ...]
    """Frames whose newest values the batch carried."""
    at_us: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What devices that were to be read back show; those that did not answer are absent."""

    grid_loop: str
    asked: tuple[str, ...]
    shown: Mapping[str, Shown]


class Outbox:
    """Waiting writes of one grid loop and the thread that delivers them."""

    def __init__(
        self,
        grid_loop: str,
        *,
        driver: Driver,
        on_delivery: Callable[[Delivery | Reading], None],
        now_us: Callable[[], int],
    ) -> None:
        self._grid_loop = grid_loop
        self._driver = driver
        self._on_delivery = on_delivery
        self._now_us = now_us
        self._changed = threading.Condition()
        self._waiting: dict[str, DeviceWrite] = {}
        self._frames: tuple[FrameRef, ...] = ()
        self._asked: dict[str, None] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._deliver, name=f"outbox {grid_loop}", daemon=True)
        self._thread.start()

    def put(self, writes: Sequence[DeviceWrite], frames: Sequence[FrameRef]) -> None:
        """Add writes; each replaces one for the same asset that still waits. Never blocks on a device.

        Without writes the frames are answered once the batch under way is.
        """
        with self._changed:
            self._waiting.update((write.asset_id, write) for write in writes)
            # Answers to old frames are worth little; their number is bounded like everything else.
            self._frames = (*self._frames, *frames)[-100:]
            self._changed.notify()

    def ask(self, asset_ids: Sequence[str]) -> None:
        """Have devices read back; what they show comes like a delivery. Never blocks on a device."""
        with self._changed:
            self._asked.update(dict.fromkeys(asset_ids))
            self._changed.notify()

    @property
    def alive(self) -> bool:
        """Whether the thread still delivers; False after a bug in a driver, which the role must not outlive."""
        return self._thread.is_alive()

    def close(self, timeout_s: float) -> None:
        """Deliver nothing more, wait for the batch under way, and let go of the link."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _deliver(self) -> None:
        try:
            while (batch := self._next()) is not None:
                writes, frames, asked = batch
                if writes or frames:
                    failed = dict(self._driver.write(writes)) if writes else {}
                    ids = tuple(write.asset_id for write in writes)
                    self._on_delivery(Delivery(self._grid_loop, ids, failed, frames, self._now_us()))
                if asked:
                    self._on_delivery(Reading(self._grid_loop, asked, self._driver.read(asked)))
        finally:
            self._driver.close()

    def _next(self) -> tuple[tuple[DeviceWrite, ...], tuple[FrameRef, ...], tuple[str, ...]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._frames or self._asked)
            if self._closed:
                return None
            asked = tuple(self._asked)[:READ_AT_ONCE]
            batch = (tuple(self._waiting.values()), self._frames, asked)
            self._waiting, self._frames = {}, ()
            self._asked = dict.fromkeys(tuple(self._asked)[READ_AT_ONCE:])
            return batch
