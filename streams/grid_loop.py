"""One grid loop under control: it folds, offers, takes budgets and balances. Pure but for its own state.

The worker calls it with messages and the time; the simulation does the same in virtual time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from balancer.kernel import Answer, Solver, State
from balancer.violations import find_violations
from hub.model import Hub, NodeLimit, OpenPoint
from hub.open_point import open_point_of
from hub.overrides import Kept
from streams.adding_up import AddingUp
from streams.battery_targets import BatteryTargets, Wishes, seen_by
from streams.bounds import Floats
from streams.boxes import Boxes, boxes
from streams.budgets import Held, Interval
from streams.carry_over import carry_over
from streams.codec import Rejected
from streams.columns import BadReading, Frame, check_columns
from streams.disbelief import Disbelief
from streams.estimate import Estimate, LoadMemory, estimate
from streams.fallback import fallback_shares
from streams.feeder_check import Contradiction, FeederCheck
from streams.fold import PointState, fold
from streams.following import Following
from streams.history import History
from streams.kept_assets import KeptAssets
from streams.limits import judged_bounds_kw, with_budget, within_apparent_kw, within_phases_kw
from streams.messages import Budget, Curve, DeadLetterReason, Epoch, LoopState, Offer, SetpointFrame, Violation
from streams.node_states import node_states
from streams.obeying import Obeying
from streams.plant import Plant, build_plant
from streams.release import Release
from streams.sequences import Sequences
from streams.setpoints import SetpointWriter, binding_limits, budget_binds, decide

_UNLIMITED: Final = Interval(-np.inf, np.inf)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one tick decided."""

    setpoints: SetpointFrame
    state: LoopState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What an offer was made on; the same tick's setpoints are, too, unless a frame was folded since."""

    tick: int
    folds: int
    known: Estimate
    wishes: Wishes
    judged_kw: Floats
    """[n_bounds] What the limits allow, budgets left out."""


class GridLoop:
    """State and rules of one grid loop between two ticks."""

    def __init__(self, hub: Hub, grid_loop: str) -> None:
        self.plant: Plant = build_plant(hub, grid_loop)
        self._open_point = _open_point_of(hub, grid_loop)
        self._grid_loops = hub.grid_loops
        self._timing = hub.timing
        self._cos_phi_ratio = hub.cos_phi_ratio
        share = next(loop for loop in hub.grid_loops if loop.id == grid_loop)
        self.held = Held(Interval(share.fallback_min_kw, share.fallback_max_kw))
        self._points = PointState(self.plant.points)
        self._history = History(self.n_points, hub.timing.stale_after_s + self.plant.patience_us.max() / 1e6)
        self._sequences = Sequences()
        self._disbelief = Disbelief.of(self._points, gap_s=hub.timing.stale_after_s)
        self._adding_up = AddingUp.of(self.plant, stale_after_s=hub.timing.stale_after_s)
        self._memory = LoadMemory.empty(len(self.plant.connections))
        self._following = Following(self.plant, delay_s=hub.timing.actuator_s)
        self._targets = BatteryTargets(self.plant)
        self._kept = KeptAssets.of(self.plant.assets, {})
        self._obeying = Obeying(self.plant, hub.timing.device_lease_s)
        self._release = Release(self.plant, hub.timing)
        self._lay_out()
        self._writer = SetpointWriter(self.plant, valid_for_ms=round(hub.timing.setpoint_valid_s * 1000))
        self.missed_ticks = 0
        self._epoch: Epoch | None = None
        self._feeders = FeederCheck.for_cadence(hub.timing.meter_cadence_s)
        self.contradiction: Contradiction | None = None
        """What the last tick found that the open point is not where it should be; told once, then again as long after."""
        self._folds = 0
        self._offered: _Look | None = None

    def _lay_out(self) -> None:
        """Make room for what the kernel needs of the plant's limits."""
        self._solver = Solver(self.plant.topology)
        self._state = State.of(self.plant.topology)

    def take_limits(self, limits: Sequence[NodeLimit]) -> None:
        """Obey these limits of the park from the next offer on, instead of those before."""
        self._take_shares(limits)
        known, self.plant = self.plant, self.plant.with_limits(limits)
        if self.plant.topology is not known.topology:
            self._lay_out()

    def _take_shares(self, limits: Sequence[NodeLimit]) -> None:
        """Fall back to what these limits leave; an offer made under others is none."""
        shares = fallback_shares(self._grid_loops, limits, cos_phi_ratio=self._cos_phi_ratio)
        self.held = self.held.with_fallback(shares[self.plant.grid_loop])
        self._offered = None

    def move_open_point(self, hub: Hub, limits: Sequence[NodeLimit]) -> None:
        """Be the loop of this hub from the next offer on: the same, its ring open elsewhere, under these limits.

        What was before holds until all of the new layout is ready. What meters said stays: an arm's energy is its
        feeder's, wherever the open point lay.
        """
        open_point = _open_point_of(hub, self.plant.grid_loop)
        if open_point == self._open_point:
            self.take_limits(limits)
            return
        hub = replace(hub, limits=tuple(limits))
        plant = build_plant(hub, self.plant.grid_loop, points=self.plant.points)
        self._following = carry_over(self._following, self.plant, plant)
        self._targets = self._targets.laid_out(plant)
        self._kept = carry_over(self._kept, self.plant, plant)
        self._release = carry_over(self._release, self.plant, plant)
        self._obeying = carry_over(self._obeying, self.plant, plant)
        self._writer.lay_out(plant)
        self.plant, self._open_point = plant, open_point
        self._take_shares(limits)
        self._lay_out()

    def take_overrides(self, kept: Mapping[str, Kept]) -> None:
        """Keep these assets so from the next offer on, and all others no longer (R10)."""
        self._kept = KeptAssets.of(self.plant.assets, kept)
        self._offered = None

    @property
    def open_point(self) -> OpenPoint:
        """Where the ring may be open, as the loop is balanced now."""
        return self._open_point

    @property
    def epoch(self) -> Epoch:
        """Under which the loop is written; raises before `begin`."""
        if self._epoch is None:
            raise RuntimeError(f"{self.plant.grid_loop} was not claimed")
        return self._epoch

    def begin(self, epoch: Epoch) -> None:
        """Take the loop under a new epoch."""
        self._epoch = epoch
        self._writer.begin(epoch)
        self.missed_ticks = 0

    def fold(self, frame: Frame, *, received_at_us: int) -> tuple[BadReading, ...] | Rejected:
        """Take a telemetry frame; returns the readings that were masked, or why the whole frame was refused."""
        self._folds += 1
        if self._sequences.stands_still(frame):
            return Rejected(DeadLetterReason.SEQUENCE_STANDS_STILL, f"{frame.gateway} is at {frame.sequence} still")
        columns = check_columns(
            frame, points=self.plant.points, index=self._points.index, received_at_us=received_at_us
        )
        if isinstance(columns, Rejected):
            return columns
        self._history.take(columns.point, columns.at_us, columns.power_kw)
        return columns.bad + fold(self._points, columns)

    def receive_budget(self, budget: Budget, *, now_us: int) -> bool:
        """Take a budget; tells whether it is the one now held."""
        self.held = self.held.receive(budget, now_us=now_us)
        return self.held.budget == budget

    def remember_budget(self, budget: Budget) -> None:
        """Take over a budget read back from the log."""
        self.held = self.held.remember(budget)

    @property
    def points(self) -> PointState:
        """What meters and devices last said."""
        return self._points

    @property
    def n_points(self) -> int:
        """How many meters and devices report."""
        return len(self.plant.points.ids)

    @property
    def folded_until_us(self) -> int:
        """Newest reading in the state."""
        return int(self._points.at_us.max(initial=-1))

    def offer(self, *, tick: int, now_us: int) -> Offer:
        """Phase 1: what the loop could do in this tick, its own limits kept."""
        look = self._offered = self._look(tick=tick, now_us=now_us)
        known = look.known
        room = look.wishes.in_boxes(self._boxes(known))
        held = self.held.budget if self.held.on_lease(now_us=now_us) else None
        return Offer(
            grid_loop=self.plant.grid_loop,
            tick=tick,
            epoch=self.epoch,
            issued_at_us=now_us,
            curve=self._curve(look, room),
            power_kw=float(known.power.low_kw[0] + known.power.high_kw[0]) / 2,
            measured_at_us=self.folded_until_us,
            uncontrolled_low_kw=float(known.uncontrolled.low_kw[0] + known.unheard.low_kw[0] - room.unused_kw.sum()),
            uncontrolled_high_kw=float(known.uncontrolled.high_kw[0] + known.unheard.high_kw[0] + room.unseen_kw.sum()),
            acknowledged=0 if held is None else held.number,
            acknowledged_epoch=Epoch(0, 0, 0) if held is None else held.epoch,
        )

    def balance(self, *, tick: int, now_us: int) -> Cycle:
        """Phase 2: setpoints that keep the loop's limits and its budget."""
        look, self._offered = self._offered, None
        if look is None or look.tick != tick or look.folds != self._folds:
            look = self._look(tick=tick, now_us=now_us)
        known, at = look.known, self.plant.asset_point
        self._following.observe(self._points.power_kw[at], measured_us=self._points.at_us[at])
        room = look.wishes.in_boxes(self._boxes(known))
        bounds_kw = with_budget(self.plant.bounds, look.judged_kw, budget=self.held.interval(now_us=now_us))
        state = self._prepare(known, room, bounds_kw=bounds_kw)
        answer, held = self._release.answer(
            self._solver, state, room, measured_kw=self._points.power_kw[at], now_us=now_us
        )
        self.contradiction = self._feeders.look(self.plant, known)
        by_budget = budget_binds(self.plant, bounds_kw=bounds_kw, price=float(answer.node_price[-1]))
        decision = decide(self.plant, room, answer, told_kw=self._following.told_kw, held=held, budget_binds=by_budget)
        decision = look.wishes.named_in(decision)
        told_kw = np.array(decision.power_kw)
        self._following.tell(told_kw, now_us=now_us)
        self._obeying.tell(told_kw, closed=room.closed, measured_us=self._points.at_us[at], now_us=now_us)
        frame = self._writer.frame(decision, tick=tick, now_us=now_us, folded_until_us=self.folded_until_us)
        return Cycle(frame, self._loop_state(known, answer, bounds_kw=bounds_kw, tick=tick))

    def _look(self, *, tick: int, now_us: int) -> _Look:
        beyond = self._obeying.beyond_reversion(self._points.power_kw[self.plant.asset_point], now_us=now_us)
        self._disbelief.observe(self._points)
        self._adding_up.observe(self._points, now_us=now_us)
        off_us = self._adding_up.doubted_us(self._points, confirmed=self._disbelief.confirmed)
        known = estimate(
            self.plant,
            self._points,
            self._memory,
            self._history,
            now_us=now_us,
            stale_after_s=self._timing.stale_after_s,
            doubted_us=np.minimum(self._disbelief.doubted_us, off_us),
            beyond=beyond,
        )
        judged_kw = judged_bounds_kw(
            self.plant.bounds, energy_kwh=known.energy_kwh, uncovered_s=known.uncovered_s, now_us=now_us
        )
        within_kw = within_apparent_kw(
            self.plant.bounds, judged_kw, reactive_kvar=known.reactive_kvar, cos_phi_ratio=self._cos_phi_ratio
        )
        if not np.isnan(known.phase_a).all():
            within_kw = within_phases_kw(self.plant, within_kw, phase_a=known.phase_a, power_kw=known.power.high_kw)
        seen = seen_by(self.plant, self._points, known)
        wishes = self._targets.wishes(self.plant, seen, share=self.held.fallback)
        return _Look(tick=tick, folds=self._folds, known=known, wishes=wishes, judged_kw=within_kw)

    def _boxes(self, known: Estimate) -> Boxes:
        idle, unused = self._following.idle, self._following.unused
        return boxes(self.plant, self._points, known, idle=idle, unused=unused, kept=self._kept)

    def _prepare(self, known: Estimate, room: Boxes, *, bounds_kw: Floats) -> State:
        state = self._state
        unseen_kw = self.plant.sum_up(self.plant.per_connection(room.unseen_kw))
        least_kw = known.uncontrolled.low_kw + known.unheard.low_kw
        most_kw = known.uncontrolled.high_kw + known.unheard.high_kw + unseen_kw
        at, node, imports = self.plant.bounds_at, self.plant.bounds.node, self.plant.bounds.imports
        kept_kw = self.plant.bounds.reserve_kw
        unused_kw = self._unused_kw(room, least_kw[node] - kept_kw + bounds_kw)
        state.uncontrolled_kw[at] = np.where(imports, most_kw[node] + kept_kw, least_kw[node] - kept_kw - unused_kw)
        state.upper_kw[at] = np.where(imports, bounds_kw, np.inf)
        state.lower_kw[at] = np.where(imports, -np.inf, 0.0 - bounds_kw)
        state.min_kw[:], state.max_kw[:], state.target_kw[:] = room.min_kw, room.max_kw, room.target_kw
        return state

    def _unused_kw(self, room: Boxes, spare_kw: Floats) -> Floats:
        """[n_bounds] What assets are planned to take and do not, which a limit on export must not count on (R16).

        No more than what generation and storage can make up for: what is asked of who takes power would else rise with
        what it does not take. `spare_kw` is what the limit leaves to the assets below it.
        """
        if not room.unused_kw.any():
            return np.zeros_like(spare_kw)
        plant, node = self.plant, self.plant.bounds.node
        surely_kw = np.where(plant.is_pv | plant.is_battery, room.max_kw, room.min_kw)
        unused_kw, least_kw = (plant.sum_up(plant.per_connection(kw))[node] for kw in (room.unused_kw, surely_kw))
        return np.minimum(unused_kw, np.maximum(spare_kw + least_kw, 0.0))

    def _curve(self, look: _Look, room: Boxes) -> Curve:
        bounds_kw = with_budget(self.plant.bounds, look.judged_kw, budget=_UNLIMITED)
        state = self._prepare(look.known, room, bounds_kw=bounds_kw)
        curve = self._solver.flexibility_curve(state)
        return Curve(order=curve.order, pressure=curve.pressure, power_kw=curve.power_kw, error_kw=curve.error_kw)

    def _loop_state(self, known: Estimate, answer: Answer, *, bounds_kw: Floats, tick: int) -> LoopState:
        plant = self.plant
        return LoopState(
            grid_loop=plant.grid_loop,
            tick=tick,
            at_us=known.now_us,
            epoch=self.epoch,
            nodes=node_states(
                plant.node_ids,
                bounds=plant.bounds,
                bounds_kw=bounds_kw,
                power=known.power,
                energy_kwh=known.energy_kwh,
                uncovered_s=known.uncovered_s,
                fresh=known.fresh,
                binding=binding_limits(plant, answer.node_price),
                now_us=known.now_us,
            ),
            missed_ticks=self.missed_ticks,
            folded_until_us=self.folded_until_us,
            violations=[
                Violation(
                    node=found.limit.node,
                    direction=found.direction,
                    kw=round(found.kw, 3),
                    layer=found.limit.layer.name.lower(),
                )
                for found in find_violations(answer)
            ],
            mode="closed" if known.feeders_fresh else "fallback",
            open_point=str(self.open_point.certainty),
            open_after=list(self.open_point.positions),
            contradicted=[plant.points.ids[at] for at in np.flatnonzero(known.contradicted).tolist()],
        )


def _open_point_of(hub: Hub, grid_loop: str) -> OpenPoint:
    return open_point_of(hub, next(loop for loop in hub.grid_loops if loop.id == grid_loop))
