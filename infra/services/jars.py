"""The Java archives of Apache Kafka: fetched once by the lock file, verified at every start.

The lock file names each archive by its Maven coordinates and SHA-256; where it comes from is the business of `jgo`
(Maven Central, or the mirror in its settings). `infra.services.lock` writes that file.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.services.errors import DownloadFailedError
from infra.services.folder import make_folder, require_space
from infra.services.process import Progress

LOCK_FILE = Path(__file__).with_name("kafka-jars.lock")
TIMEOUT_S = 30
NEEDED_MIB = 200


@dataclass(frozen=True, slots=True)
class Jar:
    """One archive: `group:artifact:version` and the SHA-256 of its bytes in hex."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """As Maven names it.

        >>> Jar("org.slf4j:slf4j-api:1.7.36", "00").file_name
        'slf4j-api-1.7.36.jar'
        """
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(lock_file: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """The archives of a lock file in class path order; `#` starts a comment line."""
    lines = lock_file.read_text(encoding="utf-8").splitlines()
    return tuple(Jar(*line.split()) for line in lines if line and not line.startswith("#"))


def ensure_jars(jars: Sequence[Jar], cache: Path, *, on_progress: Progress) -> tuple[Path, ...]:
    """Paths of the archives in the order given, each verified; fetches what is missing or damaged.

    Safe beside other processes on the same cache: a file appears whole, by renaming.

    Raises:
        DownloadFailedError: an archive could not be fetched, or is not the one locked.
        NoSpaceError: the cache's file system is full.
    """
    folder = cache / "jars"
    make_folder(folder)
    missing = [jar for jar in jars if not _is_intact(folder / jar.file_name, jar.sha256)]
    if missing:
        require_space(folder, NEEDED_MIB)
        on_progress(f"fetching Apache Kafka ({len(missing)} files, once)")
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as work:
            for jar in missing:  # one by one: in parallel threads it took three times as long
                _fetch(jar, Path(work), folder)
    return tuple(folder / jar.file_name for jar in jars)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(coordinates: str, work: Path) -> Path:
    """Fetches one archive into `work`, unverified.

    Raises:
        DownloadFailedError: with the network's own words.
    """
    from jgo.config import GlobalSettings  # noqa: PLC0415 - slow to load and needed once per machine
    from jgo.maven import MavenContext  # noqa: PLC0415

    context = MavenContext(repo_cache=work, timeout=TIMEOUT_S)
    context.remote_repos.update(GlobalSettings.load().repositories)  # a mirror named `central` takes its place
    try:
        return Path(context.create_dependency(coordinates).artifact.resolve())
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; "not found" is a RuntimeError
        raise DownloadFailedError(
            f"could not fetch {coordinates} ({str(error)[:200]})",
            "check the network or the proxy settings, then start again",
        ) from error


def _fetch(jar: Jar, work: Path, folder: Path) -> None:
    fetched = download(jar.coordinates, work)
    if (found := file_sha256(fetched)) != jar.sha256:
        raise DownloadFailedError(
            f"{jar.coordinates} has SHA-256 {found}, not {jar.sha256} as locked",
            "do not use it: check the mirror it came from",
        )
    fetched.replace(folder / jar.file_name)


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
