"""Ctrl-C and its kin: the first asks for a clean end, the second ends everything this program started at once."""

import os
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import psutil

INTERRUPTED: Final = 130
"""Exit code of a program that was stopped by Ctrl-C before it had anything to tell (128 + SIGINT)."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Give an event that the first signal sets; the old handlers come back at the end."""
    stop = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            signal_children(signal.SIGKILL)
            os._exit(INTERRUPTED)
        stop.set()

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def own_children() -> list[psutil.Process]:
    """Every process that this one started and that still runs, those they started included."""
    return psutil.Process().children(recursive=True)


def signal_children(number: signal.Signals, *, but: Collection[int] = ()) -> None:
    """Signal them, but for those process ids."""
    for child in own_children():
        if child.pid not in but:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(number)
