"""How overrides change: what one person may do at once, and what waits for a second one (R18). Pure.

Stopping and curtailing hold at once. What would allow an asset more, or oblige it to more, at any instant is written
beside what is in force, as a proposal, and holds when somebody else confirms it.
"""

import msgspec

from hub.limit_checks import is_line
from hub.overrides import Override, loosens
from streams.codec import Rejected
from streams.override_entries import KnownOverrides, override_key
from streams.override_messages import OverrideEntry, OverrideProposal, OverrideTerms
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
)


def set_override(
    known: KnownOverrides, asset_id: str, terms: OverrideTerms, *, now_us: int
) -> Change[OverrideEntry] | Unusable:
    """Set the override of an asset, or replace it."""
    override = known.read(asset_id, terms)
    if isinstance(override, Rejected):
        return Unusable(override.detail)
    person = Person(terms.who, terms.authenticated)
    return _change(known, asset_id, override, terms=terms, person=person, why=terms.why, now_us=now_us)


def withdraw_override(
    known: KnownOverrides, asset_id: str, *, person: Person, why: str, now_us: int
) -> Change[OverrideEntry] | Refusal:
    """End an override; one that was only proposed, or whose time is over, is gone at once."""
    if known.find(asset_id) is None:
        return NotThere(f"{asset_id} has no override")
    if not is_line(why):
        return Unusable("why must be a text on one line")
    return _change(known, asset_id, None, terms=None, person=person, why=why, now_us=now_us)


def confirm_override(
    known: KnownOverrides, asset_id: str, *, person: Person, now_us: int
) -> Done[OverrideEntry] | Refusal:
    """Let a proposal hold, as a second person."""
    entry = known.find(asset_id)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {asset_id}")
    proposed = entry.proposed
    if proposed.who == person.name:
        return NotAllowed(f"{person.name} proposed it: somebody else must confirm what loosens an override (R18)")
    terms = None if proposed.terms is None else msgspec.structs.replace(proposed.terms, confirmed_by=person.name)
    if terms is not None and isinstance(override := known.read(asset_id, terms), Rejected):
        return Unusable(override.detail)
    why = f"confirmed what {proposed.who} proposed: {proposed.why}"
    return Done(_entry(known, asset_id, terms=terms, by=person.name, why=why, now_us=now_us))


def reject_override(
    known: KnownOverrides, asset_id: str, *, person: Person, why: str, now_us: int
) -> Done[OverrideEntry] | NotThere:
    """Drop a proposal; what is in force stays."""
    entry = known.find(asset_id)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {asset_id}")
    why = f"rejected: {why}"
    return Done(_entry(known, asset_id, terms=entry.terms, by=person.name, why=why, now_us=now_us))


def _change(
    known: KnownOverrides,
    asset_id: str,
    after: Override | None,
    *,
    terms: OverrideTerms | None,
    person: Person,
    why: str,
    now_us: int,
) -> Change[OverrideEntry]:
    loosening = loosens(known.assets[asset_id], known.in_force.get(asset_id), after, now_us=now_us)
    if not loosening:
        return Done(_entry(known, asset_id, terms=terms, by=person.name, why=why, now_us=now_us))
    held = known.find(asset_id)
    proposal = OverrideProposal(
        terms=terms, who=person.name, authenticated=person.authenticated, why=why, proposed_us=now_us, loosens=loosening
    )
    entry = _entry(known, asset_id, terms=None if held is None else held.terms, by=person.name, why=why, now_us=now_us)
    return Pending(msgspec.structs.replace(entry, proposed=proposal), loosening)


def _entry(
    known: KnownOverrides, asset_id: str, *, terms: OverrideTerms | None, by: str, why: str, now_us: int
) -> OverrideEntry:
    entry = OverrideEntry(asset=asset_id, terms=terms, changed_us=now_us, changed_by=by, changed_why=why)
    held = known.entries.get(override_key(known.hub.id, asset_id))
    return as_change_of(held, entry, changed_us=now_us)
