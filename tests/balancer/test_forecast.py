"""What is expected of a day: the same kind of day for load, the last days for the sun, and nothing that was not seen."""

import numpy as np
import pytest

from balancer.forecast import QUARTERS_PER_DAY, QuarterHistory

MONDAY = 4 * QUARTERS_PER_DAY  # 1970-01-05
WEEK = 7 * QUARTERS_PER_DAY


def lived(load_kw_by_day, *, sun_kw_by_day=None, first=MONDAY):
    """A history of whole days at one node, from a Monday on, and the quarter that follows."""
    history = QuarterHistory(1)
    sun = sun_kw_by_day or [0.0] * len(load_kw_by_day)
    now = first
    for load_kw, sun_kw in zip(load_kw_by_day, sun, strict=True):
        for quarter in range(now, now + QUARTERS_PER_DAY):
            history.observe(quarter, load_kw=np.array([load_kw]), sun_kw=np.array([sun_kw]))
        now += QUARTERS_PER_DAY
    history.observe(now, load_kw=np.array([0.0]), sun_kw=np.array([0.0]))
    return history, now


def test_before_a_day_was_seen_nothing_is_expected():
    history, now = lived([100.0])
    assert np.isnan(QuarterHistory(2).net_kw(MONDAY)).all()
    assert np.isnan(history.net_kw(now - 1)).any()
    np.testing.assert_allclose(history.net_kw(now), 100.0)


def test_a_saturday_is_expected_like_the_last_saturday_and_not_like_friday():
    history, now = lived([100.0] * 5 + [20.0, 10.0] + [100.0] * 5)
    np.testing.assert_allclose(history.net_kw(now), 20.0, atol=0.5)
    np.testing.assert_allclose(history.net_kw(now + QUARTERS_PER_DAY), 10.0, atol=0.5)


def test_load_and_sun_are_expected_apart():
    history, now = lived([50.0] * 5 + [10.0], sun_kw_by_day=[0.0] * 5 + [80.0])  # tomorrow is a Sunday
    net_kw = history.net_kw(now)[:, 0]
    weights = 0.5 ** np.arange(1, 7)
    assert net_kw == pytest.approx(
        np.average([10, *[50] * 5], weights=0.8 ** np.arange(1, 7)) - 80 * 0.5 / weights.sum()
    )


def test_what_is_older_than_two_weeks_is_forgotten():
    history, now = lived([40.0])
    assert np.isnan(history.net_kw(now + 2 * WEEK)).all()


def test_a_quarter_is_the_mean_of_what_was_seen_in_it():
    history = QuarterHistory(1)
    for kw in (10.0, 20.0, 60.0):
        history.observe(MONDAY, load_kw=np.array([kw]), sun_kw=np.array([0.0]))
    history.observe(MONDAY + 1, load_kw=np.array([0.0]), sun_kw=np.array([0.0]))
    assert history.net_kw(MONDAY + QUARTERS_PER_DAY)[0, 0] == pytest.approx(30.0)


def test_what_is_no_number_or_older_than_what_was_seen_changes_nothing():
    history, now = lived([30.0])
    expected = history.net_kw(now)
    history.observe(now, load_kw=np.array([np.nan]), sun_kw=np.array([0.0]))
    history.observe(now - 5, load_kw=np.array([1e6]), sun_kw=np.array([0.0]))
    np.testing.assert_array_equal(history.net_kw(now), expected)


def test_a_clock_that_leapt_by_a_year_and_is_right_again_costs_a_quarter():
    history, now = lived([30.0])
    history.observe(now + 52 * WEEK, load_kw=np.array([1e6]), sun_kw=np.array([0.0]))
    for quarter in range(now + 1, now + QUARTERS_PER_DAY + 1):
        history.observe(quarter, load_kw=np.array([70.0]), sun_kw=np.array([0.0]))
    np.testing.assert_allclose(history.net_kw(now + QUARTERS_PER_DAY)[1:-1], 30 / 1.8 * 0.8 + 70 / 1.8)


def test_other_nodes_take_over_the_past_that_is_theirs_and_begin_without_one():
    history, now = lived([100.0], sun_kw_by_day=[30.0])
    other = history.of_nodes(np.array([-1, 0]))
    np.testing.assert_allclose(other.net_kw(now), np.broadcast_to([0.0, 70.0], (QUARTERS_PER_DAY, 2)))
    other.observe(now + 1, load_kw=np.zeros(2), sun_kw=np.zeros(2))
    np.testing.assert_allclose(history.net_kw(now), 70.0)
