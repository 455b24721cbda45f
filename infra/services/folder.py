"""A folder that belongs to one service of one run at a time.

The lock is the kernel's (`flock`), so a killed run leaves none behind; the text in the lock file only tells a second
run whom to blame.
"""

import fcntl
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from infra.services.errors import FolderLockedError, FolderUnreachableError, NoSpaceError

LOCK_FILE = "owner.lock"
MIB = 1024 * 1024
ELSEWHERE = "choose another folder, or run as the user that owns it"


class Owner(msgspec.Struct, frozen=True):
    """What a lock file says: the owner's process id, and since when in words."""

    pid: int
    since: str


class FolderLock:
    """Exclusive ownership of a folder from construction until `release`.

    Raises:
        FolderLockedError: another run (or another service object of this run) owns the folder.
        FolderUnreachableError: it cannot be made, or this user may not write in it.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._file = (folder / LOCK_FILE).open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            first = describe_owner(self._file.read())
            self._file.close()
            raise FolderLockedError(
                f"data folder {folder} is in use by {first}", "stop that run, or choose another folder"
            ) from None
        self._file.truncate(0)
        owner = Owner(os.getpid(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        self._file.write(msgspec.json.encode(owner))
        self._file.flush()

    def release(self) -> None:
        """Gives the folder up; harmless when done twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def describe_owner(text: bytes) -> str:
    """Whom a lock file's text names; the owner may be about to write it.

    >>> describe_owner(b'{"pid": 7, "since": "2026-03-29 12:00:00 UTC"}')
    'process 7 since 2026-03-29 12:00:00 UTC'
    >>> describe_owner(b"")
    'another process'
    """
    try:
        owner = msgspec.json.decode(text, type=Owner)
    except msgspec.DecodeError:
        return "another process"
    return f"process {owner.pid} since {owner.since}"


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing.

    Root's are made so that another user may pass, whatever the umask: the database is not run by root.

    Raises:
        FolderUnreachableError: it cannot be made, or this user may not write in it.
    """
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderUnreachableError(f"folder {folder} cannot be made ({error.strerror})", ELSEWHERE) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderUnreachableError(f"folder {folder} is not writable for this user", ELSEWHERE)
    if os.geteuid() == 0:
        for step in missing:
            step.chmod(0o755)


def require_space(folder: Path, needed_mib: int) -> None:
    """Refuses a file system too full to work on.

    Raises:
        NoSpaceError: less than `needed_mib` is free where `folder` (which must exist) lies.
    """
    free_mib = shutil.disk_usage(folder).free // MIB
    if free_mib < needed_mib:
        raise NoSpaceError(
            f"{folder} has {free_mib} MiB free and needs {needed_mib} MiB", "make room, or choose another folder"
        )


def default_cache_folder() -> Path:
    """Where downloaded programs are kept for all runs of this user.

    Root gets the system's cache: the database runs as another user there, who may not enter root's home.
    """
    return Path("/var/cache/lusbalans") if os.geteuid() == 0 else Path.home() / ".cache" / "lusbalans"


def default_data_folder() -> Path:
    """Where messages and measurements are kept unless the user names a folder; root's as for the cache."""
    return Path("/var/lib/lusbalans") if os.geteuid() == 0 else Path.home() / ".local" / "share" / "lusbalans"
