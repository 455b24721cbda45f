"""Where a worker's time goes, in one process without a broker: the steps of a frame, and those of a loop's tick.

The quickest of some repeats, each the mean of many: what a step takes alone, its data in the caches.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from timeit import repeat

from hub.folder import read_hub
from streams.codec import encode
from streams.columns import Columns, check_columns
from streams.fold import fold
from streams.frame_reader import FrameReader
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure
from tests.bench.gateways import SECOND_US, Gateways

AT_US = 1_700_000_000_000_000
READINGS = {89: 100, 907: 1_000}
"""Readings of a frame by the assets of its loop: a meter per ten of them and two feeders make it full."""

SIZES = (100, 1_000)
"""Assets of a loop that ticks."""

REPEATS, TIMES = 9, 100


def figures() -> Iterator[Figure]:
    for n_assets, readings in READINGS.items():
        for step, seconds in frame_steps(n_assets):
            yield Figure(f"{step}, a frame of {readings} readings", seconds * 1e6, "us", "lower")
    for n_assets in SIZES:
        for step, seconds in tick_steps(n_assets):
            yield Figure(f"{step}, a loop of {n_assets} assets", seconds * 1e3, "ms", "lower")


def frame_steps(n_assets: int) -> Iterator[tuple[str, float]]:
    loop, frames = a_loop(n_assets)
    raw, reader = frames[0], FrameReader()
    reader.read(raw)  # how this gateway writes is learned with its first frame
    frame = reader.read(raw)

    def check() -> Columns:
        return check_columns(frame, points=loop.plant.points, index=loop.points.index, received_at_us=AT_US)

    columns = check()
    yield "bytes to numbers", quickest_s(lambda: reader.read(raw))
    yield "what cannot be true", quickest_s(check)
    yield "fold", quickest_s(lambda: fold(loop.points, columns))


def tick_steps(n_assets: int) -> Iterator[tuple[str, float]]:
    loop, frames = a_loop(n_assets)
    reader = FrameReader()
    for second, raw in enumerate(frames):
        loop.fold(reader.read(raw), received_at_us=AT_US + second * SECOND_US)
    now_us = AT_US + len(frames) * SECOND_US

    def offer() -> object:
        return loop.offer(tick=1, now_us=now_us)

    def tick() -> object:
        offer()
        return loop.balance(tick=1, now_us=now_us)

    cycle = loop.balance(tick=1, now_us=now_us)
    both_s, offer_s = quickest_s(tick), quickest_s(offer)
    yield "offer", offer_s
    yield "balance", both_s - offer_s
    yield "encode setpoints and state", quickest_s(lambda: (encode(cycle.setpoints), encode(cycle.state)))


def a_loop(n_assets: int) -> tuple[GridLoop, list[bytes]]:
    """A claimed grid loop, and what its gateway sends in its first seconds."""
    with tempfile.TemporaryDirectory() as folder:
        hub = read_hub(write_big_hub(Path(folder), n_assets, 1))
    name = hub.grid_loops[0].id
    loop, gateway = GridLoop(hub, name), Gateways(hub).loops[name]
    loop.begin(Epoch(1, 1, 1))
    frames = []
    for second in range(5):
        gateway.step()
        frames.append(encode(gateway.frame(AT_US + second * SECOND_US)))
    return loop, frames


def quickest_s(step: Callable[[], object]) -> float:
    step()
    return min(repeat(step, number=TIMES, repeat=REPEATS)) / TIMES
