"""The wall clock, as messages have it."""

import time


def now_us() -> int:
    """UTC in microseconds."""
    return time.time_ns() // 1000
