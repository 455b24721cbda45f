"""What those who guard the balancing say on Kafka: conditions that come and go, and reverts.

Same rules as `streams.messages`: frozen structs, instants in microseconds UTC, fields only ever added.
"""

from enum import StrEnum

import msgspec


class ConditionKind(StrEnum):
    """What is the case; which of them asks for an operator's action is for alarms to say, not for whoever saw it."""

    CONTROLLER_SILENT = "controller_silent"
    """A grid loop gets no new decisions."""
    TELEMETRY_SILENT = "telemetry_silent"
    """A grid loop's decisions go on, but know of no newer reading."""
    REVERTED = "reverted"
    """A grid loop was told to go to its reversion values (R17)."""
    SECOND_CONTROLLER = "second_controller"
    """Somebody with an older epoch still writes setpoints for a grid loop (R8)."""
    LIMIT_BREACHED = "limit_breached"
    """A node's power is over a limit (R19)."""
    LIMIT_NEAR = "limit_near"
    """A node's power is about to go over a limit."""
    DEVICE_SILENT = "device_silent"
    NOT_FOLLOWING = "not_following"
    """A device does not do what it was told (R16)."""
    RANGE_DIFFERS = "range_differs"
    """A device's own limits are not those of the hub folder (R15)."""
    OPEN_POINT_UNKNOWN = "open_point_unknown"
    """Feeder meters contradict where a ring should be open, or somebody doubts it."""
    OTHER = "other"


class ConditionPhase(StrEnum):
    """Whether a condition began or ended."""

    SEEN = "seen"
    GONE = "gone"
    OTHER = "other"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something began to be the case, or ended; said by any role, once per change and again after its restart.

    Saying the same twice is harmless: readers go by `id` and take the newest `at_us`.
    """

    id: str
    """`<kind>/<subject>`, and more where one subject can have several at once; the same when seen and when gone."""
    hub: str
    subject: str
    """The node, grid loop, asset or role that it is about."""
    kind: str
    phase: str
    at_us: int
    """When it began, or ended."""
    role: str
    """Who says so."""
    text: str = ""
    """One sentence for people."""
    figures: dict[str, float] = {}
    """What was measured; each name ends in its unit (`over_kw`, `silence_s`)."""


class RevertBy(StrEnum):
    """What kind of author a revert has."""

    WATCHDOG = "watchdog"
    OPERATOR = "operator"
    OTHER = "other"


class Revert(msgspec.Struct, frozen=True, kw_only=True):
    """All assets of a grid loop go to their reversion values, whoever writes setpoints, until R12 lets them return.

    It has no epoch and never ages: stopping is safe, so it is obeyed at any epoch and however late (R17).
    """

    grid_loop: str
    at_us: int
    by: str
    who: str
    """The process or person."""
    why: str
    """One sentence; dispatch's answer repeats it."""
