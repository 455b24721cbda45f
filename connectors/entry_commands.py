"""What all commands on a topic of entries have in common: read it whole, write one entry, make sure that it counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from connectors.entry_log import EntryLog
from hub.model import Hub
from infra.clock import now_us
from streams.codec import encode
from streams.signature import Keyring
from streams.told_entries import Known
from streams.topics import Topic, key_of
from streams.two_people import Change, Done, Pending, Person, Refusal


class OvertakenError(Exception):
    """Somebody else changed the same entry at the same moment; theirs counts."""


_K = TypeVar("_K", bound=Known)
_Outcome = TypeVar("_Outcome", bound=Change[Any] | Refusal)


@dataclass
class EntryCommands(ABC, Generic[_K]):
    """What one person may do to one park. Use as a context; every method raises EntriesUnavailableError."""

    bootstrap: str
    hub: Hub
    person: Person
    keyring: Keyring = field(default_factory=Keyring)
    clock_us: Callable[[], int] = now_us
    _log: EntryLog = field(init=False, repr=False)
    _known: _K = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._log = EntryLog(self.bootstrap, self._topic(), self.keyring)
        self._known = self._nothing_known()

    def __enter__(self) -> Self:
        self._log.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._log.__exit__(*exception)

    @abstractmethod
    def _topic(self) -> Topic: ...

    @abstractmethod
    def _nothing_known(self) -> _K: ...

    @abstractmethod
    def _key(self, entry: Any) -> bytes: ...  # noqa: ANN401 (an entry of the topic)

    def known(self) -> _K:
        """What is known at this moment."""
        for key, payload in self._log.read_on():
            if key.startswith(key_of(self.hub.id, "")):
                self._known.fold(key, payload or None)  # what cannot be used changes nothing, as for the worker
        return self._known

    def _write(self, outcome: _Outcome) -> _Outcome:
        """Write what an outcome says. Raises also OvertakenError."""
        if isinstance(outcome, Done | Pending):
            key = self._key(outcome.entry)
            self._log.write(key, encode(outcome.entry))
            if (held := self.known().entries.get(key)) != outcome.entry:
                who = "somebody" if held is None else held.changed_by
                raise OvertakenError(f"{who} changed this at the same moment and theirs counts: look, then try again")
        return outcome
