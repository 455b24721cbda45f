"""The kernel's figures: against PIQP, against its own plain run, against memory, by size and by depth.

Everything that is compared is timed in turns (one of each, again and again), so that a slow moment of the machine hits
all; the median of the turns counts, over five seeds the worst.
"""

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from statistics import median

import numba
import numpy as np

from balancer.kernel import Solver, State
from balancer.topology import Floats, Topology
from balancer.violations import excess, rating_below_kw
from tests.bench.cases import chain, park
from tests.bench.figure import Figure
from tests.bench.piqp_baseline import Baseline

SEEDS = range(5)
TURNS = 5

PIQP_MARKS = {1_000: (50, 80), 10_000: (75, 120), 100_000: (90, 150)}


def turns(*runs: Callable[[], object], count: int = TURNS, inner: int = 1) -> list[float]:
    """Median seconds of each run, taken in turns; `inner` repeats of a quick run are timed as one."""
    seconds: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(count):
        for run, mine in zip(runs, seconds, strict=True):
            begin = time.perf_counter()
            for _ in range(inner):
                run()
            mine.append((time.perf_counter() - begin) / inner)
    return [median(mine) for mine in seconds]


def kernel_run(topology: Topology, state: State) -> Callable[[], object]:
    solver = Solver(topology)
    return lambda: solver.solve(state)


def figures() -> Iterator[Figure]:
    yield from against_piqp()
    yield from exactness()
    yield from against_itself()
    yield from many_loops()
    yield from allocation()
    yield compile_time()


def against_piqp() -> Iterator[Figure]:
    """Each turn PIQP once, then the kernel, as often as fits a tenth of that."""
    for n_assets, (at_least, aim) in PIQP_MARKS.items():
        ratios = []
        for seed in SEEDS:
            topology, state = park(n_assets, seed=seed)
            baseline, kernel = Baseline(topology, state), kernel_run(topology, state)
            theirs, mine = [], []
            baseline.solve()
            for _ in range(TURNS):
                theirs += turns(baseline.solve, count=1)
                mine += turns(kernel, count=1, inner=10)
            ratios.append(median(theirs) / median(mine))
        yield Figure(f"PIQP / kernel, {n_assets} assets, worst of 5 seeds", min(ratios), "x", "higher", at_least, aim)


def exactness() -> Iterator[Figure]:
    """Violation and cost at 10,000 assets, where PIQP's own answer is the comparison."""
    worst_kw, worst_cost = 0.0, 0.0
    for seed in SEEDS:
        topology, state = park(10_000, seed=seed)
        answer = Solver(topology).solve(state)
        over_kw, under_kw = excess(answer)
        scale_kw = np.maximum(rating_below_kw(answer)[topology.limit_node], 1e-9)  # a node without assets
        worst_kw = max(worst_kw, float(np.max(np.maximum(over_kw, under_kw) / scale_kw)))
        mine, theirs = cost(topology, state, answer.power_kw), cost(topology, state, Baseline(topology, state).solve())
        worst_cost = max(worst_cost, mine / theirs - 1.0)
    yield Figure("limit violation, relative to the ratings below", worst_kw, "", "lower", 1e-9, 1e-12)
    yield Figure("cost above PIQP's, relative", worst_cost, "", "lower", 1e-9, 1e-12)


def cost(topology: Topology, state: State, power_kw: Floats) -> float:
    return float(np.sum((power_kw - state.target_kw) ** 2 / topology.weight) / 2)


def against_itself() -> Iterator[Figure]:
    """The kernel at other sizes, shapes and troubles, in turns with itself at 10,000 assets in four levels."""
    runs = {
        "plain": kernel_run(*park(10_000)),
        "pass": memory_pass(*park(10_000)),
        "small": kernel_run(*park(1_000)),
        "large": kernel_run(*park(100_000)),
        "deep": kernel_run(*park(10_000, levels=11)),
        "chain": kernel_run(*chain(1_000, 10_000)),
        "classes": kernel_run(*park(10_000, n_classes=4)),
        "trouble": kernel_run(*park(10_000, n_classes=4, contradictory=0.05)),
    }
    seconds = dict(zip(runs, turns(*runs.values(), count=25, inner=4), strict=True))
    plain = seconds["plain"]
    yield Figure("kernel, 1,000 assets", seconds["small"] * 1e6, "us", "lower")
    yield Figure("kernel, 10,000 assets", plain * 1e6, "us", "lower")
    yield Figure("kernel, 100,000 assets", seconds["large"] * 1e6, "us", "lower")
    yield Figure("4 classes and 5 % contradictory limits / plain", seconds["trouble"] / plain, "x", "lower", 2, 1.5)
    yield Figure("4 classes / plain", seconds["classes"] / plain, "x", "lower")
    yield Figure("100,000 / 1,000 assets", seconds["large"] / seconds["small"], "x", "lower", 200, 120)
    yield Figure("kernel / one pass over memory, 10,000", plain / seconds["pass"], "x", "lower", 25, 12)
    yield Figure("11 levels / 4 levels", seconds["deep"] / plain, "x", "lower", 3, 2)
    yield Figure("chain of 1,000 nodes / 4 levels", seconds["chain"] / plain, "x", "lower", 3, 2)


def memory_pass(topology: Topology, state: State) -> Callable[[], object]:
    """Read box, target and weight of each asset, write its setpoint: what any method must do at least."""

    @numba.njit
    def touch(low: Floats, high: Floats, target: Floats, weight: Floats, power: Floats) -> None:
        for i in range(low.size):
            power[i] = min(max(target[i] + weight[i] * 0.1, low[i]), high[i])

    power_kw = np.zeros(len(topology.asset_ids))
    return lambda: touch(state.min_kw, state.max_kw, state.target_kw, topology.weight, power_kw)


def many_loops() -> Iterator[Figure]:
    """A hundred grid loops of a hundred assets, each its own call: what the call itself costs."""
    loops = [kernel_run(*park(100, seed=seed)) for seed in range(100)]
    (seconds,) = turns(lambda: [loop() for loop in loops], count=15)
    yield Figure("100 loops of 100 assets, a call each", seconds * 1e6, "us", "lower")
    yield Figure("a call with 1 asset", turns(kernel_run(*park(1)), count=25, inner=100)[0] * 1e6, "us", "lower")


def allocation() -> Iterator[Figure]:
    """Bytes still held after a tick, and at most during it, beside the answer's header."""
    run = kernel_run(*park(10_000))
    tracemalloc.start()
    for _ in range(10):
        run()
    before = tracemalloc.get_traced_memory()[0]
    run()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield Figure("memory kept by a tick", float(max(0, after - before)), "bytes", "lower", 0, 0)
    yield Figure("memory used during a tick (the answer's header)", float(peak - before), "bytes", "lower")


def compile_time() -> Figure:
    """The first answer of a new process with an empty cache."""
    code = (
        "import time; begin = time.perf_counter();"
        "from tests.bench.cases import park; from balancer.kernel import Solver;"
        "topology, state = park(10); Solver(topology).solve(state); print(time.perf_counter() - begin)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {"NUMBA_CACHE_DIR": folder, "PATH": "/usr/bin:/bin"}
        seconds = [
            float(subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True).stdout)
            for _ in range(2)
        ]
    print(f"first start {seconds[0]:.1f} s, with a cache {seconds[1]:.1f} s", file=sys.stderr)
    return Figure("first answer of a process, compiled before", seconds[1], "s", "lower")
