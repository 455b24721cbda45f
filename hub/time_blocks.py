"""Stretches of a local day that come back: daily, weekly, by season, between two dates (*blokstroom*).

One rule decides everything: an instant is in a block if and only if the park's clock then shows a time in it. So the
hour that is shown twice in October is in or out twice, the one that is skipped in March is never there, and a block of
a whole day lasts 92, 96 or 100 quarters. Pure; instants are integer microseconds UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from hub.local_days import quarters_of_day

DAY_MINUTES: Final = 24 * 60
EVERY_DAY: Final = frozenset(range(1, 8))
"""Weekdays as ISO numbers them: Monday is 1."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_QUARTERS: Final = 96

DayOfYear = tuple[int, int]
"""Month and day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBlock:
    """What holds while the park's clock shows a time in the block; by itself always.

    Weekdays, season and dates are those of the day on which the block begins: one from Friday 22:00 to 06:00 lasts
    into Saturday.
    """

    import_kw: float | None
    """`None` leaves that direction alone."""
    export_kw: float | None
    """A magnitude."""
    begins_minute: int = 0
    """Of the local day, 0 to 1439."""
    ends_minute: int = DAY_MINUTES
    """1 to 1440; at or before the beginning it is on the next day."""
    weekdays: frozenset[int] = EVERY_DAY
    season: tuple[DayOfYear, DayOfYear] | None = None
    """First and last day; the last may lie in the next year. None is all year."""
    first_day: date | None = None
    last_day: date | None = None
    """Effective dates, both included; None is without an end."""

    @property
    def always(self) -> bool:
        """Whether it holds at each instant."""
        return (self.begins_minute, self.ends_minute, self.weekdays, self.season, self.first_day, self.last_day) == (
            0, DAY_MINUTES, EVERY_DAY, None, None, None
        )  # fmt: skip

    def begins_on(self, day: date) -> bool:
        """Whether the block begins on a local day."""
        return (
            day.isoweekday() in self.weekdays
            and (self.first_day is None or self.first_day <= day)
            and (self.last_day is None or day <= self.last_day)
            and (self.season is None or _in_season((day.month, day.day), *self.season))
        )

    def holds_at(self, shown: datetime) -> bool:
        """Whether the block holds while the park's clock shows this."""
        minute, day = shown.hour * 60 + shown.minute, shown.date()
        if self.begins_minute < self.ends_minute:
            return self.begins_minute <= minute < self.ends_minute and self.begins_on(day)
        if minute >= self.begins_minute:
            return self.begins_on(day)
        return minute < self.ends_minute and self.begins_on(day - _DAY)


def _in_season(day: DayOfYear, first: DayOfYear, last: DayOfYear) -> bool:
    return first <= day <= last if first <= last else day >= first or day <= last


def clock_at(at_us: int, timezone: str) -> datetime:
    """Return what the park's clock shows at an instant."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone))


def block_intervals_us(block: TimeBlock, begin_us: int, end_us: int, timezone: str) -> Iterator[tuple[int, int]]:
    """Yield when the block holds within [begin, end): pairs of instants, in order, never touching.

    >>> from datetime import date
    >>> from hub.local_days import day_start_us
    >>> begin_us, end_us = (day_start_us(date(2026, 3, day), "Europe/Amsterdam") for day in (29, 30))
    >>> night = TimeBlock(import_kw=50.0, export_kw=None, ends_minute=4 * 60)
    >>> [(end - begin) / 3.6e9 for begin, end in block_intervals_us(night, begin_us, end_us, "Europe/Amsterdam")]
    [3.0]
    """
    if begin_us >= end_us:
        return
    edges = {begin_us}
    day, last_day = clock_at(begin_us, timezone).date(), clock_at(end_us - 1, timezone).date()
    while day <= last_day and not block.always:
        edges.update(at for at in _edges_us(day, block.begins_minute, block.ends_minute, timezone))
        day += _DAY
    since_us: int | None = None
    for at in sorted(edge for edge in edges if begin_us <= edge < end_us):
        holds = block.holds_at(clock_at(at, timezone))
        if holds and since_us is None:
            since_us = at
        elif not holds and since_us is not None:
            yield since_us, at
            since_us = None
    if since_us is not None:
        yield since_us, end_us


@lru_cache(maxsize=4096)
def _edges_us(day: date, begins_minute: int, ends_minute: int, timezone: str) -> tuple[int, ...]:
    """Instants of a local day at which a block may begin or end; too many do no harm."""
    quarters = quarters_of_day(day, timezone)
    zone = ZoneInfo(timezone)
    edges = [quarters.start]
    for minute in (begins_minute, ends_minute % DAY_MINUTES):
        shown = datetime.combine(day, time(*divmod(minute, 60)), zone)
        edges += [_instant_us(shown.replace(fold=fold)) for fold in (0, 1)]
    if len(quarters) != _QUARTERS:  # the clock changes, on some whole quarter
        edges += quarters
    return tuple(edges)


def _instant_us(shown: datetime) -> int:
    return (shown.astimezone(UTC) - _EPOCH) // _MICROSECOND
