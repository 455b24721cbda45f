"""Limits in words: what a person writes on the command line becomes terms, what is known becomes lines.

Times without an offset are those of the park's clock. Nothing here decides.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hub.limits import Ceiling, EffectiveLimit, StatedLimit
from hub.time_blocks import clock_at
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAYS: Final = re.compile(r"([1-7])(?:-([1-7]))?")
_BLOCK_FORM: Final = (
    "write it as 'HH:MM-HH:MM import=KW export=KW days=1-5 season=MM-DD..MM-DD dates=YYYY-MM-DD..YYYY-MM-DD'; "
    "only import or export must be there"
)


class WordsError(ValueError):
    """What was written means nothing; one line with the remedy."""


def read_instant(text: str, timezone: str) -> int:
    """Read an ISO time as microseconds UTC.

    Raises:
        WordsError: it is no time, or the clock shows it twice or never and no offset says which is meant.

    >>> read_instant("2026-07-01T12:00", "Europe/Amsterdam") == read_instant("2026-07-01T10:00Z", "Europe/Amsterdam")
    True
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise WordsError(f"{text!r} is no time: write it as 2026-07-01T14:00, or with an offset +02:00") from error
    if at.tzinfo is None:
        first, second = (at.replace(tzinfo=ZoneInfo(timezone), fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            raise WordsError(f"on {text} the clock is changed: say which is meant by an offset, {text}+01:00 or +02:00")
        at = first
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def read_block(text: str) -> LimitBlock:
    """Read a block of local time.

    Raises:
        WordsError: naming the part that means nothing.

    >>> read_block("22:00-06:00 import=200 days=1-5").weekdays
    [1, 2, 3, 4, 5]
    """
    fields: dict[str, object] = {}
    for word in text.split():
        name, is_pair, value = word.partition("=")
        try:
            fields |= _pair(name, value) if is_pair else _clock(word)
        except ValueError as error:
            raise WordsError(f"block {text!r}: {word!r} means nothing; {_BLOCK_FORM}") from error
    if not {"import_kw", "export_kw"} & set(fields):
        raise WordsError(f"block {text!r} limits nothing; {_BLOCK_FORM}")
    return LimitBlock(**fields)  # type: ignore[arg-type]  # each by its name


def _clock(word: str) -> dict[str, object]:
    found = _CLOCK.fullmatch(word)
    if found is None:
        raise ValueError(word)
    begin_h, begin_min, end_h, end_min = (int(part) for part in found.groups())
    if begin_min >= 60 or end_min >= 60:
        raise ValueError(word)
    return {"begins_minute": begin_h * 60 + begin_min, "ends_minute": end_h * 60 + end_min or 1440}


def _pair(name: str, value: str) -> dict[str, object]:
    match name:
        case "import" | "export":
            return {f"{name}_kw": float(value)}
        case "days":
            return {"weekdays": sorted({day for part in value.split(",") for day in _days(part)})}
        case "season":
            first, last = value.split("..")
            return {"season_first": first, "season_last": last}
        case "dates":
            first, last = value.split("..")
            return {"first_day": first, "last_day": last}
    raise ValueError(name)


def _days(part: str) -> range:
    found = _DAYS.fullmatch(part)
    if found is None:
        raise ValueError(part)
    first, last = int(found[1]), int(found[2] or found[1])
    return range(first, last + 1)


def clock_text(at_us: int | None, timezone: str) -> str:
    """Return an instant as the park's clock shows it, with its offset."""
    return "withdrawn" if at_us is None else clock_at(at_us, timezone).isoformat(sep=" ", timespec="seconds")


def entry_lines(entry: LimitEntry, timezone: str) -> Iterator[str]:
    """Yield what is known of one limit."""
    terms, proposed = entry.terms, entry.proposed
    if terms is not None:
        yield f"{entry.node} {entry.id}: {_terms_text(terms, timezone)}"
        yield f"  by {who_text(terms.who, authenticated=terms.authenticated)}{_confirmed(terms)}: {terms.why} [{terms.source}]"
    if proposed is not None:
        what = "withdraw it" if proposed.terms is None else _terms_text(proposed.terms, timezone)
        yield f"{entry.node} {entry.id}: WAITS for a second person: {what}"
        yield f"  {proposed.loosens}; by {who_text(proposed.who, authenticated=proposed.authenticated)}: {proposed.why}"


def effective_lines(node: str, found: dict[str, EffectiveLimit], timezone: str) -> Iterator[str]:
    """Yield what binds a node now, until when, and what comes next; `found` by direction."""
    for direction, limit in found.items():
        line = f"{node} {direction}: {_ceiling_text(limit.now)}"
        if limit.until_us is not None:
            line += f", until {clock_text(limit.until_us, timezone)}, then {_ceiling_text(limit.then)}"
        yield line


def _terms_text(terms: LimitTerms, timezone: str) -> str:
    blocks = " | ".join(_block_text(block) for block in terms.blocks)
    right = "on top of the contract " if terms.effect == "right" else ""
    ring = ", along the ring" if terms.reference == "ring" else ""
    return (
        f"{right}{blocks} [{terms.layer}, {terms.judged}{ring}] "
        f"from {clock_text(terms.from_us, timezone)} until {clock_text(terms.until_us, timezone)}"
    )


def _block_text(block: LimitBlock) -> str:
    words = [
        f"{name} {kw:g} kW" for name, kw in (("import", block.import_kw), ("export", block.export_kw)) if kw is not None
    ]
    if (block.begins_minute, block.ends_minute) != (0, 1440):
        words.append(f"{_minutes(block.begins_minute)}-{_minutes(block.ends_minute)}")
    words += [f"days {','.join(map(str, block.weekdays))}"] if block.weekdays else []
    words += [f"season {block.season_first}..{block.season_last}"] if block.season_first else []
    words += [f"dates {block.first_day}..{block.last_day}"] if block.first_day or block.last_day else []
    return " ".join(words)


def _minutes(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def who_text(name: str, *, authenticated: bool) -> str:
    """Return the name, saying so where nothing proves it."""
    return name if authenticated else f"{name} (unauthenticated)"


def _confirmed(terms: LimitTerms) -> str:
    return f", confirmed by {terms.confirmed_by}" if terms.confirmed_by else ""


def _ceiling_text(ceiling: Ceiling | None) -> str:
    if ceiling is None:
        return "no limit"
    origin = ceiling.origin
    what = f"{origin.id}: {origin.source}" if isinstance(origin, StatedLimit) else origin.source
    return f"{ceiling.kw:g} kW by {ceiling.layer} ({ceiling.judged}; {what})"
