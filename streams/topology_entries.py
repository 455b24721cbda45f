"""From entries on the topology's topic to a park whose rings are open where they are; and what is known of one park's.

Folding is the same for the worker that balances by it, for the watchdog and for whoever moves an open point. An entry
that cannot be used is refused and changes nothing. Pure but for its own state; the caller brings messages and time.
"""

from dataclasses import dataclass, field

from hub.limit_checks import is_line, is_sound_instant
from hub.model import Certainty, GridLoop, Hub, OpenPoint
from hub.open_point import placed, possible
from hub.quarters import QUARTER_US, quarter_start_us
from streams.codec import Rejected, decode_topology
from streams.messages import DeadLetterReason
from streams.signature import Keyring
from streams.told_entries import ToldEntries
from streams.topics import TOPOLOGY, key_of
from streams.topology_messages import TopologyEntry, TopologyTerms
from streams.two_people import problem_of_change


@dataclass(slots=True)
class KnownTopology:
    """The open points of one park as the topic tells them; a ring of which it tells nothing is as the folder says."""

    hub: Hub
    entries: dict[bytes, TopologyEntry] = field(default_factory=dict)
    """By message key."""

    def fold(self, key: bytes, payload: bytes | None) -> Rejected | None:
        """Take one message of the topic; tells why it was refused. A tombstone says nothing of where a ring is open."""
        if payload is None:
            return _refused("a tombstone: say where the ring is open instead")
        entry = decode_topology(payload)
        if isinstance(entry, Rejected):
            return entry
        if key != key_of(self.hub.id, entry.grid_loop):
            return _refused(f"{entry.grid_loop} came under another key")
        problem = self.problem_of(entry) or problem_of_change(self.entries.get(key), entry)
        if problem:
            return _refused(problem)
        self.entries[key] = entry
        return None

    def find(self, grid_loop: str) -> TopologyEntry | None:
        """Return what was said last of a ring; None where nothing ever was."""
        return self.entries.get(key_of(self.hub.id, grid_loop))

    def problem_of(self, entry: TopologyEntry) -> str:
        """Why an entry means nothing for this park; empty where it does."""
        ring = self.ring(entry.grid_loop)
        if ring is None:
            return f"there is no grid loop {entry.grid_loop!r}"
        terms, proposed = entry.terms, entry.proposed
        if terms.certainty not in set(Certainty):
            return f"certainty {terms.certainty!r} is not known"
        if (terms.moving_to is not None) != (terms.certainty == Certainty.SWITCHING):
            return "a ring that is switching has a place to go to, any other has none"
        positions = [terms.open_after, *terms.earlier]
        positions += [] if terms.moving_to is None else [terms.moving_to]
        positions += [] if proposed is None else [proposed.open_after]
        if not all(0 <= position <= len(ring.sections) for position in positions):
            return f"{entry.grid_loop} has no such position: 0 to {len(ring.sections)}"
        if not is_sound_instant(entry.changed_us) or not is_line(entry.changed_by) or not is_line(entry.changed_why):
            return "who, why and when must be a line each, and an instant"
        return ""

    def ring(self, grid_loop: str) -> GridLoop | None:
        """Return a grid loop of the hub folder."""
        return next((loop for loop in self.hub.grid_loops if loop.id == grid_loop), None)

    def terms_of(self, ring: GridLoop) -> TopologyTerms:
        """Return where a ring is open: what was said last, else what the folder says."""
        entry = self.find(ring.id)
        return (
            TopologyTerms(certainty=Certainty.CONFIRMED, open_after=ring.open_after) if entry is None else entry.terms
        )

    def open_point(self, ring: GridLoop, *, now_us: int) -> OpenPoint:
        """Return where a ring may be open now."""
        terms, entry = self.terms_of(ring), self.find(ring.id)
        same_quarter = entry is not None and quarter_start_us(entry.changed_us) == quarter_start_us(now_us)
        return OpenPoint(
            certainty=Certainty(terms.certainty),
            open_after=terms.open_after,
            positions=positions_of(ring, terms),
            earlier=tuple(terms.earlier) if same_quarter else (),
        )


class ParkTopology(ToldEntries[KnownTopology, Hub]):
    """A park's open points, told as the park with its rings open where they are."""

    def __init__(self, hub: Hub, keyring: Keyring | None = None) -> None:
        super().__init__(TOPOLOGY, KnownTopology(hub), keyring or Keyring())
        self._hub = hub

    def _at(self, now_us: int) -> tuple[Hub, float]:
        said = [ring for ring in self._hub.grid_loops if self.known.find(ring.id)]
        points = {ring.id: self.known.open_point(ring, now_us=now_us) for ring in said}
        remembers = any(point.earlier for point in points.values())
        return placed(self._hub, points), quarter_start_us(now_us) + QUARTER_US if remembers else float("inf")


def positions_of(ring: GridLoop, terms: TopologyTerms) -> tuple[int, ...]:
    """Return all places where a ring may be open under these terms, ascending."""
    match Certainty(terms.certainty):
        case Certainty.CONFIRMED:
            positions = {terms.open_after}
        case Certainty.SWITCHING:
            positions = {terms.open_after, terms.open_after if terms.moving_to is None else terms.moving_to}
        case Certainty.UNKNOWN:
            positions = {terms.open_after, *possible(ring)}
    return tuple(sorted(positions))


def _refused(detail: str) -> Rejected:
    return Rejected(DeadLetterReason.NOT_AN_OPEN_POINT, detail)
