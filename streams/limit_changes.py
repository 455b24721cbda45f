"""How limits change: what one person may do at once, and what waits for a second one (R18). Pure.

Tightening holds at once. What would allow more at any instant is written beside what is in force, as a proposal, and
holds when somebody else confirms it. Whoever proposed may not confirm, and anybody may reject.
"""

import msgspec

from hub.limit_checks import is_line
from hub.limits import StatedLimit
from hub.loosening import Loosening, find_loosening
from streams.codec import Rejected
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitEntry, LimitProposal, LimitTerms
from streams.two_people import (
    Change,
    Done,
    NotAllowed,
    NotThere,
    Pending,
    Person,
    Refusal,
    Unusable,
    as_change_of,
    is_gone,
)


def state_limit(
    known: KnownLimits, node: str, limit_id: str, terms: LimitTerms, *, now_us: int
) -> Change[LimitEntry] | Unusable:
    """Set a limit, or replace the one of that id."""
    limit = known.read(node, limit_id, terms)
    if isinstance(limit, Rejected):
        return Unusable(limit.detail)
    stated = [*_others(known, node, limit_id), limit]
    loosening = find_loosening(known.book(), known.book(stated), node, now_us=now_us)
    if loosening is None:
        entry = LimitEntry(node=node, id=limit_id, terms=terms, changed_us=now_us, changed_by=terms.who,
                           changed_why=terms.why)  # fmt: skip
        return Done(_later(known, entry))
    person = Person(terms.who, terms.authenticated)
    return _propose(known, (node, limit_id), terms, loosening, person=person, why=terms.why, now_us=now_us)


def withdraw_limit(
    known: KnownLimits, node: str, limit_id: str, *, person: Person, why: str, now_us: int
) -> Change[LimitEntry] | Refusal:
    """Take a limit away; one that was only proposed is gone at once."""
    if known.find(node, limit_id) is None:
        return NotThere(_missing(known, node, limit_id))
    if not is_line(why):
        return Unusable("why must be a text on one line")
    without = _others(known, node, limit_id)
    loosening = find_loosening(known.book(), known.book(without), node, now_us=now_us)
    if loosening is None:
        entry = LimitEntry(node=node, id=limit_id, terms=None, changed_us=now_us, changed_by=person.name,
                           changed_why=why)  # fmt: skip
        return Done(_later(known, entry))
    return _propose(known, (node, limit_id), None, loosening, person=person, why=why, now_us=now_us)


def confirm_limit(
    known: KnownLimits, node: str, limit_id: str, *, person: Person, now_us: int
) -> Done[LimitEntry] | Refusal:
    """Let a proposal hold, as a second person."""
    entry = known.find(node, limit_id)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {_missing(known, node, limit_id)}")
    proposed = entry.proposed
    if proposed.who == person.name:
        return NotAllowed(f"{person.name} proposed it: somebody else must confirm what loosens a limit (R18)")
    terms = None if proposed.terms is None else msgspec.structs.replace(proposed.terms, confirmed_by=person.name)
    if terms is not None and isinstance(limit := known.read(node, limit_id, terms), Rejected):
        return Unusable(limit.detail)
    why = f"confirmed what {proposed.who} proposed: {proposed.why}"
    confirmed = LimitEntry(node=node, id=limit_id, terms=terms, changed_us=now_us, changed_by=person.name,
                           changed_why=why)  # fmt: skip
    return Done(_later(known, confirmed))


def reject_proposal(
    known: KnownLimits, node: str, limit_id: str, *, person: Person, why: str, now_us: int
) -> Done[LimitEntry] | NotThere:
    """Drop a proposal; what is in force stays."""
    entry = known.find(node, limit_id)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {_missing(known, node, limit_id)}")
    rejected = msgspec.structs.replace(
        entry, proposed=None, changed_us=now_us, changed_by=person.name, changed_why=f"rejected: {why}"
    )
    return Done(_later(known, rejected))


def _propose(
    known: KnownLimits,
    place: tuple[str, str],
    terms: LimitTerms | None,
    loosening: Loosening,
    *,
    person: Person,
    why: str,
    now_us: int,
) -> Pending[LimitEntry]:
    node, limit_id = place
    loosens = _in_words(loosening)
    held = known.find(node, limit_id)
    proposal = LimitProposal(
        terms=terms, who=person.name, authenticated=person.authenticated, why=why, proposed_us=now_us, loosens=loosens
    )
    entry = LimitEntry(
        node=node,
        id=limit_id,
        terms=None if held is None else held.terms,
        proposed=proposal,
        changed_us=now_us,
        changed_by=person.name,
        changed_why=why,
    )
    return Pending(_later(known, entry), loosens)


def _others(known: KnownLimits, node: str, limit_id: str) -> list[StatedLimit]:
    key = limit_key(known.hub.id, node, limit_id)
    return [limit for at, limit in known.in_force.items() if at != key]


def _later(known: KnownLimits, entry: LimitEntry) -> LimitEntry:
    held = known.entries.get(limit_key(known.hub.id, entry.node, entry.id))
    return as_change_of(held, entry, changed_us=entry.changed_us)


def _in_words(loosening: Loosening) -> str:
    direction = "import" if loosening.imports else "export"
    to = "without limit" if loosening.after_kw == float("inf") else f"{loosening.after_kw:g} kW"
    return f"{direction} may rise from {loosening.before_kw:g} kW to {to}"


def _missing(known: KnownLimits, node: str, limit_id: str) -> str:
    ids = sorted(entry.id for entry in known.entries.values() if entry.node == node and not is_gone(entry))
    return f"{node} has no limit {limit_id!r}; it has {', '.join(ids) or 'none that was stated'}"
