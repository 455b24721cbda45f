"""What was measured a while ago, in whatever order it was heard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history import SLOT_US, History

READINGS = [(10.0, 100.0), (11.0, 110.0), (12.5, 140.0), (20.0, 50.0)]
"""Seconds and kW of one point."""
FIRST_US = 1_990_000_000 * 1_000_000


def history(readings, *, reach_s=30.0):
    kept = History(2, reach_s)
    for at_s, kw in readings:
        kept.take(np.array([1]), at_us(at_s), np.array([kw]))
    return kept


def at_us(*at_s):
    return np.array([FIRST_US + round(s * 1e6) for s in at_s], np.int64)


def asked_kw(kept, at_s, *, within_s=5.0):
    return float(kept.power_kw(np.array([1]), at_us(at_s), within_us=within_s * 1e6)[0])


@pytest.mark.parametrize(
    ("at_s", "kw"),
    [
        pytest.param(11.0, 110.0, id="at a reading"),
        pytest.param(10.5, 105.0, id="between two"),
        pytest.param(12.0, 130.0, id="nearer to the second"),
        pytest.param(6.0, 100.0, id="before the first, not by much"),
        pytest.param(24.0, 50.0, id="after the last, not by much"),
        pytest.param(18.0, 140.0 - 90.0 * 5.5 / 7.5, id="one of the two is near"),
    ],
)
def test_between_two_readings_power_changes_evenly(at_s, kw):
    assert asked_kw(history(READINGS), at_s) == pytest.approx(kw)


@pytest.mark.parametrize("at_s", [4.0, 26.0, 16.0])
def test_far_from_every_reading_nothing_is_known(at_s):
    assert np.isnan(asked_kw(history(READINGS), at_s, within_s=2.0))


def test_of_a_point_never_heard_nothing_is_known():
    kept = history(READINGS)
    assert np.isnan(kept.power_kw(np.array([0]), at_us(11.0), within_us=5e6)).all()


def test_a_reading_without_a_power_tells_nothing():
    kept = history([(10.0, 100.0), (11.0, np.nan), (12.0, 120.0)])
    assert asked_kw(kept, 11.0) == pytest.approx(110.0)


def test_as_far_back_as_it_reaches_and_no_further():
    kept = history([(float(s), float(s)) for s in range(100)], reach_s=60.0)
    assert asked_kw(kept, 99 - 60, within_s=0) == 99 - 60
    assert np.isnan(asked_kw(kept, 20.0, within_s=0))


@given(st.permutations([(s + 0.25 * (s % 3), float(s)) for s in range(40)]), st.floats(20, 39))
def test_the_order_of_arrival_does_not_matter(readings, at_s):
    in_order = history(sorted(readings), reach_s=20.0)
    assert asked_kw(history(readings, reach_s=20.0), at_s) == asked_kw(in_order, at_s)


def test_a_second_named_twice_counts_as_its_newest_reading():
    kept = History(1, 10.0)
    kept.take(np.array([0, 0]), at_us(5.5, 5.2), np.array([2.0, 1.0]))
    assert kept.power_kw(np.array([0]), at_us(5.5), within_us=SLOT_US)[0] == pytest.approx(2.0)
