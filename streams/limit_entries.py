"""From entries on the limits' topic to limits that count, and back; and what is known of one park's limits.

Folding is the same for the worker that obeys them and for whoever states them, so that both see the same limits. An
entry that cannot be used is refused and changes nothing: what was known stays. Pure but for its own state.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from hub.limit_checks import check_limit
from hub.limits import Effect, LimitBook, Reference, StatedLimit, limit_book
from hub.model import Hub, Judged, LimitLayer
from hub.time_blocks import EVERY_DAY, DayOfYear, TimeBlock
from hub.tree import Tree, build_tree
from streams.codec import Rejected, decode_limit
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms
from streams.messages import DeadLetterReason
from streams.topics import key_of
from streams.two_people import is_gone, problem_of_change, problem_of_tombstone

_LEAP_YEAR: Final = "2024-"


def limit_key(hub_id: str, node: str, limit_id: str) -> bytes:
    """Message key of one limit.

    >>> limit_key("de-koumen", "lus-1/a", "cable-works")
    b'de-koumen/lus-1/a#cable-works'
    """
    return key_of(hub_id, f"{node}#{limit_id}")


@dataclass(slots=True)
class KnownLimits:
    """The limits of one park as the topic tells them."""

    hub: Hub
    tree: Tree = field(init=False)
    entries: dict[bytes, LimitEntry] = field(default_factory=dict)
    """By message key, what waits for a second person included."""
    in_force: dict[bytes, StatedLimit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree = build_tree(self.hub)

    def fold(self, key: bytes, payload: bytes | None) -> Rejected | None:
        """Take one message of the topic; tells why it was refused.

        A tombstone (None) counts only for a limit that was withdrawn before, and a change only where whoever made it
        saw what is known of the limit: nothing may be loosened by what is lost, sent again or written at once.
        """
        if payload is None:
            return self._clear_away(key)
        entry = decode_limit(payload)
        if isinstance(entry, Rejected):
            return entry
        if key != limit_key(self.hub.id, entry.node, entry.id):
            return Rejected(DeadLetterReason.NOT_A_LIMIT, f"{entry.node}#{entry.id} came under another key")
        if problem := problem_of_change(self.entries.get(key), entry):
            return Rejected(DeadLetterReason.NOT_A_LIMIT, problem)
        limit = None if entry.terms is None else self.read(entry.node, entry.id, entry.terms)
        if isinstance(limit, Rejected):
            return limit
        self.entries[key] = entry
        if limit is None:
            self.in_force.pop(key, None)
        else:
            self.in_force[key] = limit
        return None

    def _clear_away(self, key: bytes) -> Rejected | None:
        if problem := problem_of_tombstone(self.entries.get(key)):
            return Rejected(DeadLetterReason.NOT_A_LIMIT, problem)
        self.entries.pop(key, None)
        return None

    def find(self, node: str, limit_id: str) -> LimitEntry | None:
        """Return the entry of a limit that is in force or waits; None for one that is gone or never was."""
        entry = self.entries.get(limit_key(self.hub.id, node, limit_id))
        return None if entry is None or is_gone(entry) else entry

    def read(self, node: str, limit_id: str, terms: LimitTerms) -> StatedLimit | Rejected:
        """Return the limit that some terms state for a node of this park."""
        try:
            limit = _limit_of(node, limit_id, terms)
        except ValueError as error:
            return Rejected(DeadLetterReason.NOT_A_LIMIT, str(error))
        problems = check_limit(limit, self.hub, self.tree)
        return Rejected(DeadLetterReason.NOT_A_LIMIT, "; ".join(problems)) if problems else limit

    def book(self, limits: Iterable[StatedLimit] | None = None) -> LimitBook:
        """Put the folder's limits and those in force together, or others instead of those in force."""
        return limit_book(self.hub, self.in_force.values() if limits is None else limits)


def _limit_of(node: str, limit_id: str, terms: LimitTerms) -> StatedLimit:
    """Raise ValueError for a name or a date that means nothing."""
    return StatedLimit(
        node=node,
        id=limit_id,
        layer=LimitLayer(terms.layer),
        judged=Judged(terms.judged),
        blocks=tuple(_block_of(block) for block in terms.blocks),
        from_us=terms.from_us,
        until_us=terms.until_us,
        who=terms.who,
        why=terms.why,
        source=terms.source,
        effect=Effect(terms.effect),
        reference=Reference(terms.reference),
        series=terms.series,
    )


def _block_of(block: LimitBlock) -> TimeBlock:
    if bool(block.season_first) != bool(block.season_last):
        raise ValueError("a season has a first and a last day")
    season = (_day_of_year(block.season_first), _day_of_year(block.season_last)) if block.season_first else None
    return TimeBlock(
        import_kw=block.import_kw,
        export_kw=block.export_kw,
        begins_minute=block.begins_minute,
        ends_minute=block.ends_minute,
        weekdays=frozenset(block.weekdays) or EVERY_DAY,
        season=season,
        first_day=date.fromisoformat(block.first_day) if block.first_day else None,
        last_day=date.fromisoformat(block.last_day) if block.last_day else None,
    )


def _day_of_year(text: str) -> DayOfYear:
    day = date.fromisoformat(_LEAP_YEAR + text)
    return day.month, day.day
