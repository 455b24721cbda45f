"""Entries of one park for those who obey them, told anew when a message or the clock changes what they come to.

One that is not signed as it should be counts as never sent. Pure but for its own state; the caller brings messages and time.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from streams.codec import Rejected
from streams.signature import Headers, Keyring
from streams.topics import Topic


class Known(Protocol):
    """What is known of a park's entries, as their topic tells them."""

    @property
    def entries(self) -> Mapping[bytes, Any]:
        """By message key."""

    def fold(self, key: bytes, payload: bytes | None) -> Rejected | None:
        """Take one message, None as a tombstone; tells why it was refused, which changes nothing."""


_K = TypeVar("_K", bound=Known)
_T = TypeVar("_T")


class ToldEntries(ABC, Generic[_K, _T]):
    """What is known of one topic's entries, and between which instants what was last told of them holds."""

    def __init__(self, topic: Topic, known: _K, keyring: Keyring) -> None:
        self.known = known
        self._topic = topic
        self._keyring = keyring
        self._told_us = 0
        self._until_us: float = 0

    def fold(self, key: bytes, payload: bytes, headers: Headers) -> Rejected | None:
        """Take one message, an empty one as a tombstone; one that is refused changes nothing."""
        refused = self._keyring.refuse(headers, topic=self._topic.name, key=key, payload=payload)
        refused = refused or self.known.fold(key, payload or None)
        if refused is None:
            self.renew()
        return refused

    def renew(self) -> None:
        """Tell all of it anew, for somebody has not heard it yet."""
        self._until_us = 0

    def due(self, now_us: int) -> _T | None:
        """Return what the entries come to, where that may have changed since it was last told, else None.

        A clock that was put back makes those hold again that it had ended.
        """
        if self._told_us <= now_us < self._until_us:
            return None
        told, self._until_us = self._at(now_us)
        self._told_us = now_us
        return told

    @abstractmethod
    def _at(self, now_us: int) -> tuple[_T, float]:
        """What the entries come to, and until when if no message comes."""
