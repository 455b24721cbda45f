"""What people and the grid operator say about limits on Kafka: one entry per limit, compacted by its key.

Same rules as `streams.messages`. An entry holds what is in force and, beside it, what somebody proposed and a second
person has not yet confirmed (R18). A limit that was withdrawn stays as an entry without terms, which says who
did it and why; a tombstone only clears such an entry away.
"""

import msgspec


class LimitBlock(msgspec.Struct, frozen=True, kw_only=True):
    """What holds while the park's clock shows a time in the block; by itself always. As `hub.time_blocks.TimeBlock`."""

    import_kw: float | None = None
    """`null` leaves that direction alone."""
    export_kw: float | None = None
    """A magnitude."""
    begins_minute: int = 0
    """Of the local day on which the block begins."""
    ends_minute: int = 1440
    """At or before the beginning it is on the next day."""
    weekdays: list[int] = []
    """Monday is 1; empty is every day."""
    season_first: str = ""
    """`MM-DD`, first day of a season; empty is all year."""
    season_last: str = ""
    """`MM-DD`, last day, perhaps in the next year."""
    first_day: str = ""
    """`YYYY-MM-DD`, first effective day; empty is no beginning."""
    last_day: str = ""
    """Last effective day; empty is no end."""


class LimitTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as it was stated: what, when, by whom and why. As `hub.limits.StatedLimit`."""

    layer: str
    """`protection`, `dso_cap`, `contract`, `operator` or `plan`."""
    judged: str
    """`instant` or `quarter`."""
    blocks: list[LimitBlock]
    from_us: int
    until_us: int | None = None
    """`null` is until it is withdrawn."""
    effect: str = "cap"
    """`cap`: the tightest counts; `right`: adds to the contract in the hub folder."""
    reference: str = "tree"
    """What import means: `tree` away from the station; `ring` from feeder a towards feeder b."""
    series: str = ""
    """Limits of a node with one series follow each other; a gap of 10 s between them is none."""
    source: str
    """Letter, contract, message."""
    who: str
    authenticated: bool = False
    """Whether `who` was proven; else it is the name of an account on some machine."""
    why: str
    stated_us: int
    confirmed_by: str = ""
    """The second person, where one was needed."""


class LimitProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A change that would loosen something and waits for a second person."""

    terms: LimitTerms | None
    """What would hold; `null`: the limit would be withdrawn."""
    who: str
    authenticated: bool = False
    why: str
    proposed_us: int
    loosens: str
    """What it would loosen, for people."""


class LimitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one node: what is in force, and what waits for a second person."""

    node: str
    id: str
    """Names the limit at its node."""
    terms: LimitTerms | None
    """In force; `null` when it was withdrawn, or while it is only proposed."""
    proposed: LimitProposal | None = None
    changed_us: int
    """Rises with each change of the entry."""
    after_us: int = 0
    """`changed_us` of the entry that whoever made this change saw; 0 for none. One that saw an older entry than the
    last is refused: two people changed it at once, or an old message came again."""
    changed_by: str
    """Who made this change: stated, proposed, confirmed, rejected or withdrew."""
    changed_why: str
