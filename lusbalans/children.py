"""The roles as child processes of one folder: started, asked whether they are ready, watched, stopped together."""

import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Final, Self

import msgspec

from infra.services.ports import LOOPBACK, free_port
from infra.services.process import ChildProcess, Program, Progress, end_orphan, last_lines, spawn
from infra.settings import PREFIX, Settings, as_environment

STOP_S: Final = 10.0
"""Roles end within a second or two; a worker that hangs in its client library is killed."""

_PROBE_S: Final = 1.0
_LOOK_S: Final = 0.1


class RoleDiedError(Exception):
    """A child process ended by itself; one line with the end of its log."""


@dataclass(frozen=True, slots=True)
class Role:
    """One running role."""

    name: str
    child: ChildProcess
    http_port: int

    def is_ready(self) -> bool:
        """Ask it whether it does its job."""
        url = f"http://{LOOPBACK}:{self.http_port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=_PROBE_S) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def require_alive(self) -> None:
        """Raise RoleDiedError when it is not running any more."""
        if self.child.exit_code is not None:
            raise _died(self.child)


class Roles:
    """The roles of the demo; a context manager that stops them. Ends first what a killed run left."""

    def __init__(self, settings: Settings, *, on_progress: Progress) -> None:
        self.running: dict[str, Role] = {}
        self._settings = settings
        self._on_progress = on_progress

    def start(self, *names: str) -> None:
        """Start roles; they become ready in their own time."""
        for name in names:
            port = free_port()
            program = _program(self._settings, name, "run", name, "--http-port", str(port))
            end_orphan(program, timeout_s=STOP_S, on_progress=self._on_progress)
            self.running[name] = Role(name, spawn(program), port)
            self._on_progress(f"started {name} (log: {program.log_file})")

    def require_alive(self) -> None:
        """Raise RoleDiedError for the first role that is not running any more."""
        for role in self.running.values():
            role.require_alive()

    def stop(self, *names: str) -> None:
        """Stop some roles at the same time."""
        chosen = [self.running[name].child for name in names if name in self.running]
        with ThreadPoolExecutor() as pool:
            for stopped in [pool.submit(child.stop, timeout_s=STOP_S) for child in chosen]:
                stopped.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop(*self.running)


class Compilation:
    """The kernel being compiled in a process of its own, while broker and database start."""

    def __init__(self, child: ChildProcess) -> None:
        self._child = child

    def wait(self, stop: threading.Event) -> None:
        """Return when it is done, or when `stop` is set; raise RoleDiedError when it failed."""
        while self._child.exit_code is None and not stop.wait(_LOOK_S):
            pass
        if self._child.exit_code not in {0, None}:
            raise _died(self._child)


@contextmanager
def compiling(hub_dir: Path, data: Path, *, on_progress: Progress) -> Iterator[Compilation]:
    """Compile the kernel unless the cache has it already; ended with the context."""
    settings = Settings(hub_dir=str(hub_dir), data_dir=str(data))
    program = _program(settings, "warm-up", "warm-up")
    end_orphan(program, timeout_s=STOP_S, on_progress=on_progress)
    child = spawn(program)
    try:
        yield Compilation(child)
    finally:
        child.kill()


def _died(child: ChildProcess) -> RoleDiedError:
    program, code = child.program, child.exit_code or 0
    ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    return RoleDiedError(f"{program.name} ended ({ended}): {last_lines(program.log_file)}; see {program.log_file}")


def _program(settings: Settings, name: str, *arguments: str) -> Program:
    """One of our own commands; it names the data folder so that the next run knows it for an orphan."""
    folder = settings.data_path
    return Program(
        name=name,
        arguments=(sys.executable, "-m", "lusbalans", *arguments, "--data", str(folder)),
        folder=folder,
        stop_signal=signal.SIGTERM,
        environment=_environment(settings, name),
    )


def _environment(settings: Settings, name: str) -> Mapping[str, str]:
    """Ours, with the demo's settings in place of what the caller may have set; only the recorder sees the database."""
    mine = settings if name == "recorder" else msgspec.structs.replace(settings, database_dsn="")
    others = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    return others | as_environment(mine)
