"""Instructions per asset: a figure that does not depend on what else the machine does.

Valgrind counts the instructions of a process that solves the same problem a few times, and of one that solves it some
times more; the difference is what those solves took, start and imports aside. It cannot run what is compiled for the
newest processors, so the kernel is compiled for the oldest, by a process of its own, and kept in a cache that the
counted ones read. So the figure is for plain x86-64: for comparing one version with another, not for telling time.
"""

import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.cases import park
from tests.bench.figure import Figure

ASSETS_MORE = 20_000_000
"""So many assets, over all solves, does the second process more: starting differs by some twenty million instructions."""

CASES = {
    "1 class": {"n_classes": 1},
    "4 classes, 5 % contradictory limits": {"n_classes": 4, "contradictory": 0.05},
}
CODE = """
import pickle, sys
from balancer.kernel import Solver
topology, state = pickle.loads(open(sys.argv[1], "rb").read())
solver = Solver(topology)
for _ in range(int(sys.argv[2])):
    solver.solve(state)
"""


def figures() -> Iterator[Figure]:
    """Some minutes: each case is two processes, each thirty times slower than it is."""
    if shutil.which("valgrind") is None:
        raise SystemExit("this counts with valgrind, which is not installed: apt install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        for n_assets in (1_000, 10_000):
            for name, options in CASES.items():
                problem = Path(folder) / "problem"
                problem.write_bytes(pickle.dumps(park(n_assets, **options)))
                count = instructions_per_solve(problem, ASSETS_MORE // n_assets)
                yield Figure(f"instructions per asset, {n_assets}, {name}", count / n_assets, "", "lower")


def instructions_per_solve(problem: Path, more: int) -> float:
    """The cache of compiled code lies beside the problem, and is filled before anything is counted."""
    solve(problem, 1)
    return (count_instructions(problem, 1 + more) - count_instructions(problem, 1)) / more


def solve(problem: Path, times: int, *tool: str) -> str:
    """Solve in a process of its own, under a tool if one is given; what it wrote on standard error."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", "."),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",  # or its threads spin while they wait
        "NUMBA_CACHE_DIR": str(problem.parent / "cache"),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    }
    command = [*tool, sys.executable, "-c", CODE, str(problem), str(times)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stderr


def count_instructions(problem: Path, times: int) -> int:
    told = solve(problem, times, "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    found = re.search(r"I +refs: +([\d,]+)", told)
    if found is None:
        raise RuntimeError(f"valgrind told no count: {told[-500:]}")
    return int(found[1].replace(",", ""))
