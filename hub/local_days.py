"""Local days of a park and the quarters in them: 92, 96 or 100, because the clock changes twice a year.

Storage and messages are UTC throughout; a local day matters only where people count in days (roll-ups, reports).
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.quarters import QUARTER_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def local_day(at_us: int, timezone: str) -> date:
    """Return the calendar day at the park at an instant.

    >>> local_day(1_467_324_000_000_000, "Europe/Amsterdam")  # 30 June 2016, 22:00 UTC
    datetime.date(2016, 7, 1)
    """
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone)).date()


def day_start_us(day: date, timezone: str) -> int:
    """Return the instant of local midnight, microseconds UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    return (midnight.astimezone(UTC) - _EPOCH) // _MICROSECOND


def quarters_of_day(day: date, timezone: str) -> range:
    """Return the starts of the quarters of a local day, microseconds UTC.

    >>> len(quarters_of_day(date(2016, 3, 27), "Europe/Amsterdam"))
    92
    """
    return range(day_start_us(day, timezone), day_start_us(day + timedelta(days=1), timezone), QUARTER_US)
