"""When a grid loop counts as silent and what follows: the rules of the watchdog, for one grid loop.

Pure: states in, states out, no clock. `now_s` is a monotonic clock at which the log was known to be read to its end:
while the broker is away nobody is called silent for what could not be heard.

- R17: silence is a condition first, then a revert, once; both are over when decisions come again.
- R13: before the first decision nobody is silent for a grace time.
- R8: somebody with a lower epoch who goes on writing is a second controller.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from streams.guard_messages import ConditionKind, ConditionPhase
from streams.messages import Epoch, LoopState, SetpointFrame

BREAK_S: Final = 3.0
"""Not having read the log for longer than this is a break, after which silence is counted anew."""

SECOND_CONTROLLER_S: Final = 30.0
"""A second controller is gone when it wrote nothing for this long."""

GRACE_S: Final = 60.0
"""R13. A worker that compiles its kernel for the first time decides after half a minute."""

LONGEST_WARNING_S: Final = 5.0
"""R17. Silence is said after this at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much silence is borne."""

    revert_s: float

    @property
    def warn_s(self) -> float:
        """From when on silence is a condition."""
        return min(LONGEST_WARNING_S, self.revert_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopWatch:
    """What is known of one grid loop."""

    watched_since_s: float
    """Since when the log is read without a break."""
    epoch: Epoch | None = None
    """Highest one that wrote setpoints."""
    sequence: int = -1
    frame_tick: int = -1
    state_epoch: Epoch | None = None
    state_tick: int = -1
    folded_until_us: int = 0
    frame_s: float | None = None
    """When setpoints last made progress: a newer frame, for a later tick."""
    state_s: float | None = None
    """When the loop's state last made progress."""
    folded_s: float | None = None
    """When a decision last knew of a newer reading."""
    lower_epoch_s: float | None = None
    """When somebody with a lower epoch last wrote."""
    said: Mapping[ConditionKind, ConditionPhase] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A condition that changed and has to be said; `REVERTED` seen asks for the revert too."""

    kind: ConditionKind
    phase: ConditionPhase
    text: str
    silence_s: float


def hear_setpoints(watch: LoopWatch, frame: SetpointFrame, now_s: float) -> LoopWatch:
    """Note a setpoint frame; only one that is newer than all before, for a later tick, shows that somebody decides."""
    if watch.epoch is not None and frame.epoch < watch.epoch:
        return replace(watch, lower_epoch_s=now_s)
    is_new_writer = frame.epoch != watch.epoch
    if not is_new_writer and (frame.sequence <= watch.sequence or frame.tick <= watch.frame_tick):
        return watch
    heard = replace(watch, epoch=frame.epoch, sequence=frame.sequence, frame_tick=frame.tick, frame_s=now_s)
    return _hear_folded(heard, frame.folded_until_us, now_s)


def hear_state(watch: LoopWatch, state: LoopState, now_s: float) -> LoopWatch:
    """Note a loop state; only a later tick of the newest writer shows that the tick turns."""
    if watch.state_epoch is not None and state.epoch < watch.state_epoch:
        return watch
    if state.epoch == watch.state_epoch and state.tick <= watch.state_tick:
        return watch
    heard = replace(watch, state_epoch=state.epoch, state_tick=state.tick, state_s=now_s)
    return _hear_folded(heard, state.folded_until_us, now_s)


def _hear_folded(watch: LoopWatch, folded_until_us: int, now_s: float) -> LoopWatch:
    if folded_until_us <= watch.folded_until_us:
        return watch
    return replace(watch, folded_until_us=folded_until_us, folded_s=now_s)


def resume(watch: LoopWatch, now_s: float) -> LoopWatch:
    """Count silence anew after a break in reading."""
    return replace(watch, watched_since_s=now_s)


def judge(watch: LoopWatch, now_s: float, patience: Patience) -> tuple[Finding, ...]:
    """What has to be said now: each condition once when it begins and once when it ends, and once after a start."""
    decisions_s = _silence_s(watch, watch.frame_s, watch.state_s, now_s=now_s)
    readings_s = _silence_s(watch, watch.folded_s, now_s=now_s)
    all_heard = None not in {watch.frame_s, watch.state_s, watch.folded_s}
    if not all_heard and max(decisions_s, readings_s) <= GRACE_S:
        return ()
    silent = decisions_s > patience.warn_s
    blind = not silent and readings_s > patience.warn_s
    longest_s = decisions_s if silent else readings_s
    # Once reverted, it stays so until neither is silent: hovering at the edge must not revert again and again.
    held = watch.said.get(ConditionKind.REVERTED) is ConditionPhase.SEEN
    reverted = longest_s > patience.revert_s or (held and (silent or blind))
    second = watch.lower_epoch_s is not None and now_s - watch.lower_epoch_s <= SECOND_CONTROLLER_S
    silence = f"for {longest_s:.1f} s no new {'decision' if silent else 'reading in its decisions'}"
    found = {
        ConditionKind.CONTROLLER_SILENT: (silent, silence, "it is decided on again"),
        ConditionKind.TELEMETRY_SILENT: (blind, silence, "its decisions know of new readings"),
        ConditionKind.REVERTED: (reverted, silence, "decisions came again; assets return by R12"),
        ConditionKind.SECOND_CONTROLLER: (second, "somebody of a lower epoch writes setpoints too", "one writer"),
    }
    return tuple(
        Finding(kind=kind, phase=phase, text=seen_text if is_so else gone_text, silence_s=longest_s)
        for kind, (is_so, seen_text, gone_text) in found.items()
        if (phase := ConditionPhase.SEEN if is_so else ConditionPhase.GONE) is not watch.said.get(kind)
    )


def said(watch: LoopWatch, finding: Finding) -> LoopWatch:
    """Note that a finding reached the log; until then it is found again."""
    return replace(watch, said={**watch.said, finding.kind: finding.phase})


def _silence_s(watch: LoopWatch, *last_s: float | None, now_s: float) -> float:
    """How long the stalest of these has stood still; never heard counts from when watching began."""
    stalest_s = min(-math.inf if each is None else each for each in last_s)
    return now_s - max(stalest_s, watch.watched_since_s)
