"""100,000 assets at 1 Hz on this whole machine: broker, worker, dispatch, recorder and database, and the load itself.

Fifty grid loops of 2,000 assets, each with one gateway at its own moment of the second. Devices take whatever dispatch
tells them. What the load generator takes of the machine is told: a real park brings its own.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.topic_admin import ensure_topics
from streams.topics import SETPOINT
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure
from tests.bench.histogram import Histogram
from tests.bench.latency import FOLD, setpoint_figures, share_figures
from tests.bench.stand import Stand, running_gateways, shares, stand
from tests.bench.stopwatch import ECHO, Stopwatch

N_ASSETS = 100_000
N_LOOPS = 50
SETTLE_S = 20.0
MEASURED_S = 60.0
ROLES = ("dispatch", "recorder", "worker")
DEVICES = "lusbalans_dispatch_setpoint_latency_seconds"
FOLDED = "lusbalans_worker_readings_folded_total"
STORED = "lusbalans_recorder_rows_stored_total"
LAG = "lusbalans_recorder_lag_messages"


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        hub_dir = write_big_hub(Path(folder), N_ASSETS, N_LOOPS)
        with stand(hub_dir) as system:
            ensure_topics(system.settings.kafka_bootstrap, [ECHO])
            system.start(*ROLES)
            with running_gateways(system, compression="gzip"):
                system.wait_until_ready("worker")
                time.sleep(SETTLE_S)
                yield from measured(system)


def measured(system: Stand) -> Iterator[Figure]:
    watch = Stopwatch(system.settings.kafka_bootstrap)
    before, cpu_s, began_s = _counts(system), system.cpu_s(), time.monotonic()
    folds, writes = (Histogram.of(system, role, name=name) for role, name in (("worker", FOLD), ("dispatch", DEVICES)))
    watch.run(MEASURED_S)
    wall_s = time.monotonic() - began_s
    after, share_of = _counts(system), shares(cpu_s, system.cpu_s(), wall_s)
    folds = Histogram.of(system, "worker", name=FOLD).since(folds)
    writes = Histogram.of(system, "dispatch", name=DEVICES).since(writes)
    yield from share_figures(share_of)
    yield _ticks_kept(watch)
    yield from setpoint_figures(watch, at_least=(None, None), aim=(None, 500))
    yield Figure("telemetry produced to folded, p50", folds.quantile_ms(0.50), "ms", "lower")
    yield Figure("telemetry produced to folded, p99", folds.quantile_ms(0.99), "ms", "lower")
    yield Figure("setpoint issued until devices had it, p50", writes.quantile_ms(0.50), "ms", "lower")
    yield Figure("setpoint issued until devices had it, p99", writes.quantile_ms(0.99), "ms", "lower")
    yield Figure("readings folded", (after[FOLDED] - before[FOLDED]) / wall_s, "1/s", "higher")
    yield Figure("rows stored", (after[STORED] - before[STORED]) / wall_s, "1/s", "higher")
    yield Figure("messages the recorder has fallen behind by", after[LAG] - before[LAG], "", "lower")


def _ticks_kept(watch: Stopwatch) -> Figure:
    """Of all loops in all seconds between the first and the last one heard of, both left out: they were cut."""
    ticks = [(heard.grid_loop, heard.tick) for heard in watch.heard[SETPOINT.name]]
    first, last = min(tick for _, tick in ticks), max(tick for _, tick in ticks)
    kept = {(loop, tick) for loop, tick in ticks if first < tick < last}
    share = 100 * len(kept) / (N_LOOPS * (last - first - 1))
    return Figure("grid loops' ticks that brought setpoints", share, "%", "higher", None, 100)


def _counts(system: Stand) -> dict[str, float]:
    """Totals over all labels."""
    totals = dict.fromkeys((FOLDED, STORED, LAG), 0.0)
    for role in ("worker", "recorder"):
        for (sample, _), value in system.metrics(role).items():
            if sample in totals:
                totals[sample] += value
    return totals
