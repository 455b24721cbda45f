"""What is to be simulated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from connectors.simulation.faults import Faults
from connectors.simulation.powers import Powers
from connectors.simulation.sessions_file import PlannedSession
from hub.model import Hub

SECONDS: Final = 1
QUARTERS: Final = 900
"""Steps, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A hub, what it lives through, and what goes wrong."""

    hub: Hub
    powers: Powers
    sessions: tuple[PlannedSession, ...]
    """Sorted by charger and arrival."""
    from_us: int
    until_us: int
    faults: Faults
    fault_texts: tuple[str, ...] = ()
    """The faults as they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who looks on: both are called often and must be quick."""

    is_stopped: Callable[[], bool]
    """Whether to end here and sum up what was done."""
    on_progress: Callable[[int], None]
    """Takes the instant that was reached."""
