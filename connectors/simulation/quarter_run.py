"""A simulation in steps of a quarter: a year in seconds. It proves energies and quarter means, nothing that is faster."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.simulation.charging import ChargingRecord
from connectors.simulation.measured import measured_kinds, without_profile
from connectors.simulation.plan import QUARTERS, Plan, Watcher
from connectors.simulation.powers import step_means_w
from connectors.simulation.quarter_cars import QuarterCars
from connectors.simulation.quarter_figures import KWH_PER_W, QuarterFigures
from connectors.simulation.quarter_plant import QuarterPlant
from connectors.simulation.summary import INSTANT, LEASES, SimulationSummary
from connectors.simulation.trace import Trace
from connectors.simulator.arrays import Floats, Ints
from connectors.simulator.park import Park
from hub.model import AssetKind
from hub.quarters import QUARTER_US
from streams.latencies import Latencies

_AT_ONCE: Final = 96
"""Quarters between two looks at who looks on, and per piece of the trace: a day."""

_H: Final = 0.25
"""A quarter."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lives:
    """What is given, quarter by quarter; whole watts."""

    base_w: Ints
    """[quarters, connections], loads among the assets that nobody controls included."""
    used_w: Ints
    """[quarters, shaped loads]."""
    sun_w: Ints
    """[quarters, roofs] what they could produce, a magnitude."""


class QuarterRun:
    """One run; arrays of assets are in the hub's order unless they say otherwise."""

    def __init__(self, plan: Plan, park: Park, balancing: QuarterPlant) -> None:
        self._plan, self._park = plan, park
        self._balancing, plant = balancing, balancing.plant
        place = {asset.id: at for at, asset in enumerate(park.assets)}
        self._told = np.array([place[asset.id] for asset in plant.assets], np.int64)
        """Places of the controllable assets, in the plant's order."""
        self._lives = _lives(plan, park)
        self._stored_kwh = park.start().stored_kwh
        self._cars = QuarterCars(park.chargers, plan.from_us)
        self._connection = park.behind.argmax(axis=0)
        self._figures = QuarterFigures(plan.hub, park)
        self._controllable = np.flatnonzero([asset.kind.controllable for asset in park.assets])
        self._violations = 0

    def run(self, trace: Trace, watcher: Watcher) -> SimulationSummary:
        """Live from the first quarter to the last, or until stopped."""
        count = (self._plan.until_us - self._plan.from_us) // QUARTER_US
        done = 0
        for first in range(0, count, _AT_ONCE):
            watcher.on_progress(self._plan.from_us + first * QUARTER_US)
            if watcher.is_stopped():
                break
            done = min(first + _AT_ONCE, count)
            self._live(range(first, done), trace)
        return self._summary(done, finished=done == count)

    def _live(self, quarters: range, trace: Trace) -> None:
        at_us = self._plan.from_us + np.arange(quarters.start, quarters.stop) * QUARTER_US
        asset_w = np.zeros((len(quarters), len(self._park.assets)), np.int64)
        for row, quarter in enumerate(quarters):
            asset_w[row] = self._one(quarter, int(at_us[row]))
        connection_w = self._lives.base_w[quarters.start : quarters.stop].copy()
        np.add.at(connection_w.T, self._connection[self._controllable], asset_w.T[self._controllable])
        # in whole numbers on purpose: exact, and no threads of a linear algebra library that wait for each other
        node_w = (self._park.network.below @ connection_w.T).T
        curtailed_w = self._lives.sun_w[quarters.start : quarters.stop] + asset_w[:, self._park.pv_at]
        self._figures.take(at_us, node_w=node_w, asset_w=asset_w, curtailed_w=curtailed_w.sum(axis=1))
        trace.write(at_us, np.concatenate([node_w, asset_w, asset_w[:, self._controllable]], axis=1) / 1000)

    def _one(self, quarter: int, at_us: int) -> Ints:
        """[assets] Mean powers in one quarter."""
        park, lives = self._park, self._lives
        min_kw, max_kw, target_kw = np.zeros((3, len(park.assets)))
        least_kw, most_kw = park.batteries.reach_kw(self._stored_kwh, _H)
        min_kw[park.battery_at], max_kw[park.battery_at] = least_kw, most_kw
        min_kw[park.pv_at] = target_kw[park.pv_at] = lives.sun_w[quarter] / -1000.0
        first_kwh, next_kwh = self._cars.could_kwh(at_us, at_us + QUARTER_US)
        max_kw[park.charger_at] = target_kw[park.charger_at] = (first_kwh + next_kwh) / _H
        used_kw = lives.used_w[quarter] / 1000.0
        max_kw[park.load_at] = target_kw[park.load_at] = used_kw
        min_kw[park.load_at] = np.where(park.loads.flexible, np.minimum(park.loads.min_kw, used_kw), used_kw)
        told = self._told
        soc_ratio = np.full(len(park.assets), np.nan)
        soc_ratio[park.battery_at] = self._stored_kwh / park.batteries.capacity_kwh
        load_kw = lives.base_w[quarter] / 1000.0
        wanted_kw = self._balancing.wishes_kw(
            load_kw, target_kw=target_kw[told], soc_ratio=soc_ratio[told], at_us=at_us
        )
        balanced = self._balancing.balance(load_kw, min_kw=min_kw[told], max_kw=max_kw[told], target_kw=wanted_kw)
        self._violations += balanced.violations
        power_w = np.rint(target_kw * 1000.0).astype(np.int64)
        power_w[told] = balanced.power_w
        self._stored_kwh = self._stored_kwh + park.batteries.stored_by_kwh(power_w[park.battery_at], _H)
        given_kwh: Floats = power_w[park.charger_at] / 1000.0 * _H
        self._cars.give(given_kwh, first_kwh, until_us=at_us + QUARTER_US)
        return power_w

    def _summary(self, done: int, *, finished: bool) -> SimulationSummary:
        plan, limits, told = self._plan, self._figures.limits(), len(self._told)
        until_us = plan.from_us + done * QUARTER_US
        charging = ChargingRecord(self._park.chargers, from_us=plan.from_us)
        charging.taken_kwh[:] = self._cars.taken_kwh
        nothing = Latencies().figures()
        return SimulationSummary(
            hub=plan.hub.id,
            began_us=plan.from_us,
            until_us=until_us,
            readings=done * len(self._park.point_ids),
            setpoints=done * told,
            setpoint_frames=done,
            results={},
            ticks=done,
            missed_ticks=0,
            fallback_ticks=0,
            violations=self._violations,
            tick_latency=nothing,
            setpoint_latency=nothing,
            imported_kwh=self._figures.imported_w * KWH_PER_W,
            exported_kwh=self._figures.exported_w * KWH_PER_W,
            charged_kwh=self._figures.charged_w * KWH_PER_W,
            curtailed_kwh=self._figures.curtailed_w * KWH_PER_W,
            limits=limits,
            quarters_breached=sum(figures.quarters_breached for figures in limits),
            limits_breached=sum(figures.breached for figures in limits),
            step_s=QUARTERS,
            seed=plan.faults.seed,
            finished=finished,
            faults=[],
            loss_ratio=0.0,
            delay_ms=0,
            not_assessed=[LEASES, INSTANT],
            without_profile=without_profile(plan.hub, plan.powers, plan.sessions),
            crossings=[],
            crossing_count=0,
            charging=charging.figures(until_us=until_us),
        )


def _lives(plan: Plan, park: Park) -> _Lives:
    kinds, powers = measured_kinds(plan.hub, plan.powers), plan.powers
    count = (plan.until_us - plan.from_us) // QUARTER_US
    edges = (plan.from_us - powers.start_us + np.arange(count + 1) * QUARTER_US) / powers.step_us

    def means_w(names: Iterator[str]) -> Ints:
        return step_means_w(powers.columns_kw(list(names)), edges)

    base_w = means_w(connection.ean for connection in plan.hub.connections)
    least_w, most_w = (np.rint(kw * 1000).astype(np.int64) for kw in (park.loads.min_kw, park.loads.max_kw))
    used_w = np.clip(means_w(load.id for load in kinds.loads), least_w, most_w)
    fixed = [load.kind is AssetKind.LOAD for load in kinds.loads]
    behind: Ints = park.behind[:, park.load_at[fixed]]
    largest_w: Floats = park.inverters.largest_kw * 1000
    sun_w = np.minimum(-means_w(roof.id for roof in kinds.roofs), np.rint(largest_w).astype(np.int64))
    return _Lives(base_w=base_w + used_w[:, fixed] @ behind.T, used_w=used_w, sun_w=sun_w)
