"""Crossings of the tolerance curve: how far above an instantaneous limit for how long, and what brought it there.

The curve is `hub.tolerance`. A limit of zero has no multiples: it counts as crossed after 10 s. Judged on the park's
true power, which holds for a whole step, not on what meters say of it. Pure.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from connectors.simulator.arrays import Ints
from connectors.simulator.park import Park, ParkState
from hub.model import Hub, Judged
from hub.tolerance import TOLERANCE

LOOK_BACK_S: Final = 10
"""What changed over so long before power went above the limit may have brought it there."""

MOST_TOLD: Final = 1_000
"""Crossings that are told one by one; all are counted."""


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch above a point of the curve."""

    node: str
    direction: str
    """`import` or `export`."""
    layer: str
    limit_kw: float
    over_ratio: float
    """The point of the curve: power was above this many times the limit ..."""
    after_s: float
    """... for longer than this."""
    began_us: int
    lasted_s: float
    highest_kw: float
    """Magnitude in the limit's direction."""
    cause: str
    """What changed most in the limit's direction before it began, and the faults of that time."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """What could have moved at one instant."""

    at_us: int
    base_w: Ints
    """[connections], without their assets."""
    asset_w: Ints


class ToleranceWatch:
    """Takes the park state by state; arrays are [points of the curve, limits]."""

    def __init__(self, hub: Hub, park: Park) -> None:
        place = {node: at for at, node in enumerate(park.network.node_ids)}
        self._limits = [
            (limit, direction, limit_kw)
            for limit in hub.limits
            if limit.judged is Judged.INSTANT
            for direction, limit_kw in (("import", limit.import_kw), ("export", limit.export_kw))
            if limit_kw is not None
        ]
        self._park = park
        self._node = np.array([place[limit.node] for limit, _, _ in self._limits], np.int64)
        self._sign = np.array([1.0 if direction == "import" else -1.0 for _, direction, _ in self._limits])
        limit_kw = np.array([limit_kw for _, _, limit_kw in self._limits], np.float64)
        self._over_kw = np.array([ratio * limit_kw for ratio, _ in TOLERANCE])
        self._over_kw[1:, limit_kw == 0] = np.inf
        shape = self._over_kw.shape
        self._since_us, self._highest_kw = np.full(shape, -1, np.int64), np.zeros(shape)
        self._cause: dict[tuple[int, int], str] = {}
        self._moved: deque[_Moment] = deque(maxlen=LOOK_BACK_S + 1)
        self._faults: deque[str] = deque(maxlen=LOOK_BACK_S + 1)
        self.crossings: list[Crossing] = []
        self.count = 0
        self._connections = len(park.network.node_ids) - park.network.below.shape[1]

    def take(self, state: ParkState, *, step_us: int, faults: Sequence[str] = ()) -> None:
        """Take the state at the end of a step that was `step_us` long, and the faults that held then."""
        connection_w = state.node_w[self._connections :]
        base_w = connection_w - self._park.behind @ state.asset_w
        self._moved.append(_Moment(state.at_us, base_w, state.asset_w))
        self._faults.append(", ".join(faults))
        flow_kw = state.node_w[self._node] * self._sign / 1000
        over = flow_kw > self._over_kw
        began = over & (self._since_us < 0)
        for at, limit in np.argwhere(began).tolist():
            self._cause[at, limit] = self._find_cause(limit)
        ended = ~over & (self._since_us >= 0)
        for at, limit in np.argwhere(ended).tolist():
            self._end(at, limit, until_us=state.at_us - step_us)
        self._since_us[began] = state.at_us - step_us
        self._highest_kw = np.where(over, np.maximum(np.where(began, 0.0, self._highest_kw), flow_kw), 0.0)

    def finish(self, until_us: int) -> None:
        """End the stretches that are under way, and put the crossings in order."""
        for at, limit in np.argwhere(self._since_us >= 0).tolist():
            self._end(at, limit, until_us=until_us)
        self.crossings.sort(key=lambda crossing: crossing.began_us)

    def _end(self, at: int, limit: int, *, until_us: int) -> None:
        began_us, cause = int(self._since_us[at, limit]), self._cause.pop((at, limit))
        self._since_us[at, limit] = -1
        (ratio, after_s), lasted_s = TOLERANCE[at], (until_us - began_us) / 1e6
        if lasted_s <= after_s:
            return
        self.count += 1
        if len(self.crossings) < MOST_TOLD:
            own, direction, limit_kw = self._limits[limit]
            self.crossings.append(
                Crossing(
                    node=own.node,
                    direction=direction,
                    layer=str(own.layer),
                    limit_kw=limit_kw,
                    over_ratio=ratio,
                    after_s=after_s,
                    began_us=began_us,
                    lasted_s=lasted_s,
                    highest_kw=round(float(self._highest_kw[at, limit]), 3),
                    cause=cause,
                )
            )

    def _find_cause(self, limit: int) -> str:
        """What below the node moved most in the limit's direction since some seconds, and which faults held then."""
        below = self._park.network.below[self._node[limit]]
        was, now = self._moved[0], self._moved[-1]
        sign = self._sign[limit]
        moves_kw = np.concatenate(
            [(now.base_w - was.base_w) * below, (now.asset_w - was.asset_w) * (below @ self._park.behind)]
        ) * (sign / 1000)
        names = [*(f"the load of {ean}" for ean in self._park.network.node_ids[self._connections :])]
        names += [asset.id for asset in self._park.assets]
        faults = list(dict.fromkeys(fault for fault in self._faults if fault))
        most = int(np.argmax(moves_kw))
        if moves_kw[most] > 0:
            change = f"{names[most]} by {sign * moves_kw[most]:+.1f} kW in {(now.at_us - was.at_us) / 1e6:g} s"
        else:
            change = "the run began above the limit" if len(self._moved) == 1 else "nothing changed below the node"
        return "; ".join([*(f"fault {fault}" for fault in faults), change])
