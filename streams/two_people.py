"""Entries that people change: what one person may do at once, and what waits for a second one (R18). Pure.

The same for limits and for overrides. An entry holds what is in force (`terms`) and, beside it, what somebody proposed
and a second person has not yet confirmed; one that was withdrawn stays, without terms, and says who did it and why.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec


class Entry(Protocol):
    """What all entries have; each is a frozen `msgspec.Struct`."""

    @property
    def terms(self) -> object:
        """In force; None when withdrawn, or while only proposed."""

    @property
    def proposed(self) -> object:
        """What waits for a second person, or None."""

    @property
    def changed_us(self) -> int:
        """Rises with each change of the entry."""

    @property
    def after_us(self) -> int:
        """`changed_us` of the entry that whoever made this change saw."""


_E = TypeVar("_E")
_S = TypeVar("_S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts; `authenticated` only where a login proved it."""

    name: str
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Done(Generic[_E]):
    """The change holds once the entry is written."""

    entry: _E


@dataclass(frozen=True, slots=True)
class Pending(Generic[_E]):
    """The change waits for a second person; what was in force stays. The entry, which says so, is to be written."""

    entry: _E
    loosens: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """The change means nothing; nothing is written."""

    why: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """There is nothing of that name, or nothing that waits."""

    why: str


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The rule of two people forbids it."""

    why: str


Change: TypeAlias = Done[_E] | Pending[_E]
Refusal: TypeAlias = Unusable | NotThere | NotAllowed


def is_gone(entry: Entry) -> bool:
    """Whether it was withdrawn and nothing waits."""
    return entry.terms is None and entry.proposed is None


def problem_of_change(held: Entry | None, entry: Entry) -> str:
    """Why a change that came over the log does not count; empty where it does.

    It counts only where whoever made it saw what is known: nothing may be loosened by what is sent again or was
    written at once with something else.
    """
    if held is not None and held != entry and entry.after_us < held.changed_us:
        return "a change of an older state than the last"
    return ""


def problem_of_tombstone(held: Entry | None) -> str:
    """Likewise why a tombstone does not: it only clears away what was withdrawn before."""
    return "" if held is None or is_gone(held) else "a tombstone for what was not withdrawn"


def as_change_of(held: Entry | None, entry: _S, *, changed_us: int) -> _S:
    """Return the entry as a change of the one that is known, later also where the other's clock was ahead."""
    if held is None:
        return entry
    later_us = max(changed_us, held.changed_us + 1)
    return msgspec.structs.replace(entry, changed_us=later_us, after_us=held.changed_us)
