"""Messages are lost and late as a matter of course: nobody goes to a fallback or a reversion value for that.

One of a hundred frames of telemetry, offers, budgets and setpoints is lost, and each is up to 200 ms on its way. An hour
of a whole park in the closed loop; and for a month a loop's leases alone, by the rules of all who count them, with a
decision that never changes: then dispatch depends on whether the last full frame came.
"""

from collections import Counter

import msgspec
import numpy as np
import pytest

from connectors.dispatch import rules
from connectors.dispatch.marks import lowest_mark
from connectors.dispatch.reversion import asset_rules
from connectors.simulation.closed_loop import DECIDED_US, SECOND_US, ClosedLoop
from connectors.simulation.faults import Faults
from connectors.simulation.second_run import park_of
from connectors.watchdog import rules as watchdog
from streams.budgets import Held, Interval, Lent
from streams.grid_loop import GridLoop
from streams.messages import Budget, Epoch, Outcome
from streams.setpoints import Decision, SetpointWriter
from tests.connectors.simulation.seeded_parks import SCALE, de_koumen
from tests.connectors.simulation.simulated import plan_of, session
from tests.faults.measured import row
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, QUARTER_START_US, small_hub

LOSS_RATIO, LATE_US = 0.01, 200_000
IN_TIME_US = 100_000
"""An offer or a budget that takes longer is taken in the next tick."""
DAY_S = 86_400
WARM_S = 5
"""Until the first budgets everybody is on fallback (R13)."""
EPOCH = Epoch(1, 1, 1)


class LossyLoop(ClosedLoop):
    """A closed loop whose offers, budgets and setpoints are lost and late too; what is late keeps its order."""

    def __init__(self, hub, park, *, seed):
        telemetry = Faults(loss_ratio=LOSS_RATIO, delay_us=LATE_US * 2 // 3, seed=seed)  # each up to 1.5 times that
        super().__init__(hub, park, faults=telemetry)
        self.chance, self.late, self.lost = np.random.default_rng(seed), {}, Counter()

    def sent(self, kind, messages):
        """What comes of these in time, after what was late in the tick before."""
        arrived = self.late.pop(kind, [])
        for message in messages:
            if self.chance.random() < LOSS_RATIO:
                self.lost[kind] += 1
            elif self.chance.uniform(0, LATE_US) > IN_TIME_US:
                self.late.setdefault(kind, []).append(message)
            else:
                arrived.append(message)
        return arrived

    def _decide(self, now_us):
        tick, decided_us = now_us // SECOND_US, now_us + DECIDED_US
        for offer in self.sent("offers", [loop.offer(tick=tick, now_us=decided_us) for loop in self.loops.values()]):
            self.station.receive_offer(offer)
        clearing = self.station.clear(tick=tick, now_us=decided_us)
        for budget in self.sent("budgets", clearing.budgets):
            self.loops[budget.grid_loop].receive_budget(budget, now_us=decided_us)
        cycles = [loop.balance(tick=tick, now_us=decided_us) for loop in self.loops.values()]
        states = [clearing.state, *(cycle.state for cycle in cycles)]
        return states, self.sent("setpoints", [cycle.setpoints for cycle in cycles])


def park_of_minutes(seed, minutes):
    """The small park for so long, sun and load by chance; what went to a fallback, and what was lost."""
    chance = np.random.default_rng(seed)
    columns = {ean: chance.uniform(10, 60, minutes) for ean in (FACTORY, OFFICE, PLAZA, BAKERY)}
    columns["roof"] = -chance.uniform(0, 100, minutes)
    cars = [
        session("charger", from_min=5 + 40 * at, to_min=40 + 40 * at, kwh=20, max_kw=50) for at in range(minutes // 40)
    ]
    plan = plan_of(columns, minutes=minutes, sessions=cars)
    loop, fell = LossyLoop(plan.hub, park_of(plan), seed=seed), Counter()
    for second in range(60 * minutes):
        happened = loop.turn()
        if second < WARM_S:
            continue
        fell["loops or hub agent on fallback"] += sum(state.mode != "closed" for state in happened.states)
        fell["leases ended"] += sum(result.outcome == Outcome.REVERTED for result in happened.results)
        fell["budgets ended"] += sum(not each.held.on_lease(now_us=loop.now_us) for each in loop.loops.values())
    return +fell, loop.lost


@pytest.mark.parametrize(
    "minutes", [10, pytest.param(round(600 * SCALE), marks=pytest.mark.soak)], ids=["minutes", "hours"]
)
def test_nobody_in_a_park_falls_back_for_messages_that_are_lost_or_late(minutes):
    fell, lost = park_of_minutes(1, minutes)
    print(f"{minutes} minutes: lost {dict(lost)}; went to a fallback: {dict(fell) or 'nobody'}")
    assert all(lost[kind] > 0 for kind in ("offers", "budgets", "setpoints"))
    assert fell == Counter()


class QuietLoop:
    """Everybody who counts a lease of one grid loop, second by second; the loop always decides the same.

    The small park's, with De Koumen's leases.
    """

    def __init__(self, seed):
        hub = small_hub()
        self.timing, self.chance = de_koumen().timing, np.random.default_rng(seed)
        self.share = Interval(0.0, 150.0)
        self.held, self.lent, self.lease_us = (
            Held(self.share),
            Lent(self.share),
            round(self.timing.budget_lease_s * 1e6),
        )
        loop = GridLoop(hub, "north")
        loop.begin(EPOCH)
        self.state = loop.balance(tick=0, now_us=QUARTER_START_US).state
        assets = loop.plant.assets
        self.decision = Decision((1.0,) * len(assets), ("target",) * len(assets), ("",) * len(assets))
        self.writer = SetpointWriter(loop.plant, valid_for_ms=round(self.timing.setpoint_valid_s * 1000))
        self.writer.begin(EPOCH)
        self.dispatch = rules.start(asset_rules(hub)["north"], lowest_mark(1), in_failsafe=False)
        self.watch = watchdog.LoopWatch(watched_since_s=0.0)
        self.fell, self.lost, self.under_way = Counter(), Counter(), []

    def live(self, seconds):
        lost = self.chance.random((5, seconds)) < LOSS_RATIO
        late_us = self.chance.integers(0, LATE_US, (5, seconds))
        self._look(lost[:2], late_us[:2])
        for second in range(seconds):
            self._lease(second, lost[2:4, second], late_us[2:4, second])
            self._dispatch(second, is_lost=bool(lost[4, second]), late_us=int(late_us[4, second]))
        self.lost.update(
            dict(
                zip(("telemetry", "boundary", "offers", "budgets", "setpoints"), lost.sum(axis=1).tolist(), strict=True)
            )
        )
        return self

    def _look(self, lost, late_us):
        """How old the newest reading is in each tick: a frame counts from the first decision after its arrival on."""
        seconds = np.arange(lost.shape[1])
        known = np.where(lost, -1, seconds)
        in_time, next_tick = np.where(late_us <= IN_TIME_US, known, -1), np.roll(known, 1, axis=1)
        next_tick[:, 0] = -1
        newest = np.maximum.accumulate(np.maximum(in_time, next_tick), axis=1)
        age_s = seconds + DECIDED_US / 1e6 - newest
        self.fell["readings of a loop or the boundary stale"] += int(
            (age_s[:, WARM_S:] > self.timing.stale_after_s).sum()
        )

    def _lease(self, second, lost, late_us):
        """The hub agent's end and the loop's; what an offer acknowledges is known a tick later where it is late."""
        now_us = QUARTER_START_US + second * SECOND_US + DECIDED_US
        for budget in self.under_way:
            self.held = self.held.receive(budget, now_us=now_us)
        self.under_way.clear()
        held = self.held.budget
        if held is not None and not lost[0]:
            self.lent = self.lent.acknowledge(epoch=held.epoch, number=held.number)
        budget = Budget(
            grid_loop="north", tick=second, epoch=EPOCH, number=second + 1, issued_at_us=now_us,
            lease_ms=self.lease_us // 1000, min_kw=0.0, max_kw=100.0,
        )  # fmt: skip
        self.lent = self.lent.issue(budget).forget(now_us=now_us, lease_us=self.lease_us)
        if not lost[1] and late_us[1] <= IN_TIME_US:
            self.held = self.held.receive(budget, now_us=now_us)
        elif not lost[1]:
            self.under_way.append(budget)
        if second >= WARM_S:
            self.fell["budgets ended"] += not self.held.on_lease(now_us=now_us)
            self.fell["loops silent to the hub agent"] += self.lent.exposure(
                now_us=now_us, lease_us=self.lease_us
            ).silent

    def _dispatch(self, second, *, is_lost, late_us):
        now_us = QUARTER_START_US + second * SECOND_US + DECIDED_US
        frame = self.writer.frame(self.decision, tick=second, now_us=now_us, folded_until_us=now_us)
        at_us = now_us + late_us
        at_s = (at_us - QUARTER_START_US) / 1e6
        self.dispatch, reverted = rules.expire(self.dispatch, at_s)
        self.fell["leases ended"] += bool(reverted)
        self.watch = watchdog.hear_state(
            self.watch, msgspec.structs.replace(self.state, tick=second, folded_until_us=now_us), at_s
        )
        if not is_lost:
            self.dispatch, _ = rules.receive(self.dispatch, frame, now_s=at_s, now_us=at_us)
            self.watch = watchdog.hear_setpoints(self.watch, frame, at_s)
        self.dispatch, _ = rules.due(self.dispatch, at_s)
        for finding in watchdog.judge(self.watch, at_s, watchdog.Patience(revert_s=8.0)):
            self.watch = watchdog.said(self.watch, finding)
            self.fell[str(finding.kind)] += str(finding.phase) == "seen"


@pytest.mark.soak
def test_in_a_month_no_lease_of_a_quiet_loop_ends_for_messages_that_are_lost_or_late():
    days = 30 if SCALE >= 1 else 3 * SCALE  # a day takes 9 s
    loop = QuietLoop(2).live(round(days * DAY_S))
    fell = +loop.fell
    row(
        f"1 % of telemetry, offers, budgets and setpoints lost, each up to 200 ms late, {days:g} days of a loop whose setpoints"
        " never change (virtual time)",
        "five readings, ten budgets, five full frames must be lost in a row",
        lost=", ".join(f"{count} {kind}" for kind, count in loop.lost.items()),
        spurious_failsafe=", ".join(f"{count} {what}" for what, count in fell.items()) or "none",
    )
    assert fell == Counter()
