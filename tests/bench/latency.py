"""From the whole second until a setpoint can be read, and from a gateway's sending until a reading is folded.

The worker's process on the embedded broker, 10,000 assets in ten grid loops, each gateway at its own moment of the
second; offers and budgets go through the broker as always. Beside it, in the same run, a bare message sent and read.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.topic_admin import ensure_topics
from streams.conductor import BALANCE_AT_S
from streams.topics import LOOP_BUDGET, LOOP_OFFER, SETPOINT
from tests.bench.big_hub import write_big_hub
from tests.bench.figure import Figure
from tests.bench.histogram import Histogram
from tests.bench.stand import Stand, running_gateways, shares, stand
from tests.bench.stopwatch import ECHO, Heard, Stopwatch, percentile

N_ASSETS = 10_000
SETTLE_S = 12.0
"""The last of the kernel is loaded, offers and budgets have met."""

MEASURED_S = 90.0
FOLD = "lusbalans_worker_fold_latency_seconds"


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        hub_dir = write_big_hub(Path(folder), N_ASSETS)
        with stand(hub_dir) as system:
            ensure_topics(system.settings.kafka_bootstrap, [ECHO])
            with running_gateways(system, compression="gzip"):
                system.start("worker")
                system.wait_until_ready("worker")
                time.sleep(SETTLE_S)
                yield from measured(system)


def measured(system: Stand) -> Iterator[Figure]:
    watch = Stopwatch(system.settings.kafka_bootstrap)
    before, cpu_s, began_s = Histogram.of(system, "worker", name=FOLD), system.cpu_s(), time.monotonic()
    watch.run(MEASURED_S)
    share_of = shares(cpu_s, system.cpu_s(), time.monotonic() - began_s)
    folds = Histogram.of(system, "worker", name=FOLD).since(before)
    yield from setpoint_figures(watch, at_least=(60, 250), aim=(20, 100))
    yield Figure("bare message, produced to read, p50", percentile(watch.echo_ms, 50), "ms", "lower")
    yield Figure("bare message, produced to read, p99", percentile(watch.echo_ms, 99), "ms", "lower")
    yield Figure("telemetry produced to folded, p50", folds.quantile_ms(0.50), "ms", "lower", 30, 10)
    yield Figure("telemetry produced to folded, p99", folds.quantile_ms(0.99), "ms", "lower", 250, 50)
    yield from share_figures(share_of)


def setpoint_figures(
    watch: Stopwatch, *, at_least: tuple[float | None, float | None], aim: tuple[float | None, float | None]
) -> Iterator[Figure]:
    """The whole way and the two stations on it; marks for p50 and p99."""
    for topic, what in ((LOOP_OFFER, "offer"), (LOOP_BUDGET, "budget")):
        after_ms = [heard.after_tick_ms for heard in watch.heard[topic.name]]
        if not after_ms:  # no budget is lent before all loops have offered in one tick
            yield Figure(f"{what}s heard", 0, "", "higher")
            continue
        yield Figure(f"tick to {what} readable, p50", percentile(after_ms, 50), "ms", "lower")
        yield Figure(f"tick to {what} readable, p99", percentile(after_ms, 99), "ms", "lower")
    setpoints = watch.heard[SETPOINT.name]
    after_ms = [heard.after_tick_ms for heard in setpoints]
    yield Figure("tick to setpoint readable, p50", percentile(after_ms, 50), "ms", "lower", at_least[0], aim[0])
    yield Figure("tick to setpoint readable, p99", percentile(after_ms, 99), "ms", "lower", at_least[1], aim[1])
    yield Figure("tick to setpoint readable, worst", max(after_ms), "ms", "lower")
    yield Figure("setpoint frames heard", len(setpoints), "", "higher")
    yield Figure("of them in full", share(setpoints, lambda heard: heard.full), "%", "higher")
    early = share(setpoints, lambda heard: heard.issued_after_tick_ms < BALANCE_AT_S * 1000)
    yield Figure("of them not kept waiting until 200 ms for a budget", early, "%", "higher")


def share(heard: list[Heard], holds) -> float:
    return 100 * sum(map(holds, heard)) / len(heard)


def share_figures(share_of: dict[str, float]) -> Iterator[Figure]:
    for name, cores in share_of.items():
        yield Figure(f"CPU of the {name}, of one core", cores * 100, "%", "lower")
    yield Figure("CPU of all, of one core", sum(share_of.values()) * 100, "%", "lower")
