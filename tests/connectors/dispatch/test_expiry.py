"""R1, R3: from the end of a worker's lease to the reversion value at each device, by the real rules in virtual time.

Workers fall silent at moments by chance; frames travel up to 200 ms, writes up to 100 ms, dispatch goes round as often as
its loop does. What is expected is counted from what was sent alone.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from connectors.dispatch import rules
from connectors.dispatch.marks import lowest_mark
from connectors.dispatch.reversion import asset_rules
from connectors.dispatch.service import TURN_S
from connectors.simulator.leases import fresh_leases, told
from connectors.simulator.wire import Write
from hub.folder import read_hub
from tests.connectors.dispatch.lease_tables import full, renewal, wall_us
from tests.connectors.simulation.seeded_parks import SCALE
from tests.faults.measured import row, spread

DE_KOUMEN = Path(__file__).parents[3] / "infra/hubs/de-koumen"
HUB = read_hub(DE_KOUMEN)
RULES = next(iter(asset_rules(HUB).values()))
VALID_S = HUB.timing.setpoint_valid_s
LATE_S = 0.5
FRAME_S, WRITE_S = 0.2, 0.1
"""Longest ways of a frame and of a write."""
LONGEST_S = VALID_S + max(rule.lag_s + rule.lease_s for rule in RULES.values()) + 1


@dataclass
class Silence:
    """One grid loop of De Koumen whose worker falls silent; `dispatch_too`: with the last frame taken."""

    chance: np.random.Generator
    dispatch_too: bool = False
    now_s: float = 0.0
    valid_until_s: float = 0.0
    told_s: dict = field(default_factory=dict)
    """By asset: when a device was last given a value to obey."""
    home_s: dict = field(default_factory=dict)
    """By asset: since when the device goes to its reversion value."""

    def __post_init__(self):
        self.ids, self.under_way = list(RULES), []
        self.state = rules.start(RULES, lowest_mark(1), in_failsafe=False)
        self.leases = fresh_leases(len(RULES))
        self.reversion_kw = np.array([rule.reversion_kw for rule in RULES.values()])
        self.frames = self._frames()

    def _frames(self):
        """[(arrives_s, frame)] A full one at random and every ten, else renewals, until the silence."""
        frames, of, began_s = [], 0, float(self.chance.uniform(0, 1))
        for sequence in range(1, int(self.chance.integers(11, 25))):
            at_s = began_s + sequence
            if sequence % 10 == 1 or self.chance.random() < 0.3:
                of, frame = sequence, full(sequence, at_s, valid_s=VALID_S, **self._values())
            else:
                frame = renewal(sequence, at_s, of=of, valid_s=VALID_S)
            frames.append((at_s + float(self.chance.uniform(0, FRAME_S)), frame))
        return frames

    def _values(self):
        """Never the reversion value, so that it shows which of the two a device goes to."""
        return {
            name: 0.9 * (rule.min_kw if rule.min_kw < rule.reversion_kw else rule.max_kw)
            for name, rule in RULES.items()
        }

    def live(self):
        silent_s = self.frames[-1][0]
        while self.now_s < silent_s + LONGEST_S:
            self._devices()
            if not (self.dispatch_too and self.now_s > silent_s + TURN_S):
                self._dispatch()
            self.now_s += float(self.chance.uniform(0.01, TURN_S))
        return self

    def _dispatch(self):
        while self.frames and self.frames[0][0] <= self.now_s:
            _, frame = self.frames.pop(0)
            self.state, outcome = rules.receive(self.state, frame, now_s=self.now_s, now_us=wall_us(self.now_s))
            assert not isinstance(outcome, rules.Refused)
            self.valid_until_s = self.now_s + VALID_S
        self.state, _ = rules.expire(self.state, self.now_s)
        self.state, writes = rules.due(self.state, self.now_s)
        self.under_way += [(self.now_s + float(self.chance.uniform(0, WRITE_S)), write) for write in writes]

    def _devices(self):
        """Each write at its own instant; devices look at their leases all the time."""
        index = {name: at for at, name in enumerate(self.ids)}
        arrived = sorted((each for each in self.under_way if each[0] <= self.now_s), key=lambda each: each[0])
        self.under_way = [each for each in self.under_way if each[0] > self.now_s]
        for at_s, write in arrived:
            batch = [Write(write.asset_id, write.power_kw, write.lease_s)]
            self.leases, refused = told(self.leases, batch, index=index, now_s=at_s)
            assert not refused
            if write.power_kw != RULES[write.asset_id].reversion_kw:
                self.told_s[write.asset_id] = at_s
        obeyed_kw, ended = self.leases.obeyed_kw(self.reversion_kw, self.now_s)
        for at, name in enumerate(self.ids):
            if obeyed_kw[at] != self.reversion_kw[at]:
                self.home_s.pop(name, None)
            elif name not in self.home_s:
                self.home_s[name] = float(self.leases.until_s[at]) if ended[at] else self.now_s


def lives(count, **words):
    return [Silence(np.random.default_rng([seed, len(words)]), **words).live() for seed in range(count)]


@pytest.mark.parametrize(
    "moments", [4, pytest.param(round(400 * SCALE), marks=pytest.mark.soak)], ids=["some moments", "many moments"]
)
def test_R3_each_device_goes_home_within_half_a_second_of_its_lease_and_its_turn(moments):  # noqa: N802
    late_s = [
        life.home_s[name] - life.valid_until_s - RULES[name].lag_s for life in lives(moments) for name in life.ids
    ]
    row(
        f"a worker falls silent at {moments} moments, {len(late_s)} device leases (virtual time)",
        "a lease of 10 s, then generation, consumption, storage in turn (R1, R3)",
        on_the_way_home_after_the_lease_and_the_turn=spread([1000 * s for s in late_s], "ms"),
    )
    assert min(late_s) >= 0
    assert max(late_s) <= LATE_S


def test_R3_where_dispatch_is_gone_too_each_device_goes_home_by_itself_when_its_own_lease_ends():  # noqa: N802
    found = lives(4, dispatch_too=True)
    late_s = [life.home_s[name] - life.told_s[name] - RULES[name].lease_s for life in found for name in life.ids]
    after_s = [life.home_s[name] - life.valid_until_s for life in found for name in life.ids]
    row(
        f"worker and dispatch gone at once, {len(late_s)} device leases (virtual time)",
        "each device has a lease of its own, longer by its turn (R1, R3)",
        home_after_the_workers_lease_would_have_ended=spread(after_s),
    )
    assert max(map(abs, late_s)) < 1e-6
