"""A supervisor that starts again whatever ended, and killers that strike at random moments."""

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.faults.park import Roles

LOOK_S = 0.02

MOST_ENDED = 20
"""More roles that end by themselves are no accident: nothing is started again after that."""


LAST_WORDS_BYTES = 2_000


class Ended(NamedTuple):
    """A role that ended by itself."""

    name: str
    code: int
    at_s: float
    last_words: str
    """End of its log."""


@dataclass(eq=False)
class Supervisor:
    """Keeps one process of each role running, as an operating system's would."""

    roles: Roles
    killed: Counter[str] = field(default_factory=Counter)
    ended: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.processes: dict[str, subprocess.Popen] = {}
        self._role_of: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def start(self, role: str, name: str | None = None) -> subprocess.Popen:
        name = name or role
        with self._lock:
            self._role_of[name] = role
            self.processes[name] = self.roles.start(role, name)
            return self.processes[name]

    def kill(self, name: str) -> float:
        """Kill it and start another at once; returns when it was killed."""
        with self._lock:
            process = self.processes[name]
            killed_s = time.time()
            process.kill()
            process.wait()
            self.killed[name] += 1
            self.processes[name] = self.roles.start(self._role_of[name], name)
        return killed_s

    def terminate(self, name: str, *, within_s: float = 30.0) -> int:
        """End it in good order, for ever."""
        with self._lock:
            process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(within_s)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self.roles.stop()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S) and len(self.ended) < MOST_ENDED:
            with self._lock:
                for name, process in list(self.processes.items()):
                    if (code := process.poll()) is not None:
                        said = self.roles.log_of(name).read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
                        self.ended.append(Ended(name, code, time.time(), said))
                        self.processes[name] = self.roles.start(self._role_of[name], name)


class Killer(threading.Thread):
    """Strikes a number of times, at moments that are random and the same in every run."""

    def __init__(self, name: str, strike: Callable[[], object], *, seed: int, times: int, mean_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self.struck = 0
        self.error: BaseException | None = None
        self.times = times
        self._strike = strike
        self._waits_s = random.Random(f"{name} {seed}")
        self._mean_s = mean_s

    def run(self) -> None:
        try:
            for _ in range(self.times):
                time.sleep(min(self._waits_s.expovariate(1 / self._mean_s), 3 * self._mean_s))
                self._strike()
                self.struck += 1
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.error = error
