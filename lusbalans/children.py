"""The roles as child processes of one folder: started, asked whether they are ready, watched, stopped together."""

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import environ
from typing import Final, Self

import msgspec

from infra.services.ports import LOOPBACK, free_port
from infra.services.process import ChildProcess, Program, Progress, end_orphan, last_lines, spawn
from infra.settings import PREFIX, Settings, as_environment

STOP_S: Final = 10.0
"""Roles end within a second or two; a worker that hangs in its client library is killed."""

_PROBE_S: Final = 1.0


class RoleDiedError(Exception):
    """A role ended by itself; one line with the end of its log."""


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


class Roles:
    """All roles of the demo; a context manager that stops them."""

    def __init__(self, settings: Settings, names: Collection[str], *, on_progress: Progress) -> None:
        self.roles: dict[str, Role] = {}
        self._folder = settings.data_path
        programs = {name: _program(settings, name) for name in names}
        for program in programs.values():
            end_orphan(program, timeout_s=STOP_S, on_progress=on_progress)
        for name, program in programs.items():
            port = free_port()
            arguments = (*program.arguments, "--http-port", str(port))
            self.roles[name] = Role(name, spawn(replace(program, arguments=arguments)), port)
            on_progress(f"started {name} (log: {program.log_file})")

    def require_alive(self) -> None:
        """Raise RoleDiedError for the first role that is not running any more."""
        for role in self.roles.values():
            if (code := role.child.exit_code) is not None:
                log_file = role.child.program.log_file
                ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
                raise RoleDiedError(f"{role.name} ended ({ended}): {last_lines(log_file)}; see {log_file}")

    def stop(self, names: Collection[str]) -> None:
        """Stop some roles at the same time."""
        chosen = [self.roles[name].child for name in names if name in self.roles]
        with ThreadPoolExecutor() as pool:
            for stopped in [pool.submit(child.stop, timeout_s=STOP_S) for child in chosen]:
                stopped.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop(list(self.roles))


def _program(settings: Settings, role: str) -> Program:
    return Program(
        name=role,
        arguments=(sys.executable, "-m", "lusbalans", "run", role, "--data", str(settings.data_path)),
        folder=settings.data_path,
        stop_signal=signal.SIGTERM,
        environment=_environment(settings, role),
    )


def _environment(settings: Settings, role: str) -> Mapping[str, str]:
    """Ours, with the demo's settings in place of what the caller may have set; only the recorder sees the database."""
    mine = settings if role == "recorder" else msgspec.structs.replace(settings, database_dsn="")
    others = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    return others | as_environment(mine)
