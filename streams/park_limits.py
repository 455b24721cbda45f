"""The limits of one park as its controllers are to obey them, brought up to date when a message or the clock says so.

Pure but for its own state; the caller brings messages and time.
"""

from hub.limits import limits_at
from hub.model import Hub, NodeLimit
from streams.limit_entries import KnownLimits
from streams.signature import Keyring
from streams.told_entries import ToldEntries
from streams.topics import LIMIT


class ParkLimits(ToldEntries[KnownLimits, tuple[NodeLimit, ...]]):
    """A park's limits, told as all those that hold, the hub folder's included."""

    def __init__(self, hub: Hub, keyring: Keyring | None = None) -> None:
        super().__init__(LIMIT, KnownLimits(hub), keyring or Keyring())

    def place(self, hub: Hub) -> None:
        """Tell the limits of the same park, its rings open elsewhere."""
        self.known.hub = hub
        self.renew()

    def _at(self, now_us: int) -> tuple[tuple[NodeLimit, ...], float]:
        now = limits_at(self.known.book(), now_us)
        return now.limits, now.until_us
