"""Whom a server runs as that refuses to run as root, and what that user can reach."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from infra.services.errors import FolderUnreachableError, ServiceUnavailableError

# In this order; every Linux has at least `nobody`. PostgreSQL's tools look the user up by name, so a bare number that
# no account has would not do.
ORDINARY_USERS = ("postgres", "nobody", "daemon")


@dataclass(frozen=True, slots=True)
class SystemUser:
    """An account of this machine."""

    name: str
    uid: int
    gid: int


def ordinary_user(owned: Path) -> SystemUser | None:
    """Who shall run a server that refuses root: None means the user that we are.

    As root, the owner of the folder `owned` if it exists, so that data of an earlier run stay readable; else the first
    ordinary account.
    """
    if os.geteuid() != 0:
        return None
    if owned.exists() and (status := owned.stat()).st_uid != 0:
        return SystemUser(_name(status.st_uid), status.st_uid, status.st_gid)
    for name in ORDINARY_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(account.pw_name, account.pw_uid, account.pw_gid)
    raise ServiceUnavailableError("PostgreSQL refuses to run as root", "run as an ordinary user")


def closed_folder(path: Path, user: SystemUser | None) -> Path | None:
    """The outermost folder on the way to `path`, or `path` itself, that `user` may not enter; None: all are open."""
    if user is None:
        return None
    resolved = path.resolve()
    return next((step for step in [*reversed(resolved.parents), resolved] if not _may_enter(step, user)), None)


def require_reachable(folder: Path, user: SystemUser | None) -> None:
    """Refuses a folder that the server's user could not enter.

    Raises:
        FolderUnreachableError: naming the folder that is closed.
    """
    closed = closed_folder(folder, user)
    if user is not None and closed is not None:
        raise FolderUnreachableError(
            f"PostgreSQL runs as user {user.name} because root is refused, and {user.name} cannot enter {closed}",
            "use a folder outside it, such as /var/lib/lusbalans, or run as an ordinary user",
        )


def give(path: Path, user: SystemUser | None) -> None:
    """Makes `user` the owner; nothing to do when we are that user."""
    if user is not None:
        os.chown(path, user.uid, user.gid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a folder from another machine
        return f"number {uid}"


def _may_enter(folder: Path, user: SystemUser) -> bool:
    status = folder.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
