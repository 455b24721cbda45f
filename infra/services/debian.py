"""Debian packages unpacked into a private folder: without root, and without touching the machine's packages.

For programs that no wheel brings. `apt` resolves and verifies them from a private state folder against Debian's own
keys; the mirror is the machine's. They come with their own C library, so the release of the machine does not matter:
`patchelf` makes the programs use what lies beside them.
"""

import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.services.errors import DownloadFailedError, ServiceUnavailableError
from infra.services.folder import make_folder, require_space
from infra.services.process import Progress

RELEASE = "trixie"  # Debian 13
RELEASES = ("bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing", "sid", "unstable")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NEEDED_MIB = 500
TIMEOUT_S = 300.0

# Read after the machine's own settings, so that its proxy holds and its hooks do not run.
APT_SETTINGS = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{folder}/state";
Dir::State::Status "{folder}/status";
Dir::Cache "{folder}/cache";
"""


def unpack(
    package: str, place: Path, *, wanted: Callable[[str], bool], programs: Sequence[str], on_progress: Progress
) -> None:
    """Makes the folder `place` with the package and what it depends on; nothing to do if it is there.

    Args:
        package: name of the package in Debian 13.
        place: appears whole, by renaming; the programs run from there only.
        wanted: which of the packages needed, by name, to take: the dependencies include installers' tools.
        programs: paths inside `place` of the programs to be made independent of the machine's libraries.
        on_progress: told what is being done.

    Raises:
        ServiceUnavailableError: not a machine with Debian's tools and keys.
        DownloadFailedError: the mirror did not give the packages.
    """
    if place.exists():
        return
    require_tools()
    make_folder(place.parent)
    require_space(place.parent, NEEDED_MIB)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="unpack-") as name:
        work = Path(name)
        root = work / "root"
        make_folder(root)
        on_progress(f"fetching {package} from Debian 13 (once)")
        for archive in _download(package, work, wanted):
            _run("dpkg-deb", "-x", str(archive), str(root))
        for program in programs:
            _detach(root, program, place)
        try:
            root.rename(place)
        except OSError:
            if not place.exists():  # not because another run was faster
                raise


def require_tools() -> None:
    """Refuses a machine that is not Debian-like.

    Raises:
        ServiceUnavailableError: naming what is missing.
    """
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    missing += [] if KEYRING.exists() else [str(KEYRING)]
    if missing:
        raise ServiceUnavailableError(
            f"Debian packages cannot be unpacked without {' and '.join(missing)}",
            "install the program itself, or use a Debian-like machine",
        )


def mirrors(listing: str) -> list[str]:
    r"""Debian mirrors in what `apt-get indextargets` prints as `RELEASE COMPONENT URI` lines, without repeats.

    >>> mirrors("bookworm main http://a/debian/\nbookworm-security main http://a/security/\nflat http://b/")
    ['http://a/debian/']
    """
    rows = [line.split() for line in listing.splitlines()]  # a repository without components has two fields
    return list(dict.fromkeys(row[2] for row in rows if row[0] in RELEASES and row[1] == "main"))


def _download(package: str, work: Path, wanted: Callable[[str], bool]) -> list[Path]:
    listing = _run("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    candidates = mirrors(listing)
    if not candidates:
        raise ServiceUnavailableError("this machine's apt knows no Debian mirror", "install the program itself")
    apt = _private_apt(work, candidates)
    _run(*apt, "update")
    lines = _run(*apt, "install", "--print-uris", "-qq", "-y", package).splitlines()
    # 'URI' file_version_architecture.deb size hash
    names = [name for line in lines if wanted(name := line.split()[1].split("_")[0])]
    archives = work / "archives"
    archives.mkdir()
    _run(*apt, "download", *names, folder=archives)
    return sorted(archives.glob("*.deb"))


def _private_apt(work: Path, candidates: Sequence[str]) -> tuple[str, ...]:
    """`apt-get` with a state of its own in `work`, as if nothing were installed."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {candidates[0]} {RELEASE} main\n", encoding="utf-8")
    settings = work / "apt.conf"
    settings.write_text(APT_SETTINGS.format(folder=work), encoding="utf-8")
    return ("apt-get", "-c", str(settings))


def _detach(root: Path, program: str, place: Path) -> None:
    """Makes a program below `root` use the loader and libraries that will lie in `place`."""
    loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    libraries = loader.parent.relative_to(root)
    depth = len(Path(program).parent.parts)
    # RPATH, not RUNPATH: it holds for the libraries that the program loads later too
    rpath = f"$ORIGIN/{'../' * depth}{libraries}"
    options = ("--set-interpreter", str(place / loader.relative_to(root)), "--force-rpath", "--set-rpath", rpath)
    _run(_patchelf(), *options, str(root / program))


def _patchelf() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "patchelf"
    return str(beside_python) if beside_python.exists() else "patchelf"


def _run(*command: str, folder: Path | None = None) -> str:
    """What the command prints.

    Raises:
        DownloadFailedError: it failed; quotes its last line.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise DownloadFailedError(
            f"{Path(command[0]).name} failed ({last})", "check the network and apt's settings, then start again"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DownloadFailedError(
            f"{Path(command[0]).name} took longer than {TIMEOUT_S:.0f} s", "check the network, then start again"
        ) from error
    return done.stdout
