"""Processes that a benchmark starts, measures and ends."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.services.ports import free_port


@dataclass
class Worker:
    """A worker role as a process of its own."""

    process: psutil.Process
    page: str

    def cpu_s(self) -> float:
        return cpu_s(self.process)

    def metric(self, name: str) -> float:
        """Sum over a metric's series; 0 while the page does not answer yet."""
        try:
            with urllib.request.urlopen(self.page, timeout=5) as answer:  # noqa: S310 - our own page
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))

    def folded(self) -> float:
        return self.metric("lusbalans_worker_readings_folded_total")


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def worker(folder: Path, hub_dir: Path, bootstrap: str, *, module: str = "lusbalans") -> Iterator[Worker]:
    """A worker that has taken its partitions; `module` is run as the program."""
    port = free_port()
    environment = (
        os.environ
        | {
            "LUSBALANS_HUB_DIR": str(hub_dir),
            "LUSBALANS_DATA_DIR": str(folder / f"data-{hub_dir.name}"),
            "LUSBALANS_KAFKA_BOOTSTRAP": bootstrap,
            "LUSBALANS_HTTP_PORT": str(port),
        }
        | kernel_cache(folder)
    )
    with running(
        [sys.executable, "-m", module, *(["run", "worker"] if module == "lusbalans" else [])], environment
    ) as child:
        under_test = Worker(psutil.Process(child.pid), f"http://127.0.0.1:{port}/metrics")
        wait_until(
            lambda: (
                child.poll() is not None or under_test.metric("lusbalans_worker_rebuild_duration_seconds_count") > 0
            ),
            within_s=180,
        )
        if child.poll() is not None:
            raise RuntimeError(f"the worker ended with {child.returncode}")
        yield under_test


def kernel_cache(folder: Path) -> dict[str, str]:
    """Where compiled loops are kept: as the environment says, else with the benchmark."""
    return {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(folder / "kernel"))}


@contextmanager
def running(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


def wait_until(done: Callable[[], bool], *, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {within_s} s")
        time.sleep(0.2)
