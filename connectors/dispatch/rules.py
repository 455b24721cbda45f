"""Which setpoints are in force and until when: the lease rules of dispatch, for one grid loop.

Pure: states in, states out, no clock. Dispatch calls these with real clocks, the simulation with virtual ones.

- R1: a frame without duration is refused, never "forever"; one lease runs from worker to dispatch, one to the device.
- R2: validity counts on our own monotonic clock from receipt; older than 3 s or more than 2 s ahead is refused.
- R3: at the end of a lease every asset goes to its reversion value, in the order of `connectors.dispatch.reversion`.
- R8: (epoch, sequence) must be above the high-water mark. R9: after a restart only a full frame is accepted first.
- R10: nothing is told that is further from rest than an override allows (`connectors.dispatch.overridden`).
- R12: assets leave failsafe after a hold time, one by one; also those whose devices did not answer for long. R20: one write per asset, the newest value.
- R17: a revert ends everything in force at once, at any epoch; only a full frame that was issued later begins the return.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.dispatch import overridden
from connectors.dispatch.reversion import AssetRule
from hub.overrides import Kept
from streams.messages import Epoch, Refusal, SetpointFrame

MAX_AGE_US: Final = 3_000_000
"""R2. Longer, and a frame out of a queue could undo what the park did since."""

MAX_AHEAD_US: Final = 2_000_000
"""R2. Clocks within a park agree to milliseconds; further ahead means one of them cannot be trusted."""

LONGEST_VALID_S: Final = 60.0
"""A longer validity counts as this: R1 forbids "forever", and six missed full frames are enough to know."""

FRESH_US: Final = 5_000_000
"""R12. A decision that knew of no reading of the last 5 s brings no asset out of failsafe, valid as it may be."""

RENEWALS_PER_LEASE: Final = 3
"""A device lease is renewed this often before it would end, so that two renewals may get lost."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Place of a frame in the order of everything that was ever written to one grid loop."""

    epoch: Epoch
    sequence: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a device was told last, and when by the monotonic clock."""

    power_kw: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLease:
    """State of one grid loop; everything a decision needs, and nothing else."""

    rules: Mapping[str, AssetRule]
    high_water: Mark
    full: Mark | None = None
    """The full frame in force, which renewals name; None after a restart and after the end of a lease."""
    valid_until_s: float = -math.inf
    targets: Mapping[str, float] = field(default_factory=dict)
    """What the full frame asks, kW, cut to the asset's range (R15)."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """Assets that somebody stopped, holds or keeps low (R10)."""
    lagging: frozenset[str] = frozenset()
    """Assets that the full frame says do not follow (R16)."""
    failsafe: frozenset[str] = frozenset()
    """Assets at their reversion value."""
    returning_since_s: float | None = None
    """When the first valid frame on fresh telemetry after a failsafe came (R12)."""
    reverted_s: float = -math.inf
    """When the newest revert came, by the monotonic clock: frames issued earlier are refused (R17)."""
    falling_since_s: float = -math.inf
    """When a revert ended what was in force; each asset falls back its lag later (R3)."""
    told: Mapping[str, Told] = field(default_factory=dict)
    retry_at_s: Mapping[str, float] = field(default_factory=dict)
    """Devices that failed, and when they are asked again; this and the next three are of `connectors.dispatch.outages`."""
    silent_since_s: Mapping[str, float] = field(default_factory=dict)
    """Devices that failed, and when they began to."""
    leaving: frozenset[str] = frozenset()
    """Assets that left failsafe, but whose devices have not taken a setpoint since."""
    not_before_s: Mapping[str, float] = field(default_factory=dict)
    """Assets that stay in failsafe until then; infinity while their devices do not answer."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A full frame is in force; `unknown` are assets that are not this grid loop's, `dropped` those it left out.

    `overridden` are those that it asks to be further from rest than an override allows: they are told no more than that.
    """

    unknown: tuple[str, ...]
    dropped: tuple[str, ...]
    overridden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """The full frame in force was extended."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changed."""

    why: Refusal


@dataclass(frozen=True, slots=True)
class DeviceWrite:
    """One setpoint for one device; it goes to its reversion value by itself when `lease_s` is over."""

    asset_id: str
    power_kw: float
    lease_s: float


def start(
    rules: Mapping[str, AssetRule], high_water: Mark, *, in_failsafe: bool, reverted_s: float = -math.inf
) -> LoopLease:
    """State at the start of a process: nothing is reverted until told, nothing is in force (R9, R13).

    `in_failsafe`: the devices' own leases have certainly ended since anybody wrote, so that they come back by R12.
    `reverted_s`: now, where a revert held before the start (R17).
    """
    failsafe = frozenset(rules) if in_failsafe or math.isfinite(reverted_s) else frozenset()
    return LoopLease(rules=rules, high_water=high_water, failsafe=failsafe, reverted_s=reverted_s)


def receive(
    state: LoopLease, frame: SetpointFrame, *, now_s: float, now_us: int
) -> tuple[LoopLease, Accepted | Renewed | Refused]:
    """Take one frame: `now_s` is the monotonic clock at its receipt, `now_us` the wall clock."""
    mark = Mark(frame.epoch, frame.sequence)
    refusal = _refusal(state, frame, mark=mark, now_s=now_s, now_us=now_us)
    if refusal is not Refusal.NONE:
        return state, Refused(refusal)
    valid_until_s = now_s + min(frame.valid_for_ms / 1000, LONGEST_VALID_S)
    state = replace(state, high_water=mark, valid_until_s=valid_until_s)
    if not frame.full:
        return state, Renewed()
    return _take_full(state, frame, mark=mark, now_s=now_s)


def _refusal(state: LoopLease, frame: SetpointFrame, *, mark: Mark, now_s: float, now_us: int) -> Refusal:
    """Why a frame is not taken: the first rule of this table that it breaks."""
    age_us = now_us - frame.issued_at_us
    # On our own monotonic clock: a step of the wall clock must neither undo a revert nor make it last.
    issued_s = now_s - age_us / 1e6
    renewable = state.full == Mark(frame.epoch, frame.renews) and now_s < state.valid_until_s
    broken = {
        Refusal.UNEQUAL_COLUMNS: not _columns_equal(frame),
        Refusal.NOT_A_NUMBER: not all(map(math.isfinite, frame.power_kw)),
        Refusal.NO_DURATION: frame.valid_for_ms <= 0,
        Refusal.TOO_OLD: age_us > min(MAX_AGE_US, frame.valid_for_ms * 1000),
        Refusal.IN_THE_FUTURE: age_us < -MAX_AHEAD_US,
        Refusal.LOWER_EPOCH: mark.epoch < state.high_water.epoch,
        Refusal.NOT_NEWER: mark <= state.high_water,
        Refusal.BEFORE_REVERT: issued_s <= state.reverted_s,
        Refusal.UNKNOWN_RENEWAL: not frame.full and not renewable,
    }
    return next((refusal for refusal, is_broken in broken.items() if is_broken), Refusal.NONE)


def _columns_equal(frame: SetpointFrame) -> bool:
    """A full frame has one value of each kind per asset, each asset once; a renewal has none."""
    rows = len(frame.ids)
    columns = (frame.power_kw, frame.bound, frame.reason, frame.binding)
    if any(len(column) != rows for column in columns):
        return False
    return len(set(frame.ids)) == rows if frame.full else rows == 0


def _take_full(state: LoopLease, frame: SetpointFrame, *, mark: Mark, now_s: float) -> tuple[LoopLease, Accepted]:
    targets = {
        asset_id: min(max(power_kw, state.rules[asset_id].min_kw), state.rules[asset_id].max_kw)
        for asset_id, power_kw in zip(frame.ids, frame.power_kw, strict=True)
        if asset_id in state.rules
    }
    # An asset that the newest full frame leaves out has no lease any more, so it reverts like any other.
    dropped = tuple(sorted(state.targets.keys() - targets.keys()))
    failsafe = state.failsafe.union(dropped)
    returning_since_s = state.returning_since_s if state.returning_since_s is not None else now_s
    knows_the_park = frame.issued_at_us - frame.folded_until_us <= FRESH_US
    taken = replace(
        state,
        full=mark,
        targets=targets,
        lagging=frozenset(targets).intersection(frame.not_following or ()),
        failsafe=failsafe,
        returning_since_s=returning_since_s if failsafe and knows_the_park else None,
    )
    unknown = tuple(asset_id for asset_id in frame.ids if asset_id not in state.rules)
    return taken, Accepted(unknown=unknown, dropped=dropped, overridden=overridden.overreached(state.kept, frame))


def expire(state: LoopLease, now_s: float) -> tuple[LoopLease, tuple[str, ...]]:
    """End what has run out; answer which assets go to their reversion values now (R3), in order of id."""
    if now_s < state.valid_until_s or not state.targets:
        return state, ()
    over = tuple(
        sorted(asset_id for asset_id in state.targets if now_s >= state.valid_until_s + state.rules[asset_id].lag_s)
    )
    left = {asset_id: power_kw for asset_id, power_kw in state.targets.items() if asset_id not in over}
    # An asset already waiting to leave failsafe never left it: it goes back to waiting without being named again.
    reverted = tuple(asset_id for asset_id in over if asset_id not in state.failsafe)
    ended = replace(state, full=None, targets=left, failsafe=state.failsafe.union(over), returning_since_s=None)
    return ended, reverted


def revert(state: LoopLease, now_s: float) -> tuple[LoopLease, tuple[str, ...]]:
    """Send all assets to their reversion values, in the order of R3; answer those that were not there yet (R17).

    A device that nobody spoke of since the start is told nothing: its own lease ends in the same order.
    """
    obeying = tuple(sorted(state.rules.keys() - state.failsafe))
    reverted = replace(
        state,
        full=None,
        valid_until_s=min(state.valid_until_s, now_s),
        targets={},
        failsafe=frozenset(state.rules),
        returning_since_s=None,
        reverted_s=now_s,
        # A repeated revert must not put off what is falling back already.
        falling_since_s=now_s if obeying else state.falling_since_s,
    )
    return reverted, obeying


def keep(state: LoopLease, kept: Mapping[str, Kept]) -> LoopLease:
    """Keep these assets so from now on, and all others no longer (R10); those of other grid loops are left out."""
    return replace(state, kept={asset_id: each for asset_id, each in kept.items() if asset_id in state.rules})


def is_latched(state: LoopLease) -> bool:
    """Whether assets are still kept back by a revert: a restarted dispatch must go on keeping them (R12, R17)."""
    # A device that does not answer is kept back for a reason of its own, which must not revert all others at a restart.
    return math.isfinite(state.reverted_s) and bool(state.failsafe - state.not_before_s.keys())


def due(state: LoopLease, now_s: float) -> tuple[LoopLease, tuple[DeviceWrite, ...]]:
    """Return what devices must be told now: what changed, and leases to renew; counted as told at once (R1, R20).

    At most one write per asset. What could not be delivered comes back by `connectors.dispatch.outages.failed`.
    """
    state = _let_return(state, now_s)
    writes = tuple(
        DeviceWrite(asset_id, power_kw, state.rules[asset_id].lease_s)
        for asset_id, power_kw in _wanted_kw(state, now_s).items()
        if _must_tell(state, asset_id, power_kw=power_kw, now_s=now_s)
    )
    if not writes:
        return state, ()
    told = {**state.told, **{write.asset_id: Told(write.power_kw, now_s) for write in writes}}
    return replace(state, told=told), writes


def _let_return(state: LoopLease, now_s: float) -> LoopLease:
    """Let those leave failsafe whose turn has come."""
    failsafe = _still_in_failsafe(state, now_s)
    left = state.failsafe - failsafe
    not_before_s = {asset_id: at_s for asset_id, at_s in state.not_before_s.items() if asset_id not in left}
    return replace(state, failsafe=failsafe, leaving=state.leaving | left, not_before_s=not_before_s)


def _still_in_failsafe(state: LoopLease, now_s: float) -> frozenset[str]:
    """Assets that stay at their reversion value: without a target, or not yet their turn (R12)."""
    if state.returning_since_s is None:
        return state.failsafe
    back_s = now_s - state.returning_since_s
    return frozenset(
        asset_id
        for asset_id in state.failsafe
        if asset_id not in state.targets
        or back_s < state.rules[asset_id].return_s
        or now_s < state.not_before_s.get(asset_id, -math.inf)
    )


def _wanted_kw(state: LoopLease, now_s: float) -> dict[str, float]:
    """What each asset should have been told, kW; an asset nobody spoke of since the start is absent."""
    wanted = {asset_id: power_kw for asset_id, power_kw in state.targets.items() if asset_id not in state.failsafe}
    # Those at their reversion value are told so once, if they were ever told something else.
    fallen = (
        asset_id
        for asset_id in sorted(state.failsafe & state.told.keys())
        if now_s >= state.falling_since_s + state.rules[asset_id].lag_s
    )
    wanted.update({asset_id: state.rules[asset_id].reversion_kw for asset_id in fallen})
    told_kw = {asset_id: told.power_kw for asset_id, told in state.told.items() if asset_id in state.kept}
    return wanted | overridden.cut(wanted, state.kept, told_kw=told_kw, rules=state.rules)


def _must_tell(state: LoopLease, asset_id: str, *, power_kw: float, now_s: float) -> bool:
    told = state.told.get(asset_id)
    if now_s < state.retry_at_s.get(asset_id, -math.inf):
        return False
    if told is None or told.power_kw != power_kw:
        return True
    # In failsafe, and once the worker's lease has ended, the device's own lease is left to run out; but a stopped device
    # would start again at its reversion value.
    if asset_id not in state.kept and (asset_id in state.failsafe or now_s >= state.valid_until_s):
        return False
    return now_s - told.at_s >= state.rules[asset_id].lease_s / RENEWALS_PER_LEASE
