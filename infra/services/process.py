"""A child process that is started, watched until ready, and never left behind.

Three nets against orphans: `stop`; a death signal from the kernel when this process dies (Linux); and the record of
process id and start time in the folder, by which the next run finds and ends what was left.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from infra.services.errors import StartFailedError
from infra.services.users import SystemUser

Progress = Callable[[str], None]

POLL_S = 0.02
QUOTED_LINES = 4  # of the log, in an error: a Java or PostgreSQL fault shows in so many
PROGRESS_PERIOD_S = 5.0


@functools.cache
def _spawner(_pid: int) -> ThreadPoolExecutor:
    """The one thread that forks all children, for the kernel sends the death signal when the thread that forked ends.

    It lives as long as the program. One per process id: a forked copy of this process has not got the thread.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="service-spawner")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `folder` is the working directory and holds `NAME.log` and `NAME.pid`."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    stop_signal: signal.Signals
    environment: Mapping[str, str] = field(default_factory=dict)
    user: SystemUser | None = None

    @property
    def log_file(self) -> Path:
        """What the program prints; the log of the start before is kept beside it as `.1`."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Process id and start time, for the run after a crash."""
        return self.folder / f"{self.name}.pid"


class Record(msgspec.Struct, frozen=True):
    """What a pid file says: process id, and start time in seconds since 1970."""

    pid: int
    started_s: float


class ChildProcess:
    """A running program; made by `spawn`."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self._process = process

    @property
    def pid(self) -> int:
        """The program's own process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float, on_progress: Progress) -> None:
        """Returns when `ready` is true; says now and then that it waits.

        Raises:
            StartFailedError: the program ended, or the time is over; it is not running any more then.
        """
        name, log_file = self.program.name, self.program.log_file
        began_s = time.monotonic()
        said_s = began_s
        while not ready():
            now_s = time.monotonic()
            if (code := self.exit_code) is not None:
                raise StartFailedError(f"{name} exited with code {code}: {last_lines(log_file)}", f"see {log_file}")
            if now_s - began_s > timeout_s:
                self.kill()
                raise StartFailedError(
                    f"{name} was not ready within {timeout_s:.0f} s: {last_lines(log_file)}", f"see {log_file}"
                )
            if now_s - said_s >= PROGRESS_PERIOD_S:
                said_s = now_s
                on_progress(f"waiting for {name} ({now_s - began_s:.0f} s)")
            time.sleep(POLL_S)

    def stop(self, *, timeout_s: float) -> None:
        """Asks the program to end, and kills it when it has not within `timeout_s`."""
        if self.exit_code is None:
            self._process.send_signal(self.program.stop_signal)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """Ends the program at once, as a crash would."""
        if self.exit_code is None:
            self._process.kill()
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        self.program.pid_file.unlink(missing_ok=True)


def spawn(program: Program) -> ChildProcess:
    """Starts the program in a session of its own, bound to die with this process, and records it in its folder."""
    if program.log_file.exists():
        program.log_file.replace(program.log_file.with_suffix(".log.1"))
    process = _spawner(os.getpid()).submit(_popen, program).result()
    record = Record(process.pid, psutil.Process(process.pid).create_time())
    program.pid_file.write_bytes(msgspec.json.encode(record))
    return ChildProcess(program, process)


def run_to_end(program: Program, *, timeout_s: float) -> None:
    """Runs a tool that ends by itself.

    Raises:
        StartFailedError: it failed or took longer than `timeout_s`; quotes its last lines.
    """
    child = spawn(program)
    try:
        child.wait_until(lambda: child.exit_code == 0, timeout_s=timeout_s, on_progress=lambda _: None)
    finally:
        child.kill()


def end_orphan(program: Program, *, timeout_s: float, on_progress: Progress) -> None:
    """Ends what an earlier, killed run of this program left running, if anything."""
    orphan = find_orphan(program)
    if orphan is not None:
        on_progress(f"ending {program.name} left by an earlier run (process {orphan.pid})")
        end_processes([orphan], program.stop_signal, timeout_s=timeout_s)
    program.pid_file.unlink(missing_ok=True)


def find_orphan(program: Program) -> psutil.Process | None:
    """The process that the record in the folder means; another one that got its id since is not it.

    A clock that was set in between shifts start times, so the same program on the same folder counts too.
    """
    try:
        record = msgspec.json.decode(program.pid_file.read_bytes(), type=Record)
        process = psutil.Process(record.pid)
        command = process.cmdline()
        same_start = abs(process.create_time() - record.started_s) < 1.0
    except (FileNotFoundError, msgspec.DecodeError, psutil.Error):
        return None
    same_program = command[:1] == [program.arguments[0]] and any(str(program.folder) in each for each in command)
    return process if same_start or same_program else None


def end_processes(processes: list[psutil.Process], stop_signal: signal.Signals, *, timeout_s: float) -> None:
    """Signals all, waits for them to be gone, kills the rest and waits for that."""
    for process in processes:
        _signal(process, stop_signal)
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=timeout_s)


def last_lines(log_file: Path) -> str:
    """The end of a log on one line."""
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return " | ".join([line.strip() for line in lines if line.strip()][-QUOTED_LINES:]) or "its log is empty"


def _signal(process: psutil.Process, which: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(which)


def _popen(program: Program) -> subprocess.Popen[bytes]:
    uid, gid = (program.user.uid, program.user.gid) if program.user else (-1, -1)
    launcher = Path(__file__).with_name("launcher.py")
    tie = [str(number) for number in (os.getpid(), int(program.stop_signal), uid, gid)]
    with program.log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(launcher), *tie, *program.arguments],
            cwd=program.folder,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
