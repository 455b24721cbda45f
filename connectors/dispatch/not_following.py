"""Which devices of a grid loop do not do what they are told, for people (R16).

Pure but for its own memory. The worker alone decides who follows, from telemetry (`streams.following`), and its frames
say so; here the device is read back, so that what is said tells where to look. A device that dispatch itself keeps at its
reversion value is not one of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.dispatch.driver import Shown
from connectors.dispatch.findings import Finding
from connectors.dispatch.rules import LoopLease
from streams.guard_messages import ConditionKind, ConditionPhase

PATIENCE_S: Final = 10.0
"""Before anybody is told: a device that was let out of failsafe needs some seconds until the worker counts on it."""

READ_AGAIN_S: Final = 30.0
"""A device whose reading did not come is asked for again after this."""

MOST_AT_ONCE: Final = 50
"""Devices read in one turn; of a whole grid loop that lags the others follow in the next turns (R20)."""

SAME_KW: Final = 0.05
"""A setpoint that is read back within this is the one that was told: devices round."""


@dataclass(slots=True)
class NotFollowing:
    """Memory of one grid loop."""

    said: set[str] = field(default_factory=set)
    """Assets of which it was said and still holds."""
    before: set[str] = field(default_factory=set)
    """Assets of which it was said before the process started; said again where it still holds."""
    _since_s: dict[str, float] = field(default_factory=dict)
    _asked_s: dict[str, float] = field(default_factory=dict)

    def ripe(self, state: LoopLease, now_s: float) -> tuple[str, ...]:
        """Assets to be read back now, in order of id."""
        lagging = state.lagging - state.failsafe
        if not lagging and not self._since_s:
            return ()
        self._since_s = {asset_id: self._since_s.get(asset_id, now_s) for asset_id in lagging}
        self._asked_s = {asset_id: at_s for asset_id, at_s in self._asked_s.items() if asset_id in lagging}
        ripe = sorted(
            asset_id
            for asset_id, since_s in self._since_s.items()
            if asset_id not in self.said
            and now_s - since_s >= PATIENCE_S
            and now_s - self._asked_s.get(asset_id, -math.inf) >= READ_AGAIN_S
        )[:MOST_AT_ONCE]
        self._asked_s.update(dict.fromkeys(ripe, now_s))
        return tuple(ripe)

    def seen(self, state: LoopLease, asked: Sequence[str], shown: Mapping[str, Shown]) -> tuple[Finding, ...]:
        """What to say of the assets that were read back."""
        lagging = [asset_id for asset_id in asked if asset_id in self._asked_s and asset_id not in self.said]
        for asset_id in lagging:
            del self._asked_s[asset_id]
        self.said.update(lagging)
        self.before.difference_update(lagging)
        return tuple(_seen(asset_id, state.targets.get(asset_id), shown.get(asset_id)) for asset_id in lagging)

    def gone(self, state: LoopLease) -> tuple[Finding, ...]:
        """What to say of assets that follow again by the full frame in force; without one nobody knows."""
        if state.full is None or not (self.said or self.before):
            return ()
        follows = sorted((self.said | self.before) - state.lagging)
        self.said.difference_update(follows)
        self.before.difference_update(follows)
        return tuple(
            Finding(kind=ConditionKind.NOT_FOLLOWING, asset_id=asset_id, phase=ConditionPhase.GONE)
            for asset_id in follows
        )


def _seen(asset_id: str, told_kw: float | None, shown: Shown | None) -> Finding:
    setpoint_kw, power_kw = (None, None) if shown is None else (shown.setpoint_kw, shown.power_kw)
    figures = {"told_kw": told_kw, "shown_kw": power_kw, "shown_setpoint_kw": setpoint_kw}
    told = "no setpoint" if told_kw is None else f"{told_kw:g} kW"
    return Finding(
        kind=ConditionKind.NOT_FOLLOWING,
        asset_id=asset_id,
        phase=ConditionPhase.SEEN,
        text=f"told {told}, {_remedy(told_kw, shown)}",
        figures={name: kw for name, kw in figures.items() if kw is not None},
    )


def _remedy(told_kw: float | None, shown: Shown | None) -> str:
    """What the device shows, and where to look first."""
    if shown is None:
        return "it does not answer: look at its link and its supply"
    power = "nothing" if shown.power_kw is None else f"{shown.power_kw:g} kW"
    if shown.setpoint_kw is None:
        return f"shows {power}; it has no setpoint: does it take remote control?"
    if told_kw is None or abs(shown.setpoint_kw - told_kw) > SAME_KW:
        return f"shows {power}; its setpoint is {shown.setpoint_kw:g} kW: who else writes to it, or what cuts it?"
    return f"shows {power}; it has its setpoint: look for a fault, a local mode or a limit of its own"
