"""The judge of the soak finds what it is there to find."""

import pytest

from streams.messages import Epoch
from tests.soak.devices import Told
from tests.soak.judging import assert_nothing_old_was_applied, gap_s, in_order
from tests.soak.setpoint_log import Written

OLD, NEW = Epoch(1, 1, 0), Epoch(1, 2, 0)


def full(at_s, power_kw, *, epoch=OLD):
    return Written(at_s, "lus-1", epoch, int(at_s), int(at_s), at_s, 10.0, None, 1, {"clock": power_kw})


def renewal(at_s, of, *, epoch=OLD):
    return Written(at_s, "lus-1", epoch, int(at_s), int(at_s), at_s, 10.0, of, 0, {})


def told(at_s, power_kw):
    return Told(at_s, "clock", power_kw, 15.0)


FRAMES = {"lus-1": [full(1, 1.0), renewal(2, 1), full(3, 1.1), full(7, 1.2, epoch=NEW), full(8, 1.1), full(9, 0.9)]}
"""A worker is replaced after 3 s; what it writes at 8 and 9 s is late."""


@pytest.mark.parametrize(
    ("what_was_told", "age_s"),
    [
        pytest.param([told(1.1, 1.0)], 0.1, id="a full frame"),
        pytest.param([told(2.5, 1.0)], 0.5, id="a renewal"),
        pytest.param([told(12.5, 1.1)], 9.5, id="again within the lease"),
        pytest.param([told(3.1, 1.1), told(7.2, 1.2)], 0.2, id="of one worker and the next"),
    ],
)
def test_what_is_within_its_lease_and_in_order_is_passed_with_its_age(what_was_told, age_s):
    assert assert_nothing_old_was_applied(what_was_told, FRAMES)[-1].age_s == pytest.approx(age_s)


@pytest.mark.parametrize(
    ("what_was_told", "fault"),
    [
        pytest.param([told(16.5, 1.1)], "older than its lease", id="after its lease"),
        pytest.param([told(7.1, 1.2), told(8.1, 1.1)], "older than the one before", id="older after newer"),
        pytest.param([told(9.1, 0.9)], "nobody said", id="of a worker that was replaced"),
        pytest.param([told(2.0, 1.2)], "nobody said", id="before it was said"),
        pytest.param([told(5.0, 7.7)], "nobody said", id="out of the blue"),
    ],
)
def test_what_is_old_or_nobody_said_is_found(what_was_told, fault):
    with pytest.raises(AssertionError, match=fault):
        assert_nothing_old_was_applied(what_was_told, FRAMES)


def test_what_a_device_falls_back_to_needs_no_frame():
    assert assert_nothing_old_was_applied([told(30.0, 0.0)], FRAMES) == []


def test_the_gap_is_between_the_last_of_the_dead_and_the_first_of_its_successor():
    assert gap_s({"lus-1": in_order(FRAMES["lus-1"])[0]}, generation=1) == 4.0
