"""One rebuild of everything a worker owns, by the worker's own code: only who hands out the partitions is not Faust.

    python -m tests.bench.rebuild_once BOOTSTRAP HUB_DIR NOW_US

The clock is set to NOW_US, since a quarter's telemetry is only in the log when the quarter is nearly over. Prints
processor seconds and wall seconds until the loops are decided again, and how many points were heard.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from hub.folder import read_hub
from hub.model import Hub
from infra.settings import Settings
from streams import conductor, parks
from streams.parks import Parks
from streams.topics import PARTITIONS
from streams.worker import warm_up


def set_clock(at_us: int) -> None:
    shift_us = time.time_ns() // 1000 - at_us
    conductor.now_us = parks.now_us = lambda: time.time_ns() // 1000 - shift_us


async def rebuild(settings: Settings, hub: Hub, *, at_us: int) -> None:
    failures: list[BaseException] = []
    warm_up(hub)
    worker = Parks(settings, [hub], name="bench", fail=failures.append)
    entries = asyncio.create_task(worker.follow_entries_forever())
    for feed in worker._feeds:
        await feed.wait_until_read()
    set_clock(at_us)
    began = time.process_time(), time.perf_counter()
    worker.resume(range(PARTITIONS), generation=1)
    while not worker._active and not failures:  # noqa: ASYNC110 - what is measured has no event to wait for
        await asyncio.sleep(0.005)
    cpu_s, wall_s = time.process_time() - began[0], time.perf_counter() - began[1]
    await worker._rebuild
    entries.cancel()
    await worker.stop()
    assert not failures, failures
    loops = [loop for partition in worker.conductors[0]._partitions.values() for loop in partition.grid_loops]
    print(cpu_s, wall_s, sum(int((loop.points.at_us > 0).sum()) for loop in loops), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(hub_dir=sys.argv[2], data_dir=data, kafka_bootstrap=sys.argv[1])
        asyncio.run(rebuild(settings, read_hub(Path(sys.argv[2])), at_us=int(sys.argv[3])))
