"""What a worker holds of one partition: every frame is folded once, whoever delivers it again, and waiting is bounded."""

import pytest

from hub.model import STATION
from streams import partition as module
from streams.codec import encode
from streams.messages import DeadLetterReason, TelemetryFrame
from streams.partition import OwnedPartition
from streams.replay import Record
from streams.topics import PARTITIONS, key_of, partition_of
from tests.streams.virtual_park import de_koumen

AT_US = 1_782_900_000_000_000


@pytest.fixture
def owned():
    return OwnedPartition.of(de_koumen(), partition_of(key_of("de-koumen", "lus-1")))


def record(owned, offset, *, power_kw=1.0, key=None, value=None):
    frame = TelemetryFrame(
        gateway="gw", sequence=offset, sent_at_us=AT_US, ids=["lus-1/a"], measured_at_us=[AT_US + offset], power_kw=[power_kw]
    )  # fmt: skip
    key = key_of("de-koumen", "lus-1") if key is None else key
    return Record(owned.number, offset, key, encode(frame) if value is None else value, AT_US)


def test_every_grid_loop_and_the_station_belong_to_exactly_one_partition():
    hub = de_koumen()
    names = [name for number in range(PARTITIONS) for name in OwnedPartition.of(hub, number).names.values()]
    assert sorted(names) == sorted([*(loop.id for loop in hub.grid_loops), STATION])


def test_a_frame_delivered_again_is_not_folded_again(owned):
    assert owned.fold(record(owned, 7)).frame is not None
    assert owned.fold(record(owned, 7)).frame is None
    assert owned.fold(record(owned, 6)).frame is None
    assert owned.next_offset == 8
    assert owned.fold(record(owned, 8)).frame is not None


def test_what_means_nothing_is_named_also_when_it_is_delivered_again(owned):
    owned.fold(record(owned, 7))
    again = owned.fold(record(owned, 5, value=b"{"))
    assert again.rejected.reason == DeadLetterReason.NOT_JSON


def test_a_frame_for_a_loop_that_the_hub_does_not_have_is_refused(owned):
    folded = owned.fold(record(owned, 1, key=b"de-koumen/lus-99"))
    assert (folded.frame, folded.rejected.reason) == (None, DeadLetterReason.UNKNOWN_POINT)


def test_a_frame_of_unequal_columns_is_refused_whole_and_counted_as_read(owned):
    lame = TelemetryFrame(
        gateway="gw", sequence=1, sent_at_us=AT_US, ids=["lus-1/a"], measured_at_us=[], power_kw=[1.0]
    )
    folded = owned.fold(record(owned, 3, value=encode(lame)))
    assert (folded.frame, folded.rejected.reason) == (None, DeadLetterReason.UNEQUAL_COLUMNS)
    assert owned.next_offset == 4


def test_a_bad_reading_is_named_beside_the_frame_that_holds_it(owned):
    folded = owned.fold(record(owned, 3, power_kw=1e9))
    assert [(bad.point, bad.reason) for bad in folded.bad] == [("lus-1/a", DeadLetterReason.ABSURD_VALUE)]
    assert folded.frame is not None


def test_another_hub_s_frames_are_neither_folded_nor_refused_but_counted_as_read(owned):
    folded = owned.fold(record(owned, 1, key=b"elsewhere/lus-1", value=b"{"))
    assert (folded.frame, folded.rejected, owned.next_offset) == (None, None, 2)


def test_more_frames_than_may_wait_drop_the_oldest_and_ask_for_another_rebuild(owned, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    for offset in range(4):
        owned.wait(record(owned, offset))
    assert ([each.offset for each in owned.waiting], owned.overflowed) == ([1, 2, 3], True)
