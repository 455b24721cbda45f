"""Whose a message is, where one worker serves several parks."""

import asyncio

import pytest

from infra.settings import Settings
from streams.parks import Parks
from streams.replay import Record
from streams.topics import PARTITIONS, key_of, partition_of
from tests.bench.big_hub import big_hub

HUBS = ("park-a", "park-b")


def no_failure(error):
    raise error


@pytest.fixture
def parks():
    """A worker that has all partitions of two parks and is about to rebuild them: frames wait."""
    both = Parks(Settings(), [big_hub(20, 1, hub_id=name) for name in HUBS], name="worker", fail=no_failure)
    both._owned = frozenset(range(PARTITIONS))
    for conductor in both.conductors:
        conductor.take(range(PARTITIONS), generation=1)
    return both


def waiting(parks):
    """Offsets of the frames that wait, by park."""
    return {
        conductor.hub_id: [record.offset for owned in conductor._partitions.values() for record in owned.waiting]
        for conductor in parks.conductors
    }


def arrive(parks, *keys, partition=None):
    for offset, key in enumerate(keys):
        number = partition_of(key) if partition is None else partition
        asyncio.run(parks.on_telemetry(Record(number, offset, key, b"{}", 0)))


def test_a_frame_reaches_its_own_park_only(parks):
    arrive(parks, *(key_of(hub, "lus-1") for hub in (*HUBS, "park-a")))
    assert waiting(parks) == {"park-a": [0, 2], "park-b": [1]}


def test_a_frame_of_a_park_that_others_serve_is_left_to_them(parks):
    arrive(parks, key_of("park-c", "lus-1"))
    assert waiting(parks) == {"park-a": [], "park-b": []}


def test_a_key_that_names_no_park_is_judged_once(parks):
    arrive(parks, b"nonsense")
    assert waiting(parks) == {"park-a": [0], "park-b": []}


def test_a_late_frame_of_a_partition_that_was_taken_away_is_its_successors(parks):
    key = key_of("park-a", "lus-1")
    parks._owned -= {partition_of(key)}
    arrive(parks, key)
    assert waiting(parks) == {"park-a": [], "park-b": []}


def test_each_partition_is_taken_by_both_parks_with_all_their_loops(parks):
    owned = [conductor.report.owned for conductor in parks.conductors]
    assert [sorted(names) for names in owned] == [["@station", "lus-1"]] * 2
