"""Writes the lock file of Apache Kafka's archives: `python -m infra.services.lock`.

Run it by hand when the version changes, and review the difference: it trusts what the network serves at that moment.
"""

import sys
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from infra.services.jars import LOCK_FILE, Jar, download, file_sha256

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Alone, without what it depends on: resolved together with Kafka it would pull kafka-clients back to 3.9.1.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"

HEADER = """\
# Apache Kafka's Java archives: Maven coordinates and SHA-256 in hex, in class path order.
# Written by `python -m infra.services.lock`.
"""


def resolve(work: Path) -> list[str]:
    """Coordinates of Kafka, all it needs at run time, and its logging backend, sorted."""
    context = MavenContext(repo_cache=work)
    inputs, needed = context.resolver.resolve([context.create_dependency(KAFKA)])
    found = {f"{each.groupId}:{each.artifactId}:{each.version}" for each in [*inputs, *needed]}
    return sorted(found | {LOGGING})


def main() -> None:
    """Resolves, fetches, hashes, writes."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        jars = [Jar(coordinates, file_sha256(download(coordinates, work))) for coordinates in resolve(work)]
    LOCK_FILE.write_text(HEADER + "".join(f"{jar.coordinates} {jar.sha256}\n" for jar in jars), encoding="utf-8")
    sys.stderr.write(f"{len(jars)} archives locked in {LOCK_FILE}\n")


if __name__ == "__main__":
    main()
