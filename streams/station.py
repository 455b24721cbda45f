"""The hub agent: it clears the nodes above the grid loops and lends each loop a budget. Pure but for its own state.

It knows the boundary and group meters and what the loops offer. A loop whose offer is missing counts as what it may be
obeying; without a boundary meter nobody gets a budget and the loops go to their fallback shares (R7). Nor does anybody
before all loops have offered together once: what the boundary carries beside them is not known until then (R13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import UNSET

from balancer.model import Asset, Node
from hub.model import GROUP, PARK, STATION, Hub, NodeLimit
from streams.bounds import Floats, compile_bounds, lay_out_bounds
from streams.budgets import CLOCK_SKEW_US, Exposure, Interval, Lent, grant, is_sound
from streams.codec import Rejected
from streams.columns import BadReading, Frame, Points, check_columns
from streams.disbelief import FOREVER_US, Disbelief
from streams.estimate import Span, is_heard, meter_quarter
from streams.fallback import fallback_shares
from streams.fold import NEVER, PointState, fold
from streams.history import History
from streams.limits import judged_bounds_kw, within_apparent_kw
from streams.messages import Budget, DeadLetterReason, Epoch, LoopState, NodeStates, Offer
from streams.node_states import node_states
from streams.plant import ABSURD_FACTOR
from streams.sequences import Sequences
from streams.sharing import LoopView, Residual, Shares, Upper, is_sound_offer, share_out, view_loop

NODES: Final = (PARK, GROUP)
_ALL: Final = np.arange(len(NODES))

_NEAR_US: Final = 3_000_000
"""A loop's power is taken as known at an upper meter's instant if it was told within this of it; it is told each tick."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """What one tick of the hub agent decided."""

    budgets: tuple[Budget, ...]
    state: LoopState


class Station:
    """State and rules of the hub agent between two ticks."""

    def __init__(self, hub: Hub) -> None:
        self._timing = hub.timing
        self._lease_us = round(hub.timing.budget_lease_s * 1e6)
        self._margin = hub.margin
        self._shares = {loop.id: Interval(loop.fallback_min_kw, loop.fallback_max_kw) for loop in hub.grid_loops}
        self._lent = {loop: Lent(share) for loop, share in self._shares.items()}
        most_kw = ABSURD_FACTOR * sum(connection.capacity_kva for connection in hub.connections)
        self._points = PointState(Points(NODES, np.full(len(NODES), most_kw)))
        self._sequences = Sequences()
        self._disbelief = Disbelief.of(self._points, gap_s=hub.timing.stale_after_s)
        self._grid_loops, self._cos_phi_ratio = hub.grid_loops, hub.cos_phi_ratio
        self._upper = self._lay_out(hub.limits)
        self._part = _parts(self._shares)
        self._offers: dict[str, Offer] = {}
        self._residual = Residual()
        self._places = np.arange(len(self._lent))
        self._nets = History(len(self._lent), hub.timing.stale_after_s)
        self._number = 0
        self._epoch: Epoch | None = None
        self.missed_ticks = 0

    def take_limits(self, limits: Sequence[NodeLimit]) -> None:
        """Obey these limits of the park from the next clearing on, instead of those before."""
        self._upper = self._lay_out(limits)
        for loop, share in fallback_shares(self._grid_loops, limits, cos_phi_ratio=self._cos_phi_ratio).items():
            self._lent[loop] = self._lent[loop].with_fallback(share)

    def _lay_out(self, limits: Sequence[NodeLimit]) -> Upper:
        bounds = lay_out_bounds(
            [limit for limit in limits if limit.node in NODES], {node: at for at, node in enumerate(NODES)}
        )
        topology, bounds_at = compile_bounds(
            [Node(PARK, None), Node(GROUP, PARK)],
            [Asset(loop, GROUP, min_kw=0.0, max_kw=0.0) for loop in self._lent],
            bounds,
        )
        return Upper(topology=topology, bounds=bounds, bounds_at=bounds_at)

    @property
    def epoch(self) -> Epoch:
        """Under which budgets are written; raises before `begin`."""
        if self._epoch is None:
            raise RuntimeError(f"{STATION} was not claimed")
        return self._epoch

    def begin(self, epoch: Epoch) -> None:
        """Take the station under a new epoch; what was lent is read back by `remember_budget`."""
        self._epoch = epoch
        self._number = 0
        self._offers.clear()
        self.missed_ticks = 0

    def fold(self, frame: Frame, *, received_at_us: int) -> tuple[BadReading, ...] | Rejected:
        """Take a frame of the boundary and group meters."""
        if self._sequences.stands_still(frame):
            return Rejected(DeadLetterReason.SEQUENCE_STANDS_STILL, f"{frame.gateway} is at {frame.sequence} still")
        columns = check_columns(
            frame, points=self._points.points, index=self._points.index, received_at_us=received_at_us
        )
        if isinstance(columns, Rejected):
            return columns
        return columns.bad + fold(self._points, columns)

    def receive_offer(self, offer: Offer) -> bool:
        """Take an offer and what it acknowledges; tells whether all loops have now offered for its tick.

        An offer of a loop that is not in the hub folder, or of an older tick than the one held, changes nothing.
        """
        held = self._offers.get(offer.grid_loop)
        if offer.grid_loop not in self._lent or (held is not None and held.tick >= offer.tick):
            return False
        self._offers[offer.grid_loop] = offer
        self._remember_power(offer)
        self._lent[offer.grid_loop] = self._lent[offer.grid_loop].acknowledge(
            epoch=offer.acknowledged_epoch, number=offer.acknowledged
        )
        return all(loop in self._offers and self._offers[loop].tick == offer.tick for loop in self._lent)

    def _remember_power(self, offer: Offer) -> None:
        at_us = offer.measured_at_us
        if at_us is not UNSET and 0 < at_us <= offer.issued_at_us + CLOCK_SKEW_US and is_sound_offer(offer):
            place = np.array([list(self._lent).index(offer.grid_loop)])
            self._nets.take(place, np.array([at_us]), np.array([offer.power_kw]))

    def remember_budget(self, budget: Budget) -> None:
        """Count with a budget read back from the log: a predecessor lent it and the loop may obey it."""
        if budget.grid_loop in self._lent and is_sound(budget):
            self._lent[budget.grid_loop] = self._lent[budget.grid_loop].issue(budget)

    @property
    def points(self) -> PointState:
        """What meters and devices last said."""
        return self._points

    @property
    def n_points(self) -> int:
        """How many meters and devices report."""
        return len(NODES)

    @property
    def folded_until_us(self) -> int:
        """Newest reading of boundary or group meter."""
        return int(self._points.at_us.max(initial=NEVER))

    def clear(self, *, tick: int, now_us: int) -> Clearing:
        """Share out what the park may draw and feed in among the loops."""
        self._disbelief.observe(self._points)
        doubted_us = self._disbelief.doubted_us
        heard = bool(is_heard(self._points, doubted_us, now_us=now_us, stale_after_s=self._timing.stale_after_s).all())
        exposures = self._exposures(now_us)
        loops = {loop: view_loop(self._offers.get(loop), exposures[loop], tick=tick) for loop in self._lent}
        moved_kw = self._moved_kw(loops, now_us=now_us)
        power_kw = np.nan_to_num(self._points.power_kw) + np.nan_to_num(moved_kw)
        power = Span(low_kw=power_kw, high_kw=power_kw)
        energy_kwh, uncovered_s = meter_quarter(self._points, _ALL, doubted_us=doubted_us, power=power, now_us=now_us)
        bounds_kw = self._bounds_kw(energy_kwh, uncovered_s, now_us=now_us)
        residual_kw = self._residual.estimate_kw(self._points.power_kw + moved_kw, loops)
        shares = share_out(self._upper, loops, residual_kw=residual_kw, bounds_kw=bounds_kw, share=self._part)
        nodes = node_states(
            NODES,
            bounds=self._upper.bounds,
            bounds_kw=bounds_kw,
            power=power,
            energy_kwh=energy_kwh,
            uncovered_s=uncovered_s,
            fresh=np.full(len(NODES), heard),
            binding=shares.binding,
            now_us=now_us,
        )
        lends = heard and self._residual.known
        budgets = self._lend(shares, exposures, tick=tick, now_us=now_us) if lends else ()
        return Clearing(budgets, self._state(nodes, lends=lends, tick=tick, now_us=now_us))

    def _moved_kw(self, loops: Mapping[str, LoopView], *, now_us: int) -> Floats:
        """[n_upper_nodes] By how much the loops' power has changed since each upper meter was read.

        Where that is not known: nothing since one that was read just now, NaN since an older one.
        """
        names, at_us = list(self._lent), self._points.at_us
        net_kw = np.array([loops[name].net_kw for name in names])
        then_kw = [self._nets.power_kw(self._places, np.full(len(names), at), within_us=_NEAR_US) for at in at_us]
        moved_kw = (net_kw - np.stack(then_kw)).sum(axis=1)
        return np.where(np.isnan(moved_kw) & (now_us - at_us <= _NEAR_US), 0.0, moved_kw)

    def _bounds_kw(self, energy_kwh: Floats, uncovered_s: Floats, *, now_us: int) -> Floats:
        """[n_bounds] What the upper nodes may carry, the park's margin kept free (R22)."""
        bounds = self._upper.bounds
        judged_kw = judged_bounds_kw(bounds, energy_kwh=energy_kwh, uncovered_s=uncovered_s, now_us=now_us)
        bounds_kw = within_apparent_kw(
            bounds, judged_kw, reactive_kvar=self._points.reactive_kvar, cos_phi_ratio=self._cos_phi_ratio
        )
        margin_kw = np.where(bounds.imports, self._margin.import_kw, self._margin.export_kw)
        return bounds_kw - np.where(bounds.node == NODES.index(PARK), margin_kw, 0.0)

    def _exposures(self, now_us: int) -> dict[str, Exposure]:
        return {loop: lent.exposure(now_us=now_us, lease_us=self._lease_us) for loop, lent in self._lent.items()}

    def _lend(self, shares: Shares, exposures: Mapping[str, Exposure], *, tick: int, now_us: int) -> tuple[Budget, ...]:
        granted = grant(shares.wanted, exposures=exposures, limit=shares.limit)
        budgets = []
        for loop, interval in granted.items():
            self._number += 1
            budget = Budget(
                grid_loop=loop,
                tick=tick,
                epoch=self.epoch,
                number=self._number,
                issued_at_us=now_us,
                lease_ms=self._lease_us // 1000,
                min_kw=interval.min_kw,
                max_kw=interval.max_kw,
            )
            self._lent[loop] = self._lent[loop].issue(budget).forget(now_us=now_us, lease_us=self._lease_us)
            budgets.append(budget)
        return tuple(budgets)

    def _state(self, nodes: NodeStates, *, lends: bool, tick: int, now_us: int) -> LoopState:
        return LoopState(
            grid_loop=STATION,
            tick=tick,
            at_us=now_us,
            epoch=self.epoch,
            nodes=nodes,
            missed_ticks=self.missed_ticks,
            folded_until_us=self.folded_until_us,
            mode="closed" if lends else "fallback",
            contradicted=[NODES[at] for at in np.flatnonzero(self._disbelief.doubted_us < FOREVER_US).tolist()],
        )


def _parts(shares: Mapping[str, Interval]) -> dict[str, float]:
    """Each loop's part of the room that no limit needs: by the width of its fallback share, evenly where none has any."""
    width_kw = {loop: share.max_kw - share.min_kw for loop, share in shares.items()}
    total_kw = sum(width_kw.values())
    return {loop: kw / total_kw if total_kw > 0 else 1 / len(width_kw) for loop, kw in width_kw.items()}
