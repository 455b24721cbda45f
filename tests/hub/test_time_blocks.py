"""Blocks of local time: in or out by what the park's clock shows, on every day of the year."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.local_days import day_start_us
from hub.time_blocks import EVERY_DAY, TimeBlock, block_intervals_us, clock_at

AMSTERDAM = "Europe/Amsterdam"
DAY = timedelta(days=1)
HOUR_US = 3_600_000_000
MONDAY_TO_FRIDAY = frozenset(range(1, 6))


def block(begins="00:00", ends="24:00", **more):
    minutes = [int(clock[:2]) * 60 + int(clock[3:]) for clock in (begins, ends)]
    return TimeBlock(import_kw=1.0, export_kw=None, begins_minute=minutes[0], ends_minute=minutes[1], **more)


def us(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000


def on(day, each):
    """What of a local day is in the block, as the clock shows it, with its offset."""
    begin_us, end_us = day_start_us(day, AMSTERDAM), day_start_us(day + DAY, AMSTERDAM)
    return [
        f"{clock_at(since, AMSTERDAM):%H:%M%z}-{clock_at(until, AMSTERDAM):%H:%M%z}"
        for since, until in block_intervals_us(each, begin_us, end_us, AMSTERDAM)
    ]


def hours(day, each):
    begin_us, end_us = day_start_us(day, AMSTERDAM), day_start_us(day + DAY, AMSTERDAM)
    return sum(until - since for since, until in block_intervals_us(each, begin_us, end_us, AMSTERDAM)) / HOUR_US


@pytest.mark.parametrize(
    ("day", "each", "expected_h"),
    [
        pytest.param(date(2026, 3, 29), block(), 23, id="the whole day on which the clock goes forward: 92 quarters"),
        pytest.param(date(2026, 10, 25), block(), 25, id="the whole day on which it goes back: 100 quarters"),
        pytest.param(date(2026, 6, 1), block(), 24, id="any other day: 96"),
        pytest.param(date(2026, 3, 29), block("00:00", "07:00"), 6, id="a night of six hours"),
        pytest.param(date(2026, 10, 25), block("00:00", "07:00"), 8, id="a night of eight"),
        pytest.param(date(2026, 3, 29), block("02:00", "03:00"), 0, id="the hour that is skipped"),
        pytest.param(date(2026, 10, 25), block("02:00", "03:00"), 2, id="the hour that comes twice"),
        pytest.param(date(2026, 3, 29), block("02:30", "04:00"), 1, id="it begins in the skipped hour: at three"),
        pytest.param(date(2026, 10, 25), block("07:00", "23:00"), 16, id="far from the change nothing changes"),
    ],
)
def test_when_the_clock_changes_a_block_lasts_as_long_as_its_times_are_shown(day, each, expected_h):
    assert hours(day, each) == expected_h


@pytest.mark.parametrize(
    ("day", "each", "expected"),
    [
        pytest.param(
            date(2026, 10, 25), block("00:00", "02:30"), ["00:00+0200-02:30+0200", "02:00+0100-02:30+0100"],
            id="a time that comes twice ends the block twice",
        ),
        pytest.param(date(2026, 3, 29), block("02:30", "04:00"), ["03:00+0200-04:00+0200"], id="begins when it can"),
        pytest.param(
            date(2026, 6, 3), block("22:00", "06:00"), ["00:00+0200-06:00+0200", "22:00+0200-00:00+0200"],
            id="over midnight: the end of yesterday's and the beginning of today's",
        ),
        pytest.param(
            date(2026, 6, 6), block("22:00", "06:00", weekdays=MONDAY_TO_FRIDAY), ["00:00+0200-06:00+0200"],
            id="what began on Friday lasts into Saturday",
        ),
        pytest.param(
            date(2026, 6, 8), block("22:00", "06:00", weekdays=MONDAY_TO_FRIDAY), ["22:00+0200-00:00+0200"],
            id="nothing began on Sunday",
        ),
    ],
)  # fmt: skip
def test_what_of_a_day_is_in_a_block(day, each, expected):
    assert on(day, each) == expected


@pytest.mark.parametrize(
    ("more", "day", "begins"),
    [
        pytest.param({"season": ((4, 1), (9, 30))}, date(2026, 4, 1), True, id="first day of summer"),
        pytest.param({"season": ((4, 1), (9, 30))}, date(2026, 9, 30), True, id="last day of summer"),
        pytest.param({"season": ((4, 1), (9, 30))}, date(2026, 10, 1), False, id="after it"),
        pytest.param({"season": ((10, 1), (3, 31))}, date(2027, 1, 15), True, id="a winter over new year"),
        pytest.param({"season": ((10, 1), (3, 31))}, date(2027, 4, 1), False, id="after that winter"),
        pytest.param({"first_day": date(2026, 7, 1)}, date(2026, 6, 30), False, id="not yet effective"),
        pytest.param({"last_day": date(2026, 7, 1)}, date(2026, 7, 1), True, id="effective for the last time"),
        pytest.param({"weekdays": frozenset({7})}, date(2026, 7, 5), True, id="a Sunday"),
    ],
)
def test_season_weekdays_and_dates_are_those_of_the_day_it_begins(more, day, begins):
    assert block(**more).begins_on(day) is begins


blocks = st.builds(
    TimeBlock,
    import_kw=st.just(1.0),
    export_kw=st.none(),
    begins_minute=st.integers(0, 1439),
    ends_minute=st.integers(1, 1440),
    weekdays=st.frozensets(st.sampled_from(sorted(EVERY_DAY)), min_size=1),
    season=st.sampled_from([None, ((3, 20), (10, 25)), ((10, 25), (3, 29))]),
)
near_a_change = st.one_of(
    st.integers(us(2026, 3, 26), us(2026, 4, 1)), st.integers(us(2026, 10, 22), us(2026, 10, 28))
)  # fmt: skip


@given(blocks, near_a_change, st.integers(1, 4 * 24 * HOUR_US), st.floats(0, 1))
def test_an_instant_is_in_an_interval_exactly_when_the_clock_shows_a_time_in_the_block(each, begin_us, length_us, part):
    intervals = list(block_intervals_us(each, begin_us, begin_us + length_us, AMSTERDAM))
    at_us = begin_us + int(part * (length_us - 1))
    assert any(since <= at_us < until for since, until in intervals) == each.holds_at(clock_at(at_us, AMSTERDAM))
    flat = [edge for interval in intervals for edge in interval]
    assert flat == sorted(set(flat))
