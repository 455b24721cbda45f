"""PostgreSQL as a child on the loopback address, from programs that need no installation.

No Unix socket, so no limit on the folder's path; loopback connections need the password that is in the folder.
"""

import secrets
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.services.ports import LOOPBACK, free_port, require_free
from infra.services.process import Program, Progress, end_orphan, end_processes, run_to_end, spawn
from infra.services.service import EmbeddedService
from infra.services.users import SystemUser, give, ordinary_user, require_reachable

Edition = Literal["postgresql", "timescaledb"]

START_TIMEOUT_S = 60.0  # 0.1 s; recovery after a crash is longer, by what was written since the last checkpoint
INIT_TIMEOUT_S = 60.0
BACKEND_TIMEOUT_S = 10.0
STATUS_LINE = 7  # of postmaster.pid, where the server writes its state (miscadmin.h, LOCK_FILE_LINE_PM_STATUS)
DATABASE = "lusbalans"
OWNER = "postgres"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "log_destination": "stderr",
}


@dataclass(frozen=True, slots=True)
class ServerPrograms:
    """Where `postgres` and `initdb` are, and the settings that these programs need."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)


class DatabaseService(EmbeddedService):
    """One PostgreSQL server with an empty database `lusbalans`; `dsn` is what psycopg connects to."""

    needed_mib = 1024

    def __init__(
        self, folder: Path, *, edition: Edition, port: int | None, programs: ServerPrograms, on_progress: Progress
    ) -> None:
        super().__init__(folder, on_progress=on_progress)
        self.edition = edition
        self.port = free_port() if port is None else port
        self._programs = programs

    @property
    def dsn(self) -> str:
        """Connection string of the superuser to the database `lusbalans`; holds the password."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Connection string of the superuser to another database of this server."""
        password = self._password_file.read_text(encoding="utf-8")
        return make_conninfo(host=LOOPBACK, port=self.port, user=OWNER, password=password, dbname=database)

    def create_database(self, database: str) -> str:
        """Makes an empty database and returns its connection string; it must not exist yet."""
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        return self.dsn_of(database)

    def drop_database(self, database: str) -> None:
        """Removes a database if it exists, and ends its connections."""
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _recover(self) -> None:
        end_orphan(self._server(None), timeout_s=10.0, on_progress=self._on_progress)
        self._settle()
        # no server is left on this folder, so what the file says is of a dead one, whoever has its process id now
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _settle(self) -> None:
        """A server's sessions outlive its kill for a moment, and a new server refuses to start beside them."""
        sessions = sessions_on(self._cluster)
        _, alive = psutil.wait_procs(sessions, timeout=BACKEND_TIMEOUT_S)
        end_processes(alive, signal.SIGQUIT, timeout_s=BACKEND_TIMEOUT_S)

    def _launch(self) -> None:
        require_free(self.port)
        user = ordinary_user(self._cluster)
        require_reachable(self.folder, user)
        require_reachable(self._programs.folder, user)
        if not self._cluster.exists():
            self._initialise(user)
        self._on_progress(f"starting {self.edition} on port {self.port}")
        child = self._child = spawn(self._server(user))
        child.wait_until(
            lambda: is_ready(self._cluster, child.pid), timeout_s=START_TIMEOUT_S, on_progress=self._on_progress
        )
        self._ensure_database()

    def _initialise(self, user: SystemUser | None) -> None:
        """Makes an empty cluster beside its place and moves it there when it is whole."""
        self._on_progress(f"preparing a data folder for {self.edition}")
        password = secrets.token_urlsafe(24)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password, encoding="utf-8")
        new, handed = self.folder / "cluster.new", self.folder / "password.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        handed.touch(mode=0o600)
        handed.write_text(password, encoding="utf-8")
        give(new, user)
        give(handed, user)
        run_to_end(self._initdb(new, handed, user), timeout_s=INIT_TIMEOUT_S)
        handed.unlink()
        new.rename(self._cluster)

    def _initdb(self, cluster: Path, password_file: Path, user: SystemUser | None) -> Program:
        options = ("--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--username={OWNER}")
        return self._program("initdb", user, "-D", str(cluster), f"--pwfile={password_file}", *options)

    def _server(self, user: SystemUser | None) -> Program:
        settings = SETTINGS | {"port": str(self.port)} | dict(self._programs.settings)
        options = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
        return self._program("postgres", user, "-D", str(self._cluster), *options)

    def _program(self, name: str, user: SystemUser | None, *arguments: str) -> Program:
        return Program(
            name,
            (str(self._programs.folder / name), *arguments),
            self.folder,
            signal.SIGINT,  # PostgreSQL's "fast": ends sessions, writes a checkpoint
            environment={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            user=user,
        )

    def _ensure_database(self) -> None:
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone()
        if found is None:
            self.create_database(DATABASE)


def is_ready(cluster: Path, pid: int) -> bool:
    """Whether the server with this process id says in its own file that it takes connections."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def sessions_on(cluster: Path) -> list[psutil.Process]:
    """PostgreSQL processes that work in this cluster: they all make it their working directory."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if (process.info["name"] or "").startswith("postgres") and Path(process.cwd()) == cluster:
                found.append(process)
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue
    return found
