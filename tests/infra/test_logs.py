"""Client libraries that shout in an outage are heard once in a while; our own lines always."""

import logging
import subprocess
import sys

import pytest

from infra.logs import QUIET_S, OneInAWhile


def line(name, at_s, text="no broker"):
    record = logging.LogRecord(name, logging.ERROR, "file.py", 1, text, None, None)
    record.created = at_s
    return record


@pytest.mark.parametrize("name", ["aiokafka.consumer.fetcher", "kafka.net.manager"])
def test_a_library_is_heard_once_in_a_while_and_says_how_much_was_held_back(name):
    gate = OneInAWhile()
    assert [gate.filter(line(name, at_s)) for at_s in (0.0, 0.1, 9.9)] == [True, False, False]
    late = line(name, QUIET_S)
    assert gate.filter(late)
    assert "2 lines of" in late.getMessage()


def test_one_library_does_not_silence_another_nor_us():
    gate = OneInAWhile()
    assert all(gate.filter(line(name, 0.0)) for name in ("aiokafka", "kafka.cluster", "streams", "streams"))


FULL_DISK = """
import resource, structlog
from infra.logs import configure_logs

configure_logs(role="dispatch")
log, (_, hard) = structlog.get_logger(), resource.getrlimit(resource.RLIMIT_FSIZE)
log.warning("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
for _ in range(1_000):
    log.error("marks_not_saved")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.warning("after")
"""


def test_a_full_disk_ends_nobody_who_logs_and_the_next_line_says_how_much_is_missing(tmp_path):
    with (tmp_path / "log").open("w") as file:
        subprocess.run([sys.executable, "-c", FULL_DISK], stderr=file, check=True, timeout=60)
    text = (tmp_path / "log").read_text()
    assert "before" in text
    assert "1000 lines could not be written" in text
    assert "after" in text.splitlines()[-1]
