from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.local_days import day_start_us, local_day, quarters_of_day
from hub.quarters import QUARTER_US

AMSTERDAM = "Europe/Amsterdam"
days = st.dates(date(1990, 1, 1), date(2037, 12, 30))


def us(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("day", "quarters"),
    [
        pytest.param(date(2016, 3, 27), 92, id="clock goes forward"),
        pytest.param(date(2016, 10, 30), 100, id="clock goes back"),
        pytest.param(date(2026, 3, 29), 92, id="forward, 2026"),
        pytest.param(date(2026, 10, 25), 100, id="back, 2026"),
        pytest.param(date(2016, 2, 29), 96, id="leap day"),
    ],
)
def test_a_day_has_as_many_quarters_as_its_clock_shows(day, quarters):
    assert len(quarters_of_day(day, AMSTERDAM)) == quarters


@pytest.mark.parametrize(
    ("at_us", "day"),
    [
        pytest.param(us(2016, 6, 30, 21, 45), date(2016, 6, 30), id="last summer quarter"),
        pytest.param(us(2016, 6, 30, 22), date(2016, 7, 1), id="summer midnight"),
        pytest.param(us(2016, 12, 31, 23), date(2017, 1, 1), id="winter midnight, new year"),
        pytest.param(us(2016, 10, 29, 22), date(2016, 10, 30), id="still summer time"),
        pytest.param(us(2016, 10, 30, 23), date(2016, 10, 31), id="winter time again"),
    ],
)
def test_a_local_day_begins_at_local_midnight(at_us, day):
    assert local_day(at_us, AMSTERDAM) == day
    assert local_day(at_us - 1, AMSTERDAM) in {day, day - timedelta(days=1)}


@given(days)
def test_days_follow_each_other_without_gap_or_overlap(day):
    quarters = quarters_of_day(day, AMSTERDAM)
    assert quarters[-1] + QUARTER_US == day_start_us(day + timedelta(days=1), AMSTERDAM)
    assert all(start % QUARTER_US == 0 for start in quarters)


@given(days, st.floats(0, 1, exclude_max=True))
def test_every_quarter_of_a_day_is_in_that_day(day, share):
    quarters = quarters_of_day(day, AMSTERDAM)
    assert local_day(quarters[int(share * len(quarters))], AMSTERDAM) == day
