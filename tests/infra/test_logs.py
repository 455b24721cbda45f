"""Client libraries that shout in an outage are heard once in a while; our own lines always."""

import logging

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
