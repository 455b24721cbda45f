"""What operators do to a running park, for the command line and the control room alike: one module, one set of rules.

Each command on limits reads their topic whole, decides by `streams.limit_changes`, writes one entry and makes sure that
it counts. Nothing here knows terminals or pages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

from connectors.entry_log import EntryLog
from connectors.watchdog.speaker import Speaker
from hub.model import Hub
from infra.clock import now_us
from streams.codec import encode
from streams.guard_messages import Revert, RevertBy
from streams.limit_changes import confirm_limit, reject_proposal, state_limit, withdraw_limit
from streams.limit_entries import KnownLimits, limit_key
from streams.limit_messages import LimitEntry, LimitTerms
from streams.signature import Keyring
from streams.topics import LIMIT, REVERT, key_of
from streams.two_people import Change, Done, NotThere, Pending, Person, Refusal, Unusable

_Outcome = TypeVar("_Outcome", bound=Change[LimitEntry] | Refusal)


class OvertakenError(Exception):
    """Somebody else changed the same limit at the same moment; theirs counts."""


@dataclass
class OperatorCommands:
    """What one person may do to one park. Use as a context; every method raises EntriesUnavailableError."""

    bootstrap: str
    hub: Hub
    person: Person
    keyring: Keyring = field(default_factory=Keyring)
    clock_us: Callable[[], int] = now_us
    _log: EntryLog = field(init=False, repr=False)
    _known: KnownLimits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._log = EntryLog(self.bootstrap, LIMIT, self.keyring)
        self._known = KnownLimits(self.hub)

    def __enter__(self) -> Self:
        self._log.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._log.__exit__(*exception)

    def limits(self) -> KnownLimits:
        """What is known of the park's limits at this moment."""
        for key, payload in self._log.read_on():
            if key.startswith(key_of(self.hub.id, "")):
                self._known.fold(key, payload or None)  # what cannot be used changes nothing, as for the worker
        return self._known

    def set_limit(self, node: str, limit_id: str, terms: LimitTerms) -> Change[LimitEntry] | Unusable:
        """Set a limit or replace it; what loosens waits for a second person (R18). Raises also OvertakenError."""
        return self._write(state_limit(self.limits(), node, limit_id, terms, now_us=self.clock_us()))

    def withdraw_limit(self, node: str, limit_id: str, *, why: str) -> Change[LimitEntry] | Refusal:
        """Take a limit away; likewise."""
        known = self.limits()
        return self._write(
            withdraw_limit(known, node, limit_id, person=self.person, why=why, now_us=self.clock_us())
        )  # fmt: skip

    def confirm_limit(self, node: str, limit_id: str) -> Done[LimitEntry] | Refusal:
        """Let a proposal hold, as the second person; likewise."""
        return self._write(confirm_limit(self.limits(), node, limit_id, person=self.person, now_us=self.clock_us()))

    def reject_proposal(self, node: str, limit_id: str, *, why: str) -> Done[LimitEntry] | NotThere:
        """Drop a proposal; likewise."""
        known = self.limits()
        return self._write(
            reject_proposal(known, node, limit_id, person=self.person, why=why, now_us=self.clock_us())
        )  # fmt: skip

    def _write(self, outcome: _Outcome) -> _Outcome:
        if isinstance(outcome, Done | Pending):
            key = limit_key(self.hub.id, outcome.entry.node, outcome.entry.id)
            self._log.write(key, encode(outcome.entry))
            if (held := self.limits().entries.get(key)) != outcome.entry:
                raise OvertakenError(_overtaken(held))
        return outcome


def revert_grid_loop(speaker: Speaker, hub_id: str, grid_loop: str, *, person: Person, why: str) -> None:
    """Send a grid loop to its reversion values (R17): one person may, at once (R18). Raises NotSaidError.

    It lasts until R12: where a worker decides on, devices return after the hold. Dispatch answers on the log.
    """
    revert = Revert(grid_loop=grid_loop, at_us=now_us(), by=RevertBy.OPERATOR, who=person.name, why=why)
    speaker.say(REVERT, key_of(hub_id, grid_loop), encode(revert))


def _overtaken(entry: LimitEntry | None) -> str:
    who = "somebody" if entry is None else entry.changed_by
    return f"{who} changed this limit at the same moment and theirs counts: look at it, then try again"
