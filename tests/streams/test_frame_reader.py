"""Whatever a frame looks like, the quick reader believes of it exactly what the one decoder believes."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import Rejected, decode_telemetry, encode
from streams.columns import Points, ReadFrame, check_columns
from streams.fold import PointState, fold
from streams.fold_rows import fold_newest, fold_registers
from streams.frame_reader import FrameReader
from streams.messages import TelemetryFrame
from streams.number_columns import read_columns
from streams.worker import warm_up
from tests.streams.mutations import mutate
from tests.streams.small_park import small_hub

NOW_US = 1_782_900_000_000_000
POINTS = Points(("meter", "battery", "roof"), np.array([1000.0, 100.0, 1e300]))

FRAME = TelemetryFrame(
    gateway="gw", sequence=7, sent_at_us=NOW_US, ids=["meter", "battery", "roof"],
    measured_at_us=[NOW_US, NOW_US - 1, NOW_US - 2], power_kw=[12.5, -3.0, -0.001],
    energy_import_wh=[123_456_789, 0, None], energy_export_wh=[0, 5, 7], min_kw=[None, -50.0, -60.25],
    max_kw=[None, 50.0, 0.0], soc_ratio=[None, 0.5, None], quality=["good", "good", "estimated"],
)  # fmt: skip


def reader():
    """One that knows how the gateway writes."""
    knows = FrameReader()
    knows.read(encode(FRAME))
    return knows


def believed(frame):
    """All that a frame tells, or why it tells nothing; zero has no sign."""
    if isinstance(frame, Rejected):
        return frame
    checked = check_columns(frame, points=POINTS, index=POINTS.index(), received_at_us=NOW_US)
    if isinstance(checked, Rejected):
        return checked
    columns = [(getattr(checked, name) + 0).tolist() for name in checked.__slots__ if name != "bad"]
    return repr((frame.sent_at_us, frame.ids, columns, checked.bad))


def assert_same(payload):
    assert believed(reader().read(payload)) == believed(decode_telemetry(payload))


def test_a_frame_written_as_the_last_one_is_read_without_the_decoder():
    later = msgspec.structs.replace(FRAME, sequence=8, power_kw=[13.25, None, 0.0], soc_ratio=[], min_kw=[])
    read = reader().read(encode(later))
    assert isinstance(read, ReadFrame)
    assert read.power_kw.tolist()[::2] == [13.25, 0.0]
    assert_same(encode(later))


@pytest.mark.parametrize("reactive_kvar", [[1.5, None, -20.25], []])
def test_reactive_power_which_newer_gateways_tell_is_read_too(reactive_kvar):
    newer = msgspec.structs.replace(FRAME, reactive_kvar=reactive_kvar)
    assert isinstance(reader().read(encode(newer)), ReadFrame)
    assert_same(encode(newer))
    for cut in range(1, 40):
        assert_same(encode(newer)[:-cut])
    assert_same(encode(newer) + b"}")


def test_other_ids_and_other_qualities_are_read_by_the_decoder_once():
    knows = reader()
    for changed in (
        msgspec.structs.replace(FRAME, ids=["meter", "battery", "attic"]),
        msgspec.structs.replace(FRAME, quality=[]),
        msgspec.structs.replace(FRAME, gateway="another"),
    ):
        assert isinstance(knows.read(encode(changed)), TelemetryFrame)
        assert isinstance(knows.read(encode(changed)), ReadFrame)


def test_a_bad_reading_is_left_to_the_decoder():
    bad = msgspec.structs.replace(FRAME, quality=["good", "bad", "good"])
    knows = reader()
    assert [type(knows.read(encode(bad))) for _ in range(2)] == [TelemetryFrame] * 2


NUMBERS = (
    *(
        "0",
        "-0",
        "-0.0",
        "1e3",
        "1E-7",
        "01",
        "-01",
        "+1",
        ".5",
        "1.",
        "-",
        "",
        "nul",
        "null",
        "nulll",
        "1.5.2",
        "1,",
        "]",
    ),
    *("0.1", "0.30000000000000004", "123456789012345", "1234567890123456", "0.123456789012345", "12345678.12345678"),
    *("999999999999999999", "9999999999999999999", "9007199254740993", "1.0", " 1", "1 ", "NaN", "true", "99999.99999"),
)


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("place", ["1782900000000000,", "12.5", "123456789", "-50.0"])
def test_every_way_of_writing_a_number_is_read_as_the_decoder_reads_it(text, place):
    payload = encode(FRAME).replace(place.rstrip(",").encode(), text.encode(), 2)
    assert payload != encode(FRAME)
    assert_same(payload)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=3, max_size=3))
def test_real_numbers_are_the_nearest_floats(numbers):
    payload = encode(FRAME).replace(b"12.5,-3.0,-0.001", ",".join(map(str, numbers)).encode())
    read = reader().read(payload)
    assert isinstance(read, ReadFrame)
    assert read.power_kw.tolist() == [float(number) for number in numbers]


def test_five_thousand_mutated_frames_are_believed_as_the_decoder_believes_them():
    chance = random.Random(5)
    quick = 0
    newer = msgspec.structs.replace(FRAME, reactive_kvar=[None, 0.5, 3.0])
    for number in range(5_000):
        payload = mutate(encode(chance.choice([FRAME, newer])), number, chance)
        quick += isinstance(reader().read(payload), ReadFrame)
        assert_same(payload)
    assert quick > 100


def test_frames_of_many_gateways_do_not_fill_memory():
    knows = FrameReader()
    for number in range(1_000):
        knows.read(encode(msgspec.structs.replace(FRAME, gateway=f"gw-{number}")))
    assert len(knows._forms) <= 64


def test_no_frame_waits_for_a_compiler_once_the_worker_has_warmed_up():
    warm_up(small_hub())
    compiled = (fold_newest, fold_registers, read_columns)
    before = [len(each.signatures) for each in compiled]
    state, knows = PointState(POINTS), FrameReader()
    strange = msgspec.structs.replace(FRAME, ids=["meter", "attic", "roof"], power_kw=[5000.0, 1.0, 1.0])
    for frame in (FRAME, FRAME, strange, strange):
        columns = check_columns(knows.read(encode(frame)), points=POINTS, index=state.index, received_at_us=NOW_US)
        fold(state, columns)
    assert [len(each.signatures) for each in compiled] == before
