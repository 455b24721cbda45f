"""One rebuild of everything a worker owns, by the conductor itself: only who hands out the partitions is not Faust.

    python -m tests.bench.rebuild_once BOOTSTRAP HUB_DIR NOW_US

The clock is set to NOW_US, since a quarter's telemetry is only in the log when the quarter is nearly over. Prints
processor seconds, wall seconds, and how many points were heard.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from hub.folder import read_hub
from hub.model import Hub
from infra.settings import Settings
from streams import conductor as module
from streams.conductor import Conductor
from streams.topics import PARTITIONS


async def rebuild(settings: Settings, hub: Hub) -> None:
    failures: list[BaseException] = []
    conductor = Conductor(settings, hub, name="bench", fail=failures.append)
    await conductor.outbox.start()
    began = time.process_time(), time.perf_counter()
    conductor.resume(range(PARTITIONS), generation=1)
    await conductor._rebuild
    cpu_s, wall_s = time.process_time() - began[0], time.perf_counter() - began[1]
    await conductor.outbox.stop()
    assert not failures
    loops = [loop for partition in conductor._partitions.values() for loop in partition.grid_loops]
    heard = sum(int((loop._points.at_us > 0).sum()) for loop in loops)
    print(cpu_s, wall_s, heard, flush=True)


if __name__ == "__main__":
    shift_us = time.time_ns() // 1000 - int(sys.argv[3])
    module.now_us = lambda: time.time_ns() // 1000 - shift_us
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(hub_dir=sys.argv[2], data_dir=data, kafka_bootstrap=sys.argv[1])
        asyncio.run(rebuild(settings, read_hub(Path(sys.argv[2]))))
