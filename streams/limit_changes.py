"""How limits change: what one person may do at once, and what waits for a second one (R18). Pure.

Tightening holds at once. What would allow more at any instant is written beside what is in force, as a proposal, and
holds when somebody else confirms it. Whoever proposed may not confirm, and anybody may reject.
"""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from hub.limits import StatedLimit
from hub.loosening import Loosening, find_loosening
from streams.codec import Rejected
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitEntry, LimitProposal, LimitTerms


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts; `authenticated` only where a login proved it."""

    name: str
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The change holds: `entry` is to be written under the key, a tombstone where it is None."""

    key: bytes
    entry: LimitEntry | None


@dataclass(frozen=True, slots=True)
class Pending:
    """The change waits for a second person; what was in force stays."""

    key: bytes
    entry: LimitEntry
    loosens: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """The change means nothing; nothing is written."""

    why: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """There is no such limit, or nothing that waits."""

    why: str


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The rule of two people forbids it."""

    why: str


Change: TypeAlias = Done | Pending
Refusal: TypeAlias = Unusable | NotThere | NotAllowed


def state_limit(known: KnownLimits, node: str, limit_id: str, terms: LimitTerms, *, now_us: int) -> Change | Unusable:
    """Set a limit, or replace the one of that id."""
    limit = known.read(node, limit_id, terms)
    if isinstance(limit, Rejected):
        return Unusable(limit.detail)
    return _change(known, node, limit_id, terms, limit=limit, person=Person(terms.who, terms.authenticated),
                   why=terms.why, now_us=now_us)  # fmt: skip


def withdraw_limit(
    known: KnownLimits, node: str, limit_id: str, *, person: Person, why: str, now_us: int
) -> Change | Refusal:
    """Take a limit away; one that was only proposed is gone at once."""
    entry = known.entries.get(limit_key(known.hub.id, node, limit_id))
    if entry is None:
        return NotThere(_missing(known, node, limit_id))
    if not why.strip():
        return Unusable("why must be a text on one line")
    return _change(known, node, limit_id, None, limit=None, person=person, why=why, now_us=now_us)


def confirm_limit(known: KnownLimits, node: str, limit_id: str, *, person: Person) -> Done | Refusal:
    """Let a proposal hold, as a second person."""
    entry = known.entries.get(limit_key(known.hub.id, node, limit_id))
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {_missing(known, node, limit_id)}")
    if entry.proposed.who == person.name:
        return NotAllowed(f"{person.name} proposed it: somebody else must confirm what loosens a limit (R18)")
    key, terms = limit_key(known.hub.id, node, limit_id), entry.proposed.terms
    if terms is None:
        return Done(key, None)
    if isinstance(limit := known.read(node, limit_id, terms), Rejected):
        return Unusable(limit.detail)
    return Done(key, LimitEntry(node=node, id=limit_id, terms=msgspec.structs.replace(terms, confirmed_by=person.name)))


def reject_proposal(known: KnownLimits, node: str, limit_id: str) -> Done | NotThere:
    """Drop a proposal; what is in force stays."""
    key = limit_key(known.hub.id, node, limit_id)
    entry = known.entries.get(key)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {_missing(known, node, limit_id)}")
    return Done(key, None if entry.terms is None else msgspec.structs.replace(entry, proposed=None))


def _change(
    known: KnownLimits,
    node: str,
    limit_id: str,
    terms: LimitTerms | None,
    *,
    limit: StatedLimit | None,
    person: Person,
    why: str,
    now_us: int,
) -> Change:
    key = limit_key(known.hub.id, node, limit_id)
    others = [each for at, each in known.in_force.items() if at != key]
    changed = others if limit is None else [*others, limit]
    loosening = find_loosening(known.book(), known.book(changed), node, now_us=now_us)
    if loosening is None:
        return Done(key, None if terms is None else LimitEntry(node=node, id=limit_id, terms=terms))
    loosens = _in_words(loosening)
    held = known.entries.get(key)
    proposal = LimitProposal(
        terms=terms, who=person.name, authenticated=person.authenticated, why=why, proposed_us=now_us, loosens=loosens
    )
    entry = LimitEntry(node=node, id=limit_id, terms=None if held is None else held.terms, proposed=proposal)
    return Pending(key, entry, loosens)


def _in_words(loosening: Loosening) -> str:
    direction = "import" if loosening.imports else "export"
    to = "without limit" if loosening.after_kw == float("inf") else f"{loosening.after_kw:g} kW"
    return f"{direction} may rise from {loosening.before_kw:g} kW to {to}"


def _missing(known: KnownLimits, node: str, limit_id: str) -> str:
    ids = [entry.id for entry in known.entries.values() if entry.node == node]
    return f"{node} has no limit {limit_id!r}; it has {', '.join(sorted(ids)) or 'none that was stated'}"
