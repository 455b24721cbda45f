"""De Koumen at any hour of the measured year, chosen by a seed, in the closed loop; a judge who sees only its powers.

The judge is `connectors.simulation.crossings`: it takes the simulated park's true powers and knows nothing of what
meters, loops or dispatch say.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from connectors.simulation.closed_loop import SECOND_US, ClosedLoop
from connectors.simulation.crossings import ToleranceWatch
from connectors.simulation.faults import Faults
from connectors.simulator.building import build_park
from connectors.simulator.scenarios import Scenario
from hub.folder import read_hub
from hub.profiles import read_profiles
from hub.quarters import QUARTER_US
from tests.connectors.simulator.park_words import DE_KOUMEN

SCALE = float(os.environ.get("LUSBALANS_SOAK", "0.1"))
"""A tenth of the seeds in `make test`, all of them in `make soak`."""

BEGAN_US = 1_990_000 * QUARTER_US
SEASONS = {"sun": (121, 100, 9, 5), "evening": (320, 90, 14, 4), "clouds": (121, 120, 8, 8)}
"""First day of the year and days, first hour (UTC) and hours."""
SATURDAY, SUNNY_KW_PER_KWP = 5, 0.6
LOADS = {"sun": (0.7, 1.1), "evening": (0.8, 1.1), "clouds": (0.5, 1.1)}
"""Over what was measured."""
CHARGED = {"sun": (0.9, 0.999), "evening": (0.15, 0.99), "clouds": (0.15, 0.99)}
"""Of the emptiest and the fullest battery; in the sun they can take little more, so that loops feed in."""


@cache
def de_koumen():
    return read_hub(DE_KOUMEN)


@cache
def profiles():
    return read_profiles(DE_KOUMEN, de_koumen())


def scenario_of(season, chance):
    """Any hour of a season, other people's cars, any charge of the batteries."""
    begins = _hour_of(season, chance)
    while season == "sun" and (begins.weekday() < SATURDAY or _sun_kw_per_kwp(begins) < SUNNY_KW_PER_KWP):
        begins = _hour_of(season, chance)
    cars = datetime(2016, 5, 1, tzinfo=UTC) + timedelta(hours=int(chance.integers(700)))
    soc = sorted(chance.uniform(*CHARGED[season], 2))
    return Scenario(
        name=season, begins=begins, cars=cars, load_ratio=chance.uniform(*LOADS[season]), soc_first_ratio=soc[0],
        soc_last_ratio=soc[1], cloud_depth_ratio=chance.uniform(0.15, 0.4) if season == "clouds" else 0.05,
        meaning="any day",
    )  # fmt: skip


def _hour_of(season, chance):
    day, days, hour, hours = SEASONS[season]
    return datetime(2016, 1, 1, tzinfo=UTC) + timedelta(
        days=(day + int(chance.integers(days))) % 360, hours=hour, minutes=int(chance.integers(60 * hours))
    )


def _sun_kw_per_kwp(begins):
    of = profiles()
    return of.pv_kw_per_kwp(of.pv_names[0])[(round(begins.timestamp() * 1e6) - of.start_us) // of.step_us]


class SeededPark:
    """One park under control; `began_us` is somewhere in a quarter."""

    def __init__(self, seed, season, *, faults=(), loop=ClosedLoop, in_failsafe=False, **changes):
        self.hub, self.chance = de_koumen(), np.random.default_rng([seed, len(season)])
        began_us = BEGAN_US + int(self.chance.integers(20, 800)) * SECOND_US
        scenario = replace(scenario_of(season, self.chance), **changes)
        self.plant = build_park(self.hub, profiles(), scenario=scenario, began_us=began_us)
        self.closed = loop(self.hub, self.plant, faults=Faults(faults=tuple(faults)), in_failsafe=in_failsafe)
        self.judges = [ToleranceWatch(self.hub, self.plant)]
        self.place = {node: at for at, node in enumerate(self.plant.network.node_ids)}

    def power_kw(self, node):
        return self.closed.state.node_w[self.place[node]] / 1000

    def judge(self, *limits):
        """Judge these limits too, from now on; returns the judge."""
        self.judges.append(ToleranceWatch(replace(self.hub, limits=limits), self.plant))
        return self.judges[-1]

    def take_limits(self, *more):
        """All controllers obey these limits beside the hub folder's from the next tick on."""
        for controller in (*self.closed.loops.values(), self.closed.station):
            controller.take_limits((*self.hub.limits, *more))

    def turn(self, seconds=1):
        """Let time pass; what happened in each second."""
        happened = []
        for _ in range(seconds):
            named = self.closed.faults.named(self.closed.now_us)
            happened.append(self.closed.turn())
            for judge in self.judges:
                judge.take(self.closed.state, step_us=SECOND_US, faults=named)
        return happened

    def finish(self):
        """All crossings, in order of the judges."""
        for judge in self.judges:
            judge.finish(self.closed.now_us)
        return [judge.crossings for judge in self.judges]
