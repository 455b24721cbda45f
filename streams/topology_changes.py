"""How open points change: who may move one, who confirms it, and who may doubt it (R18). Pure.

Moving and doubting tighten: limits of more positions hold, at once, by one person's word or a worker's. That one
position counts alone again loosens and takes a second person, who knows that the ring is open there.

| from | move (one person) | confirm (a second one) | doubt (anybody) |
|---|---|---|---|
| confirmed | switching | nothing waits | unknown |
| switching | switching, back or on | confirmed | unknown |
| unknown | unknown, with a place that waits | confirmed | unknown |
"""

from hub.limit_checks import MOST_CHARACTERS, is_line
from hub.model import Certainty, GridLoop
from hub.open_point import permitted
from hub.quarters import quarter_start_us
from streams.topology_entries import KnownTopology, positions_of
from streams.topology_messages import TopologyEntry, TopologyProposal, TopologyTerms
from streams.two_people import Done, NotAllowed, NotThere, Pending, Person, Refusal, Unusable, as_change_of


def move_open_point(
    known: KnownTopology, grid_loop: str, open_after: int, *, person: Person, why: str, now_us: int
) -> Pending[TopologyEntry] | Refusal:
    """Say where the open point of a ring goes; limits of all places where it may be hold until that is confirmed."""
    ring = known.ring(grid_loop)
    if ring is None:
        return _no_ring(known, grid_loop)
    terms = known.terms_of(ring)
    problem = _problem_of_move(ring, terms, open_after) or ("" if is_line(why) else "why must be a text on one line")
    if problem:
        return Unusable(problem)
    if terms.certainty == Certainty.CONFIRMED:
        terms = TopologyTerms(
            certainty=Certainty.SWITCHING,
            open_after=terms.open_after,
            moving_to=open_after,
            earlier=_earlier(known, ring, now_us=now_us),
        )
    proposal = TopologyProposal(
        open_after=open_after, who=person.name, authenticated=person.authenticated, why=why, proposed_us=now_us
    )
    entry = _entry(known, ring, terms, proposal, by=person.name, why=why, now_us=now_us)
    return Pending(entry, f"limits of position {open_after} alone will count instead of those of "
                          f"{', '.join(map(str, positions_of(ring, terms)))}")  # fmt: skip


def confirm_open_point(
    known: KnownTopology, grid_loop: str, *, person: Person, now_us: int
) -> Done[TopologyEntry] | Refusal:
    """Say, as a second person, that the ring is open where the first one said."""
    ring, entry = known.ring(grid_loop), known.find(grid_loop)
    if ring is None:
        return _no_ring(known, grid_loop)
    if entry is None or entry.proposed is None:
        return NotThere(f"nothing waits for a second person: {grid_loop}")
    proposed = entry.proposed
    if proposed.who == person.name:
        return NotAllowed(f"{person.name} moved it: somebody else must confirm where it lies (R18)")
    terms = TopologyTerms(
        certainty=Certainty.CONFIRMED, open_after=proposed.open_after, earlier=_earlier(known, ring, now_us=now_us)
    )
    why = f"confirmed what {proposed.who} did: {proposed.why}"[:MOST_CHARACTERS]
    return Done(_entry(known, ring, terms, None, by=person.name, why=why, now_us=now_us))


def doubt_open_point(
    known: KnownTopology, grid_loop: str, *, by: str, why: str, now_us: int
) -> Done[TopologyEntry] | Refusal:
    """Say that the ring may be open anywhere: somebody switched it unannounced, or its meters contradict."""
    ring, entry = known.ring(grid_loop), known.find(grid_loop)
    if ring is None:
        return _no_ring(known, grid_loop)
    if not is_line(why):
        return Unusable("why must be a text on one line")
    terms = TopologyTerms(
        certainty=Certainty.UNKNOWN,
        open_after=known.terms_of(ring).open_after,
        earlier=_earlier(known, ring, now_us=now_us),
    )
    proposed = None if entry is None else entry.proposed
    return Done(_entry(known, ring, terms, proposed, by=by, why=why, now_us=now_us))


def _problem_of_move(ring: GridLoop, terms: TopologyTerms, open_after: int) -> str:
    places = permitted(ring)
    if open_after not in {*places, terms.open_after}:
        return f"{ring.id} may be open after {', '.join(map(str, places))} sections, not after {open_after}"
    if terms.certainty == Certainty.CONFIRMED and open_after == terms.open_after:
        return f"{ring.id} is open there already"
    if terms.certainty == Certainty.SWITCHING and open_after not in {terms.open_after, terms.moving_to}:
        return f"{ring.id} is being moved from {terms.open_after} to {terms.moving_to}: confirm one of the two first"
    return ""


def _earlier(known: KnownTopology, ring: GridLoop, *, now_us: int) -> list[int]:
    """Return where the ring was, or may have been, in this quarter until now."""
    entry = known.find(ring.id)
    before = set(positions_of(ring, known.terms_of(ring)))
    if entry is not None and quarter_start_us(entry.changed_us) == quarter_start_us(now_us):
        before.update(entry.terms.earlier)
    return sorted(before)


def _entry(
    known: KnownTopology,
    ring: GridLoop,
    terms: TopologyTerms,
    proposed: TopologyProposal | None,
    *,
    by: str,
    why: str,
    now_us: int,
) -> TopologyEntry:
    entry = TopologyEntry(
        grid_loop=ring.id, terms=terms, proposed=proposed, changed_us=now_us, changed_by=by, changed_why=why
    )
    return as_change_of(known.find(ring.id), entry, changed_us=now_us)


def _no_ring(known: KnownTopology, grid_loop: str) -> NotThere:
    return NotThere(f"there is no grid loop {grid_loop!r}; there are {', '.join(r.id for r in known.hub.grid_loops)}")
