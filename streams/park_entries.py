"""All that people said of one park: limits, overrides of single assets, open points; told to controllers when it changes.

Pure but for its own state; the caller brings messages and time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hub.model import Hub, NodeLimit
from hub.overrides import Kept
from streams.codec import Rejected
from streams.grid_loop import GridLoop
from streams.override_entries import ParkOverrides
from streams.park_limits import ParkLimits
from streams.signature import Headers, Keyring
from streams.station import Station
from streams.topics import LIMIT, OVERRIDE, TOPOLOGY, Topic
from streams.topology_entries import ParkTopology

ENTRY_TOPICS: Final = (LIMIT, OVERRIDE, TOPOLOGY)


@dataclass(frozen=True, slots=True)
class Changes:
    """What controllers have not been told yet; None where that is nothing."""

    kept: Mapping[str, Kept] | None
    """How overrides keep their assets, by id."""
    hub: Hub | None
    """The park with its rings open where they are."""
    limits: tuple[NodeLimit, ...] | None

    def tell(self, controllers: Iterable[GridLoop | Station]) -> None:
        """Have these obey from their next offer on."""
        for controller in controllers:
            if isinstance(controller, GridLoop) and self.kept is not None:
                controller.take_overrides(self.kept)
            if self.limits is None:
                continue
            if isinstance(controller, GridLoop) and self.hub is not None:
                controller.move_open_point(self.hub, self.limits)
            else:
                controller.take_limits(self.limits)


class ParkEntries:
    """What is known of one park's entries, and what was told of them."""

    def __init__(self, hub: Hub, keyring: Keyring) -> None:
        self.limits = ParkLimits(hub, keyring)
        self.overrides = ParkOverrides(hub, keyring)
        self.topology = ParkTopology(hub, keyring)
        self._by_topic: dict[str, ParkLimits | ParkOverrides | ParkTopology] = {
            LIMIT.name: self.limits,
            OVERRIDE.name: self.overrides,
            TOPOLOGY.name: self.topology,
        }

    def fold(self, topic: Topic, *, key: bytes, payload: bytes, headers: Headers) -> Rejected | None:
        """Take one message, an empty one as a tombstone; one that is refused changes nothing."""
        return self._by_topic[topic.name].fold(key, payload, headers)

    def renew(self) -> None:
        """Tell all of it anew, for somebody has heard none of it yet."""
        for entries in self._by_topic.values():
            entries.renew()

    def due(self, now_us: int) -> Changes:
        """Return what may have changed since it was last told; where a ring moved, all limits are told with it."""
        kept, hub = self.overrides.due(now_us), self.topology.due(now_us)
        if hub is not None:
            self.limits.place(hub)
        return Changes(kept, hub, self.limits.due(now_us))
