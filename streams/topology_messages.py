"""What people and workers say of a ring's open point on Kafka: one entry per grid loop, compacted by its key.

Same rules as `streams.messages`. Moving takes two people: the first says where it goes, and limits of both positions
hold from then on; the second, who knows that it lies there, lets the new position count alone (R18).
"""

import msgspec


class TopologyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Where a ring is open. A position counts the sections before it, from feeder a. As `hub.model.OpenPoint`."""

    certainty: str
    """`confirmed`; `switching`: it is being moved; `unknown`: it may lie anywhere that is permitted."""
    open_after: int
    """Where it is; while it is not confirmed, where it was last."""
    moving_to: int | None = None
    """While it is `switching`."""
    earlier: list[int] = []
    """Where else it may have been in the quarter in which this was said."""


class TopologyProposal(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody says the open point will lie; counts when a second person confirms it."""

    open_after: int
    who: str
    authenticated: bool = False
    """Whether `who` was proven; else it is the name of an account on some machine."""
    why: str
    proposed_us: int


class TopologyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The open point of one ring: what counts, and what waits for a second person."""

    grid_loop: str
    terms: TopologyTerms
    proposed: TopologyProposal | None = None
    changed_us: int
    """Rises with each change of the entry."""
    after_us: int = 0
    """`changed_us` of the entry that whoever made this change saw; 0 for none. One that saw an older entry than the
    last is refused."""
    changed_by: str
    """Who made this change: moved, confirmed, or doubted it; a person, or the worker whose meters contradict it."""
    changed_why: str
