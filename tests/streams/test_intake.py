"""What one grid loop may have folded per tick: enough for what it is, whoever floods, and the newest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import encode
from streams.intake import FRAME_BYTES, MOST_GATEWAYS, MOST_PERIODS, PERIOD_BYTES, Arrived, Intake
from streams.messages import TelemetryFrame
from streams.replay import Record

POINTS = 10
BIG = 40_000


def frame(gateway, offset, *, size=1_000):
    """A frame of some bytes as our encoder writes it."""
    head = encode(
        TelemetryFrame(gateway=gateway, sequence=offset, sent_at_us=0, ids=[], measured_at_us=[], power_kw=[])
    )
    return Arrived(Record(0, offset, b"park/lus-1", head.ljust(size), 0), again=False)


def drained(intake):
    return [arrived.record.offset for arrived in iter(intake.take, None)]


@pytest.fixture
def intake():
    return Intake(POINTS, tick_s=1.0)


@pytest.fixture
def spent(intake):
    """An intake that has folded what it may in this period."""
    intake.charge(intake.period_bytes)
    return intake


@pytest.mark.parametrize(("n_points", "n_gateways"), [(10, 1), (60, 60), (1_000, 100), (10_000, 100)])
def test_a_park_as_it_is_never_waits(n_points, n_gateways):
    intake = Intake(n_points, tick_s=1.0)
    size = 300 + 130 * n_points // n_gateways
    assert all(intake.admit(frame(f"gw-{at}", at, size=size)) for at in range(n_gateways))


def test_what_is_beyond_a_period_waits_and_is_folded_in_the_next(intake):
    admitted = [intake.admit(frame("gw", at, size=BIG)) for at in range(40)]
    assert admitted == [True] * 25 + [False] * 15
    intake.begin_period()
    assert drained(intake) == list(range(39, 24, -1))
    assert intake.take_dropped() == 0


def test_a_quiet_gateway_comes_before_one_that_floods(spent):
    for at in range(30):
        spent.admit(frame("loud", at, size=BIG))
    spent.admit(frame("quiet", 30))
    spent.begin_period()
    assert drained(spent)[:3] == [30, 29, 28]


def test_the_oldest_of_the_gateway_that_floods_is_dropped(spent):
    spent.admit(frame("quiet", 0))
    for at in range(1, 501):
        spent.admit(frame("loud", at, size=BIG))
    kept = []
    for _ in range(MOST_PERIODS + 1):
        spent.begin_period()
        kept += drained(spent)
    assert sorted(kept) == [0, *range(501 - len(kept) + 1, 501)]
    assert spent.take_dropped() == 501 - len(kept) > 0


def test_a_frame_larger_than_its_loop_can_need_never_waits(intake):
    large = frame("gw", 1, size=intake.largest_bytes + 1)
    assert intake.admit(large)
    intake.charge(intake.period_bytes)
    assert not intake.admit(large)
    intake.begin_period()
    assert intake.take() is None
    assert intake.take_dropped() == 1


def test_gateways_with_a_new_name_each_time_share_a_queue_in_the_end(spent):
    for at in range(2 * MOST_GATEWAYS):
        spent.admit(frame(f"gw-{at}", at))
    assert len(spent._waiting) == MOST_GATEWAYS + 1


def test_what_names_no_gateway_waits_too(spent):
    spent.admit(Arrived(Record(0, 1, b"park/lus-1", b"\xff{", 0), again=False))
    spent.begin_period()
    assert drained(spent) == [1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(100, 70_000)), max_size=60), st.integers(1, 5))
def test_a_period_folds_at_most_its_bytes_and_one_frame_and_loses_nothing_unsaid(frames, periods):
    intake, folded = Intake(POINTS, tick_s=0.2), 0
    intake.charge(intake.period_bytes)
    for at, (gateway, size) in enumerate(frames):
        folded += intake.admit(frame(gateway, at, size=size))
    for _ in range(periods):
        intake.begin_period()
        taken = list(iter(intake.take, None))
        folded += len(taken)
        work = sum(FRAME_BYTES + len(arrived.record.value) for arrived in taken[:-1])
        assert work < intake.period_bytes <= 0.2 * (PERIOD_BYTES + 512 * POINTS)
    waiting = sum(len(queue) for queue in intake._waiting.values())
    assert folded + waiting + intake.take_dropped() == len(frames)
