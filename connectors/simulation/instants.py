"""Instants as people write them, and back. ISO 8601, always with the zone."""

from datetime import datetime, timedelta
from typing import Final

import numpy as np

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00Z")


def instant_us(text: str) -> int | None:
    """Microseconds UTC of an ISO 8601 instant; None where it is none, or does not say its zone.

    >>> instant_us("1970-01-01T01:00:00.5+01:00"), instant_us("1970-01-01T00:00"), instant_us("noon")
    (500000, None, None)
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if instant.tzinfo is None else (instant - _EPOCH) // timedelta(microseconds=1)


def as_utc(at_us: int) -> str:
    """An instant for people, as short as it can be.

    >>> as_utc(1_500_000), as_utc(60_000_000)
    ('1970-01-01T00:00:01.5Z', '1970-01-01T00:01:00Z')
    """
    seconds, _, parts = str(np.datetime64(at_us, "us")).partition(".")
    parts = parts.rstrip("0")
    return f"{seconds}.{parts}Z" if parts else f"{seconds}Z"
