"""A whole system to measure on: embedded broker and database, the roles as the demo starts them, who used how much CPU.

Everything starts here, in a folder of its own, and is stopped here.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from infra.services import default_cache_folder
from infra.services.ports import free_port
from infra.settings import Settings
from lusbalans.balance import use_kernel_cache
from lusbalans.children import Roles, compiling
from lusbalans.environment import Environment, start_environment
from tests.bench.big_hub import DE_KOUMEN

READY_S = 150.0
"""A park of 100,000 assets is read and laid out by each role first."""

STOP_S = 10.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Stand:
    """Broker and database run; roles and whatever else is watched are added by name."""

    environment: Environment
    settings: Settings
    roles: Roles
    watched: dict[str, psutil.Process] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        self.roles.start(*names)
        for name in names:
            self.watched[name] = psutil.Process(self.roles.running[name].child.pid)

    def wait_until_ready(self, *names: str) -> None:
        until_s = time.monotonic() + READY_S
        for name in names:
            while not self.roles.running[name].is_ready():
                self.roles.require_alive()
                if time.monotonic() > until_s:
                    raise TimeoutError(f"{name} is not ready within {READY_S:g} s")
                time.sleep(0.2)

    def metrics(self, role: str) -> dict[tuple[str, tuple[str, ...]], float]:
        """All samples of a role by name and label values, `le` of a histogram's bucket included."""
        url = f"http://127.0.0.1:{self.roles.running[role].http_port}/metrics"
        text = urllib.request.urlopen(url, timeout=5).read().decode()
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU each watched process has used, with its children."""
        return {name: _with_children_s(process) for name, process in self.watched.items()}


def _with_children_s(process: psutil.Process) -> float:
    """Server processes of a database come and go; what an ended one used counts with its parent's children."""
    times = process.cpu_times()
    used_s = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used_s += own.user + own.system
    return float(used_s)


@contextmanager
def stand(hub_dir: Path) -> Iterator[Stand]:
    """A system without data; the kernel is compiled before anything is measured."""
    use_kernel_cache(default_cache_folder())
    folder = Path(tempfile.mkdtemp(prefix="lusbalans-bench-"))
    folder.chmod(0o711)  # the database's user may enter
    try:
        with compiling(DE_KOUMEN, folder, on_progress=say) as compilation:
            compilation.wait(threading.Event())
        environment = start_environment(folder, "postgresql", stop=threading.Event(), on_progress=say)
        try:
            settings = Settings(
                hub_dir=str(hub_dir),
                data_dir=str(folder),
                kafka_bootstrap=environment.kafka.bootstrap,
                database_dsn=environment.database.dsn,
                simulator_port=free_port(),
                log_level="WARNING",
            )
            with Roles(settings, on_progress=say) as roles:
                watched = {
                    "broker": psutil.Process(environment.kafka.pid),
                    "database": psutil.Process(environment.database.pid),
                }
                yield Stand(environment, settings, roles, watched)
        finally:
            environment.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_gateways(system: Stand, *, compression: str) -> Iterator[None]:
    """All gateways and devices of the park in a process of their own."""
    settings = system.settings
    arguments = (settings.hub_dir, settings.kafka_bootstrap, str(settings.simulator_port), compression)
    command = [sys.executable, "-m", "tests.bench.load", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    system.watched["load generator"] = psutil.Process(process.pid)
    try:
        yield
    finally:
        process.terminate()
        try:
            say(f"gateways: {process.communicate(timeout=STOP_S)[0].strip()}")
        except subprocess.TimeoutExpired:
            process.kill()


def shares(before: dict[str, float], after: dict[str, float], wall_s: float) -> dict[str, float]:
    """CPU of each process between two looks, as a share of one core."""
    return {name: (after[name] - before[name]) / wall_s for name in before}
