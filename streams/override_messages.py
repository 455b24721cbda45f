"""What people say of single assets on Kafka: one entry per asset, compacted by its key.

Same rules as `streams.messages`; entries change as those of limits do (`streams.two_people`).
"""

import msgspec


class OverrideTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An override as it was stated: what, until when, by whom and why. As `hub.overrides.Override`."""

    kind: str
    """`stop`, `out_of_service`, `hold` or `at_most`."""
    power_kw: float | None = None
    """Of `hold` by the load convention, of `at_most` a magnitude, else `null`."""
    until_us: int | None = None
    """`null` is until it is withdrawn."""
    who: str
    authenticated: bool = False
    """Whether `who` was proven; else it is the name of an account on some machine."""
    why: str
    stated_us: int
    confirmed_by: str = ""
    """The second person, where one was needed."""


class OverrideProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A change that would loosen something and waits for a second person."""

    terms: OverrideTerms | None
    """What would hold; `null`: the override would be withdrawn."""
    who: str
    authenticated: bool = False
    why: str
    proposed_us: int
    loosens: str
    """What it would loosen, for people."""


class OverrideEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force for one asset, and what waits for a second person."""

    asset: str
    terms: OverrideTerms | None
    """In force; `null` when it was withdrawn, or while it is only proposed."""
    proposed: OverrideProposal | None = None
    changed_us: int
    """Rises with each change of the entry."""
    after_us: int = 0
    """`changed_us` of the entry that whoever made this change saw; 0 for none. One that saw an older entry than the
    last is refused."""
    changed_by: str
    """Who made this change: stated, proposed, confirmed, rejected or withdrew."""
    changed_why: str
