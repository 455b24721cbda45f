"""What a park costs, by process: a park of 1,000 assets and one of 4,000, and ten parks of 100 on one worker.

The difference of the two sizes is what 1,000 assets cost, what remains of the smaller one is what a park costs whatever
its size. Assets report and are decided on once a second; devices take what they are told.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import psutil

from lusbalans.children import Roles
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure
from tests.bench.stand import STOP_S, Stand, running_gateways, say, shares, stand

SMALL, LARGE = 1_000, 4_000
PARKS, PARK_ASSETS = 10, 100
SETTLE_S = 12.0
MEASURED_S = 25.0
ROLES = ("dispatch", "recorder", "worker")
PROCESSES = ("worker", "broker", "dispatch", "recorder", "database")
LOG = "log"


def figures() -> Iterator[Figure]:
    small, large = one_park(SMALL), one_park(LARGE)
    for process in PROCESSES:
        per_thousand = (large[process] - small[process]) / (LARGE - SMALL) * 1_000
        yield Figure(f"{process}, per 1,000 assets", 1_000 * per_thousand, "ms/s", "lower")
        yield Figure(f"{process}, besides", 1_000 * (small[process] - per_thousand * SMALL / 1_000), "ms/s", "lower")
    yield Figure("log, per 1,000 assets", (large[LOG] - small[LOG]) / (LARGE - SMALL), "kB/s", "lower")
    ten = ten_parks()
    for process in ("worker", "broker"):
        yield Figure(f"{process}, ten parks of 100 assets, per park", 1_000 * ten[process] / PARKS, "ms/s", "lower")
    yield Figure("dispatch, of one of ten parks of 100 assets", 1_000 * ten["dispatch"], "ms/s", "lower")


def one_park(n_assets: int) -> dict[str, float]:
    """CPU of each process as a share of one core, and the log's growth in bytes per second."""
    with tempfile.TemporaryDirectory() as folder:
        hub_dir = write_big_hub(Path(folder), n_assets)
        with stand(hub_dir) as system, running_gateways(system, compression="gzip"):
            system.start(*ROLES)
            system.wait_until_ready(*ROLES)
            return measured(system)


def ten_parks() -> dict[str, float]:
    """The same of a worker that serves ten parks, and of the dispatch of one of them; nobody records."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        hubs = [write_big_hub(Path(name), PARK_ASSETS, 1, hub_id=f"park-{at}") for at in range(PARKS)]
        system = stack.enter_context(stand(Path(name)))
        for hub_dir in hubs:
            stack.enter_context(load(hub_dir, system.settings.kafka_bootstrap))
        system.start("worker")
        system.wait_until_ready("worker")
        first = msgspec.structs.replace(system.settings, hub_dir=str(hubs[0]))
        roles = stack.enter_context(Roles(first, on_progress=say))
        roles.start("dispatch")
        system.watched["dispatch"] = psutil.Process(roles.running["dispatch"].child.pid)
        return measured(system)


@contextmanager
def load(hub_dir: Path, bootstrap: str) -> Iterator[None]:
    """The gateways of one of several parks."""
    command = [sys.executable, "-m", "tests.bench.load", str(hub_dir), bootstrap, "0", "gzip"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_S)


def measured(system: Stand) -> dict[str, float]:
    time.sleep(SETTLE_S)
    psutil.cpu_percent()
    before, began_s, log_bytes = system.cpu_s(), time.monotonic(), logged_bytes(system)
    time.sleep(MEASURED_S)
    wall_s = time.monotonic() - began_s
    say(f"machine busy: {psutil.cpu_percent():.0f} %")
    return shares(before, system.cpu_s(), wall_s) | {LOG: (logged_bytes(system) - log_bytes) / wall_s}


def logged_bytes(system: Stand) -> int:
    """Of all topics, as they lie on disk."""
    return sum(file.stat().st_size for file in (system.environment.kafka.folder / "data").glob("hub.*/*.log"))
