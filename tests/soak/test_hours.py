"""A thousand assets every second for a minute, or for an hour: memory, handles and latency do not grow."""

import statistics
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.soak.slopes import BLOCKS, course

pytestmark = [pytest.mark.services, pytest.mark.soak]

ROLES = ("worker", "dispatch", "recorder")
WARM_S = 15.0
"""Before the first sample: pools fill and code is loaded."""

MOST_GROWN = {"memory": 32.0, "handles": 2.0, "latency": 20.0}
"""Flat means: not shown (95 %) to grow by more in the time watched, an hour at most. MiB, file descriptors, ms."""

UNITS = {"memory": "MiB", "handles": "handles", "latency": "ms"}
MIB = 1024**2


def sampled(stand, *, seconds: float) -> tuple[list[float], dict[tuple[str, str], list[float]]]:
    """Once a second: when, and each figure of each role."""
    processes = {role: psutil.Process(stand.supervisor.processes[role].pid) for role in ROLES}
    at_s, columns, seen = [], {}, {loop: len(frames) for loop, frames in stand.setpoints.frames.items()}
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(1.0)
        latencies_ms = list(new_latencies_ms(stand.setpoints.frames, seen))
        if not latencies_ms:
            continue
        at_s.append(time.monotonic())
        row = {("setpoints", "latency"): statistics.median(latencies_ms)}
        for role, process in processes.items():
            row |= {(role, "memory"): process.memory_info().rss / MIB, (role, "handles"): process.num_fds()}
        for figure, value in row.items():
            columns.setdefault(figure, []).append(value)
    return at_s, columns


def new_latencies_ms(frames, seen: dict[str, int]) -> Iterator[float]:
    """How far into their tick the broker had the frames of the last second."""
    for loop, written in frames.items():
        yield from (1000 * (each.at_s - each.tick) for each in written[seen[loop] :])
        seen[loop] = len(written)


def test_memory_handles_and_latency_are_flat_at_a_thousand_assets_a_second(stand, minutes):
    for role in ROLES:
        stand.supervisor.start(role)
    stand.until_balanced(time.time())
    stand.supervisor.kill("dispatch")  # the first one's devices return one by one for five minutes (R12)
    time.sleep(WARM_S)
    before = stand.gateway.readings_acknowledged
    at_s, columns = sampled(stand, seconds=60 * minutes)
    sent = stand.gateway.readings_acknowledged - before
    courses = {figure: course(at_s, values) for figure, values in columns.items()}
    print(f"{minutes:g} minutes, {sent / 60 / minutes:.0f} readings/s")
    for (what, figure), each in sorted(courses.items()):
        flat = "flat" if each.is_flat(MOST_GROWN[figure]) else "GROWS"
        print(f"{what:10s} {figure:8s} {each.text(UNITS[figure])}: {flat}")
    assert len(at_s) >= BLOCKS
    assert stand.supervisor.ended == []
    assert [figure for figure, each in courses.items() if not each.is_flat(MOST_GROWN[figure[1]])] == []
