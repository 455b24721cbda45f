"""The limits of one park as its controllers are to obey them, brought up to date when a message or the clock says so.

Pure but for its own state; the caller brings messages and time.
"""

from dataclasses import dataclass, field

from hub.limits import limits_at
from hub.model import Hub, NodeLimit
from streams.codec import Rejected
from streams.limit_entries import KnownLimits
from streams.signature import Headers, Keyring
from streams.topics import LIMIT


@dataclass(slots=True)
class ParkLimits:
    """What is known of the park's limits, and until when what was last told of them holds."""

    hub: Hub
    keyring: Keyring = field(default_factory=Keyring)
    known: KnownLimits = field(init=False)
    _told_us: int = 0
    _until_us: int = 0

    def __post_init__(self) -> None:
        self.known = KnownLimits(self.hub)

    def fold(self, key: bytes, payload: bytes, headers: Headers) -> Rejected | None:
        """Take one message, an empty one as a tombstone; one that is refused changes nothing."""
        refused = self.keyring.refuse(headers, topic=LIMIT.name, key=key, payload=payload)
        refused = refused or self.known.fold(key, payload or None)
        if refused is None:
            self.renew()
        return refused

    def place(self, hub: Hub) -> None:
        """Tell the limits of the same park, its rings open elsewhere."""
        self.hub = self.known.hub = hub
        self.renew()

    def renew(self) -> None:
        """Tell the limits anew, for somebody has not heard them yet."""
        self._until_us = 0

    def due(self, now_us: int) -> tuple[NodeLimit, ...] | None:
        """Return all limits of the park where they may have changed since they were last told, else None.

        A clock that was put back makes those hold again that it had ended.
        """
        if self._told_us <= now_us < self._until_us:
            return None
        self._told_us = now_us
        now = limits_at(self.known.book(), now_us)
        self._until_us = now.until_us
        return now.limits
