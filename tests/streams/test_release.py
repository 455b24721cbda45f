"""R11: tighten at once, release slowly, and never at the cost of a limit."""

from dataclasses import replace

import numpy as np
import pytest

from streams.grid_loop import GridLoop
from streams.messages import Budget, Epoch
from tests.streams.small_park import QUARTER_START_US, SECOND_US, frame, small_hub, south_kw

HOLD_S, RAMP_KW_PER_S = 5, 5.0
"""The charger of the small park is rated 50 kW."""


class Plaza:
    """Grid loop south, a turn a second: the charger does what it is told, a budget says how much the loop may take.

    The plaza's other load is 20 kW and the bakery's 60 kW, so with a budget of B the charger may take B - 80.
    """

    def __init__(self, charger_kw=50.0):
        hub = small_hub()
        timing = replace(hub.timing, release_hold_s=HOLD_S, release_ramp_ratio_per_s=0.1)
        self.loop = GridLoop(replace(hub, timing=timing), "south")
        self.loop.begin(Epoch(1, 1, 1))
        self.charger_kw, self.second = charger_kw, 0
        self.told_kw, self.reasons = [], []

    def turn(self, *budgets_kw, plaza_kw=20.0):
        """What the charger was told in each of these seconds."""
        for budget_kw in budgets_kw:
            now_us = QUARTER_START_US + self.second * SECOND_US
            heard = frame(now_us, south_kw(charger=self.charger_kw, plaza=plaza_kw))
            assert self.loop.fold(heard, received_at_us=now_us) == ()
            self.loop.receive_budget(
                Budget(
                    grid_loop="south", tick=self.second, epoch=Epoch(1, 1, 1), number=self.second + 1,
                    issued_at_us=now_us, lease_ms=5000, min_kw=0.0, max_kw=float(budget_kw),
                ),
                now_us=now_us,
            )  # fmt: skip
            cycle = self.loop.balance(tick=self.second, now_us=now_us)
            if cycle.setpoints.full:
                self.charger_kw, self.reason = cycle.setpoints.power_kw[0], cycle.setpoints.reason[0]
            self.told_kw.append(self.charger_kw)
            self.reasons.append(self.reason)
            self.second += 1
        return self.told_kw[-len(budgets_kw) :]


@pytest.fixture
def plaza():
    """Free for long enough that nothing is held."""
    settled = Plaza()
    settled.turn(*[200] * 10)
    return settled


def test_r11_a_bound_that_tightens_is_obeyed_in_the_same_tick(plaza):
    assert plaza.turn(110, 95, 90) == [30, 15, 10]
    assert set(plaza.reasons[-3:]) == {"import_limit"}


def test_r11_a_bound_that_opens_gives_back_after_the_hold_by_the_ramp(plaza):
    plaza.turn(100)
    assert plaza.turn(*[200] * 12) == [20, 20, 20, 20, 25, 30, 35, 40, 45, 50, 50, 50]
    assert plaza.reasons[-12:] == ["release"] * 9 + ["target"] * 3


def test_r11_what_is_held_back_is_not_lost_to_a_limit_that_asks_for_it(plaza):
    plaza.turn(90)
    plaza.turn(200)
    # south may not give less than it takes: the budget's lower end asks for 40 kW of the charger at once
    now_us = QUARTER_START_US + plaza.second * SECOND_US
    plaza.loop.receive_budget(
        Budget(
            grid_loop="south", tick=plaza.second, epoch=Epoch(1, 1, 1), number=99, issued_at_us=now_us,
            lease_ms=5000, min_kw=120.0, max_kw=200.0,
        ),
        now_us=now_us,
    )  # fmt: skip
    setpoints = plaza.loop.balance(tick=plaza.second, now_us=now_us).setpoints
    assert (setpoints.power_kw, setpoints.reason) == ([40.0], ["export_limit"])


def test_r11_a_bound_that_tightens_on_the_way_back_is_obeyed_and_held_anew(plaza):
    plaza.turn(90)
    told_kw = plaza.turn(*[200] * 7, 100, *[200] * 6)
    assert told_kw == [10, 10, 10, 10, 15, 20, 25, 20, 20, 20, 20, 20, 25, 30]


def test_r11_after_a_rebuild_an_asset_is_held_where_it_is():
    assert Plaza(charger_kw=15.0).turn(*[200] * 7) == [15, 15, 15, 15, 15, 20, 25]


def test_r11_noise_of_a_load_does_not_make_a_charger_go_up_and_down(plaza):
    noise_kw = np.random.default_rng(11).normal(0.0, 5.0, 300)
    told_kw, free_kw = [], []
    for kw in noise_kw:
        told_kw += plaza.turn(110, plaza_kw=20.0 + kw)
        free_kw.append(min(110 - 80 - kw, 50))
    rises = np.sum(np.diff(told_kw) > 1e-9)
    moved_kw, free_moved_kw = np.abs(np.diff(told_kw)).sum(), np.abs(np.diff(free_kw)).sum()
    print(
        f"rises {rises} of 299, moved {moved_kw:.0f} kW instead of {free_moved_kw:.0f}, {np.mean(told_kw):.1f} kW of 30"
    )
    assert np.all(np.array(told_kw) <= np.array(free_kw) + 0.011)
    assert moved_kw < free_moved_kw / 3


@pytest.mark.parametrize("seed", range(5))
def test_r11_whatever_came_before_the_optimum_is_back_after_hold_and_ramp(plaza, seed):
    before_kw = np.random.default_rng(seed).uniform(60, 200, 40)
    plaza.turn(*before_kw)
    at_once_kw = np.clip(np.floor((before_kw - 80) * 100) / 100, 0, 50)
    assert np.all(np.array(plaza.told_kw[-40:]) <= at_once_kw + 0.011)
    assert plaza.turn(*[112] * (HOLD_S + 10))[-1] == 32


def test_r11_an_asset_that_comes_back_from_reversion_is_held_first(plaza):
    plaza.loop._points.at_us[plaza.loop._points.index["south/a"]] -= 60 * SECOND_US
    now_us = QUARTER_START_US + plaza.second * SECOND_US
    assert plaza.loop.balance(tick=plaza.second, now_us=now_us).setpoints.power_kw == [0.0]
    plaza.charger_kw = 0.0
    plaza.second += 1
    assert plaza.turn(*[200] * 6) == [0, 0, 0, 0, 5, 10]
