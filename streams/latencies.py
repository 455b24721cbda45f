"""Latencies counted by the millisecond, so that a run of any length needs the same memory."""

from typing import Final

import msgspec
import numpy as np

_MOST_MS: Final = 60_000
"""A longer one counts as this: nothing obeys a setpoint that is a minute late (R2)."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a latency by nearest rank, whole milliseconds; None where nothing was measured."""

    count: int
    p50_ms: int | None
    p99_ms: int | None
    worst_ms: int | None


class Latencies:
    """Takes one latency at a time.

    >>> latencies = Latencies()
    >>> for latency_us in (1_000, 2_000, 9_000):
    ...     latencies.take(latency_us)
    >>> latencies.figures()
    Latency(count=3, p50_ms=2, p99_ms=9, worst_ms=9)
    """

    def __init__(self) -> None:
        self._count = np.zeros(_MOST_MS + 1, np.int64)

    def take(self, latency_us: int) -> None:
        """Count one; below zero is two clocks that differ, and counts as zero."""
        self._count[min(max(round(latency_us / 1000), 0), _MOST_MS)] += 1

    def figures(self) -> Latency:
        """Percentiles so far."""
        up_to = np.cumsum(self._count)
        count = int(up_to[-1])
        if count == 0:
            return Latency(count=0, p50_ms=None, p99_ms=None, worst_ms=None)
        p50_ms, p99_ms, worst_ms = np.searchsorted(up_to, np.ceil(np.array([0.5, 0.99, 1.0]) * count)).tolist()
        return Latency(count=count, p50_ms=p50_ms, p99_ms=p99_ms, worst_ms=worst_ms)
