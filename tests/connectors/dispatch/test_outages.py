"""Devices that do not answer: what they are told when they do again, and that many of them return one by one."""

from dataclasses import dataclass, field

import pytest

from connectors.dispatch import outages, rules
from connectors.dispatch.marks import lowest_mark
from connectors.dispatch.reversion import LONGEST_RETURN_S, asset_rules
from connectors.dispatch.rules import LoopLease
from tests.connectors.dispatch.lease_tables import cycle, fresh, full, renewal, wall_us

ASKED = {"pv": -60, "charger": 11, "battery": 20}
BACK_S = 40.0


@dataclass
class Linked:
    """A grid loop whose devices answer or do not; a second is a turn, a tenth of them brings a full frame."""

    state: LoopLease
    asked_kw: dict[str, float]
    second: int = 0
    sequence: int = 0
    full_sequence: int = 0
    taken: list[tuple[int, str, float]] = field(default_factory=list)
    """What devices took: second, asset, kW."""
    given_up: list[tuple[int, str]] = field(default_factory=list)

    def turns(self, seconds, *, silent=(), frames=True):
        for _ in range(seconds):
            self.state, _ = rules.expire(self.state, self.second)
            if frames:
                self._receive()
            self.state, lost = outages.give_up(self.state, self.second)
            self.given_up += [(self.second, asset_id) for asset_id in lost]
            self.state, writes = rules.due(self.state, self.second)
            for write in writes:
                if write.asset_id in silent:
                    self.state, _ = outages.failed(self.state, [write.asset_id], self.second)
                else:
                    self.state = outages.delivered(self.state, [write.asset_id], self.second)
                    self.taken.append((self.second, write.asset_id, write.power_kw))
            self.second += 1
        return self

    def _receive(self):
        self.sequence += 1
        if self.second % 10:
            frame = renewal(self.sequence, self.second, of=self.full_sequence)
        else:
            frame, self.full_sequence = full(self.sequence, self.second, **self.asked_kw), self.sequence
        self.state, _ = rules.receive(self.state, frame, now_s=self.second, now_us=wall_us(self.second))

    def took(self, asset_id, since=0):
        return [(at, power_kw) for at, name, power_kw in self.taken if name == asset_id and at >= since]


def linked(**start):
    return Linked(fresh(**start), ASKED)


def test_a_device_that_failed_is_asked_again_after_a_while_with_the_newest_value():
    state, _ = cycle(fresh(), 0, full(1, 0, battery=20))
    state, fresh_failures = outages.failed(state, ["battery"], 0.1)
    assert fresh_failures == ("battery",)
    state, seen = cycle(state, 0.5, full(2, 0.5, battery=30))
    assert seen.told == {}
    state, seen = cycle(state, 1.1)
    assert seen.told == {"battery": 30}
    assert outages.failed(state, ["battery"], 1.2)[1] == ()
    assert outages.failed(outages.delivered(state, ["battery"], 1.2), ["battery"], 1.2)[1] == ("battery",)


def test_R12_a_device_that_was_silent_for_less_than_its_lease_has_not_fallen_back_and_goes_on():  # noqa: N802
    devices = linked().turns(5).turns(14, silent=ASKED).turns(20)
    assert devices.given_up == []
    assert {power_kw for _, power_kw in devices.took("pv", since=19)} == {-60}


def test_R12_a_device_that_was_silent_longer_is_told_its_reversion_value_and_returns_in_its_turn():  # noqa: N802
    devices = linked().turns(1).turns(39, silent=["pv"]).turns(20)
    assert devices.given_up == [(20, "pv")]  # told at 0, renewed at 5 in vain: its lease of 15 s
    assert [row for row in devices.took("pv") if row[0] >= BACK_S][:2] == [(40, -10), (46, -60)]
    assert {power_kw for _, power_kw in devices.took("battery")} == {20}


def test_R12_a_device_that_is_lost_while_nobody_decides_returns_only_with_a_new_setpoint():  # noqa: N802
    devices = linked().turns(1).turns(20, silent=["pv"]).turns(19, silent=["pv"], frames=False).turns(50, frames=False)
    assert {power_kw for _, power_kw in devices.took("pv", since=40)} == {-10}
    assert devices.turns(20).took("pv", since=90)[-1][1] == -60


def test_R12_a_device_whose_turn_comes_while_it_does_not_answer_waits_for_its_turn_again():  # noqa: N802
    devices = linked(in_failsafe=True).turns(30, silent=["charger"]).turns(10)
    assert devices.took("battery")[0] == (2, 20)
    assert devices.took("charger")[:2] == [(30, 0), (34, 11)]


def test_a_device_that_never_answers_does_not_make_a_restart_revert_the_others():
    devices = linked().turns(1)
    devices.state, _ = rules.revert(devices.state, 0.5)
    assert rules.is_latched(devices.state)
    devices.turns(60, silent=["pv"])
    assert devices.state.failsafe == {"pv"}
    assert not rules.is_latched(devices.state)


@pytest.fixture(scope="module")
def de_koumen_back(de_koumen):
    """All devices of a park silent for 100 s and back at once; when each took its setpoint, and how far it went, kW."""
    rows = []
    for of_loop in asset_rules(de_koumen).values():
        asked = {asset_id: rule.min_kw if rule.max_kw == 0 else rule.max_kw for asset_id, rule in of_loop.items()}
        devices = Linked(rules.start(of_loop, lowest_mark(1), in_failsafe=False), asked)
        devices.turns(5).turns(100, silent=asked).turns(320)
        for asset_id, power_kw in asked.items():
            way_kw = power_kw - of_loop[asset_id].reversion_kw
            rows += [(at, way_kw) for at, told_kw in devices.took(asset_id, since=105) if told_kw == power_kw][:1]
    return sorted(rows), len([asset for asset in de_koumen.assets if asset.kind.controllable])


def test_R12_many_devices_that_were_silent_together_come_back_one_by_one_in_bounded_time(de_koumen_back):  # noqa: N802
    rows, n_assets = de_koumen_back
    seconds = [at - 105 for at, way_kw in rows if way_kw]
    assert len(rows) == n_assets
    assert max(seconds) <= LONGEST_RETURN_S + 4
    assert max(map(seconds.count, seconds)) <= n_assets // 5
    print(f"{len(seconds)} devices back between {min(seconds)} and {max(seconds)} s")


def test_R12_R22_no_more_of_them_return_in_a_reaction_time_than_the_margin_covers(de_koumen, de_koumen_back):  # noqa: N802
    rows, _ = de_koumen_back
    reaction_s = round(de_koumen.timing.meter_cadence_s + 2 * de_koumen.timing.tick_s)
    largest_kw = max(-way_kw for _, way_kw in rows)
    for begin in range(105, 430):
        more_kw = sum(-way_kw for at, way_kw in rows if way_kw < 0 and begin <= at < begin + reaction_s)
        assert more_kw <= de_koumen.margin.export_kw + largest_kw
