"""What operators do to a running park, for the command line and the control room alike: one module, one set of rules.

Each command on limits, overrides or open points reads their topic whole, decides by `streams.limit_changes`,
`override_changes` or `topology_changes`, writes one entry and makes sure that it counts. Nothing here knows terminals or
pages.
"""

from connectors.entry_commands import EntryCommands
from connectors.watchdog.speaker import Speaker
from infra.clock import now_us
from streams.codec import encode
from streams.guard_messages import Revert, RevertBy
from streams.limit_changes import confirm_limit, reject_proposal, state_limit, withdraw_limit
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitEntry, LimitTerms
from streams.override_changes import confirm_override, reject_override, set_override, withdraw_override
from streams.override_entries import KnownOverrides, override_key
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.topics import LIMIT, OVERRIDE, REVERT, TOPOLOGY, Topic, key_of
from streams.topology_changes import confirm_open_point, doubt_open_point, move_open_point
from streams.topology_entries import KnownTopology
from streams.topology_messages import TopologyEntry
from streams.two_people import Change, Done, NotThere, Pending, Person, Refusal, Unusable


class OperatorCommands(EntryCommands[KnownLimits]):
    """What one person may do to the limits of one park."""

    def _topic(self) -> Topic:
        return LIMIT

    def _nothing_known(self) -> KnownLimits:
        return KnownLimits(self.hub)

    def _key(self, entry: LimitEntry) -> bytes:
        return limit_key(self.hub.id, entry.node, entry.id)

    def set_limit(self, node: str, limit_id: str, terms: LimitTerms) -> Change[LimitEntry] | Unusable:
        """Set a limit or replace it; what loosens waits for a second person (R18). Raises also OvertakenError."""
        return self._write(state_limit(self.known(), node, limit_id, terms, now_us=self.clock_us()))

    def withdraw_limit(self, node: str, limit_id: str, *, why: str) -> Change[LimitEntry] | Refusal:
        """Take a limit away; likewise."""
        known = self.known()
        return self._write(
            withdraw_limit(known, node, limit_id, person=self.person, why=why, now_us=self.clock_us())
        )  # fmt: skip

    def confirm_limit(self, node: str, limit_id: str) -> Done[LimitEntry] | Refusal:
        """Let a proposal hold, as the second person; likewise."""
        return self._write(confirm_limit(self.known(), node, limit_id, person=self.person, now_us=self.clock_us()))

    def reject_proposal(self, node: str, limit_id: str, *, why: str) -> Done[LimitEntry] | NotThere:
        """Drop a proposal; likewise."""
        known = self.known()
        return self._write(
            reject_proposal(known, node, limit_id, person=self.person, why=why, now_us=self.clock_us())
        )  # fmt: skip


class OverrideCommands(EntryCommands[KnownOverrides]):
    """What one person may do to single assets of one park."""

    def _topic(self) -> Topic:
        return OVERRIDE

    def _nothing_known(self) -> KnownOverrides:
        return KnownOverrides(self.hub)

    def _key(self, entry: OverrideEntry) -> bytes:
        return override_key(self.hub.id, entry.asset)

    def set_override(self, asset_id: str, terms: OverrideTerms) -> Change[OverrideEntry] | Unusable:
        """Stop an asset, hold it or keep it low; what loosens waits for a second person (R18). Raises OvertakenError."""
        return self._write(set_override(self.known(), asset_id, terms, now_us=self.clock_us()))

    def withdraw_override(self, asset_id: str, *, why: str) -> Change[OverrideEntry] | Refusal:
        """End an override; likewise."""
        known = self.known()
        return self._write(
            withdraw_override(known, asset_id, person=self.person, why=why, now_us=self.clock_us())
        )  # fmt: skip

    def confirm_override(self, asset_id: str) -> Done[OverrideEntry] | Refusal:
        """Let a proposal hold, as the second person; likewise."""
        return self._write(confirm_override(self.known(), asset_id, person=self.person, now_us=self.clock_us()))

    def reject_override(self, asset_id: str, *, why: str) -> Done[OverrideEntry] | NotThere:
        """Drop a proposal; likewise."""
        known = self.known()
        return self._write(reject_override(known, asset_id, person=self.person, why=why, now_us=self.clock_us()))


class TopologyCommands(EntryCommands[KnownTopology]):
    """What one person may do to the open points of one park."""

    def _topic(self) -> Topic:
        return TOPOLOGY

    def _nothing_known(self) -> KnownTopology:
        return KnownTopology(self.hub)

    def _key(self, entry: TopologyEntry) -> bytes:
        return key_of(self.hub.id, entry.grid_loop)

    def move(self, grid_loop: str, open_after: int, *, why: str) -> Pending[TopologyEntry] | Refusal:
        """Say where an open point goes; limits of both places hold until a second person confirms. Raises OvertakenError."""
        known = self.known()
        return self._write(
            move_open_point(known, grid_loop, open_after, person=self.person, why=why, now_us=self.clock_us())
        )

    def confirm(self, grid_loop: str) -> Done[TopologyEntry] | Refusal:
        """Say, as the second person, that it lies there; likewise."""
        return self._write(confirm_open_point(self.known(), grid_loop, person=self.person, now_us=self.clock_us()))

    def doubt(self, grid_loop: str, *, why: str) -> Done[TopologyEntry] | Refusal:
        """Say that it may lie anywhere; one person may, at once. Likewise."""
        known = self.known()
        return self._write(doubt_open_point(known, grid_loop, by=self.person.name, why=why, now_us=self.clock_us()))


def revert_grid_loop(speaker: Speaker, hub_id: str, grid_loop: str, *, person: Person, why: str) -> None:
    """Send a grid loop to its reversion values (R17): one person may, at once (R18). Raises NotSaidError.

    It lasts until R12: where a worker decides on, devices return after the hold. Dispatch answers on the log.
    """
    revert = Revert(grid_loop=grid_loop, at_us=now_us(), by=RevertBy.OPERATOR, who=person.name, why=why)
    speaker.say(REVERT, key_of(hub_id, grid_loop), encode(revert))
