"""Hours of seeded days of De Koumen with nobody balancing, watched by the breach rules and by an independent judge.

The judge knows nothing of telemetry: it takes the simulated park's own powers and exact registers, and
`connectors.simulation.crossings` for what is borne at an instant. Meters tell every 5 s.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from connectors.simulation.crossings import ToleranceWatch
from connectors.simulator.building import build_park
from connectors.simulator.scenarios import Scenario
from connectors.simulator.telemetry import frame_of, gateways
from connectors.watchdog.guarded import guard
from hub.folder import read_hub
from hub.model import Judged
from hub.profiles import read_profiles
from hub.quarters import QUARTER_US
from hub.tree import build_tree
from streams.guard_messages import ConditionKind, ConditionPhase

DE_KOUMEN = Path(__file__).parents[3] / "infra/hubs/de-koumen"
STEP_S = 5
LEAD_US = (STEP_S + 4.5 + 30) * 1_000_000
"""Readings, lateness, two ticks and a device: what R22 counts; and half a minute."""
BEGAN_US = 1_990_000 * QUARTER_US
DIRECTIONS = ("import", "export")


@cache
def park_and_profiles():
    hub = read_hub(DE_KOUMEN)
    slow = replace(hub, timing=replace(hub.timing, meter_cadence_s=STEP_S, stale_after_s=3 * STEP_S))
    return slow, read_profiles(DE_KOUMEN, hub)


def scenario_of(seed, load_ratio):
    """Any moment between six in the morning and eight in the evening, and other people's cars."""
    chance = np.random.default_rng(seed)
    begins = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(
        days=int(chance.integers(360)), hours=int(chance.integers(6, 20))
    )
    return Scenario(
        name="seeded", begins=begins, cars=datetime(2016, 5, 1, tzinfo=UTC) + timedelta(hours=int(chance.integers(700))),
        load_ratio=chance.uniform(*load_ratio), soc_first_ratio=0.5, soc_last_ratio=0.9,
        cloud_depth_ratio=chance.uniform(0.0, 0.4), meaning="any day",
    )  # fmt: skip


@dataclass
class Day:
    """A day's first quarters; keys are (node, direction, quarter)."""

    seed: int
    quarters: int
    load_ratio: tuple = (0.6, 1.0)
    mean_ratio: dict = field(default_factory=dict)
    """By the park's registers: the quarter's mean over the tightest quarter limit."""
    most_ratio: dict = field(default_factory=dict)
    """By the park's powers: the largest over the tightest instantaneous limit, (node, direction)."""
    used_up_us: dict = field(default_factory=dict)
    """When the park's register passed what the limit allows."""
    foreseen_us: dict = field(default_factory=dict)
    """The first instant within that lead at which going on as now would be a breach."""
    said: list = field(default_factory=list)
    crossings: list = field(default_factory=list)

    def live(self):
        hub, profiles = park_and_profiles()
        self.limits = {judged: tightest(hub, judged) for judged in Judged}
        park = build_park(hub, profiles, scenario=scenario_of(self.seed, self.load_ratio), began_us=BEGAN_US)
        tree, sources = build_tree(hub), gateways(hub, park)
        nodes = {key: guard(hub, tree, key) for key in tree.meters}
        for guarded in nodes.values():
            guarded.take_limits(hub.limits)
        state, watch = park.start(), ToleranceWatch(hub, park)
        self.place = {node: at for at, node in enumerate(park.network.node_ids)}
        self.began_wh = registers_wh(state)
        for at_us in range(BEGAN_US, BEGAN_US + self.quarters * QUARTER_US + 1, STEP_S * 1_000_000):
            if at_us > BEGAN_US:
                state = park.step(state, park.free_kw, at_us=at_us)
            for gateway in sources:
                frame = frame_of(gateway, park, state, sequence=at_us, sent_at_us=at_us)
                nodes[gateway.grid_loop].hear(frame, now_us=at_us)
                self.said += nodes[gateway.grid_loop].findings
                nodes[gateway.grid_loop].findings.clear()
            watch.take(state, step_us=STEP_S * 1_000_000)
            self.judge(state)
        watch.finish(state.at_us)
        assert len(watch.crossings) == watch.count
        self.crossings = watch.crossings
        return self

    def judge(self, state):
        passed_us = (state.at_us - BEGAN_US - 1) % QUARTER_US + 1
        quarter, left_us = (state.at_us - BEGAN_US - 1) // QUARTER_US, QUARTER_US - passed_us
        used_wh, flow_w = registers_wh(state) - self.began_wh, np.stack([state.node_w, -state.node_w])
        for (node, side), kw in self.limits[Judged.INSTANT].items():
            ratio = share(flow_w[side, self.place[node]] / 1000, kw)
            self.most_ratio[node, side] = max(ratio, self.most_ratio.get((node, side), 0.0))
        for (node, side), kw in self.limits[Judged.QUARTER].items() if quarter >= 0 else ():
            used, flow = used_wh[side, self.place[node]], max(flow_w[side, self.place[node]], 0)
            key = (node, DIRECTIONS[side], quarter)
            if used > kw * 250:
                self.used_up_us.setdefault(key, state.at_us)
            if left_us <= LEAD_US and used + flow * left_us / 3.6e9 > kw * 250:
                self.foreseen_us.setdefault(key, state.at_us)
            if left_us == 0:
                self.mean_ratio[key] = share(used / 250, kw)
        if left_us == 0:
            self.began_wh = registers_wh(state)

    def seen(self, kind, judged=Judged.QUARTER):
        """First instant at which it was said, by (node, direction, quarter)."""
        first = {}
        for each in self.said:
            if (each.kind, each.judged, each.phase) == (kind, judged, ConditionPhase.SEEN):
                first.setdefault((each.node, each.direction, (each.at_us - BEGAN_US - 1) // QUARTER_US), each.at_us)
        return first

    def held(self):
        """[(node, direction, from_us, until_us)] while breaches at an instant were seen."""
        began, spans = {}, []
        for each in self.said:
            if (each.kind, each.judged) == (ConditionKind.LIMIT_BREACHED, Judged.INSTANT):
                if each.phase is ConditionPhase.SEEN:
                    began[each.node, each.direction] = each.at_us
                elif (each.node, each.direction) in began:
                    spans.append((each.node, each.direction, began.pop((each.node, each.direction)), each.at_us))
        return spans + [(*key, at_us, 2**62) for key, at_us in began.items()]


def tightest(hub, judged):
    found = {}
    for limit in hub.limits:
        for side, kw in enumerate((limit.import_kw, limit.export_kw)):
            if limit.judged is judged and kw is not None:
                found[limit.node, side] = min(kw, found.get((limit.node, side), np.inf))
    return found


def registers_wh(state):
    """[2, nodes] Exact, parts of a Wh included."""
    of = state.registers
    n_nodes = len(state.node_w)
    whole = np.stack([of.import_wh, of.export_wh])[:, :n_nodes]
    return whole + np.stack([of.import_rest_uws, of.export_rest_uws])[:, :n_nodes] / 3.6e9


def share(of, kw):
    return of / kw if kw else (np.inf if of > 0 else 0.0)
