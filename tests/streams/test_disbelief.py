"""Readings that look fresh and are not: caught by their own register, never for being constant (R5)."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.columns import Points, check_columns
from streams.disbelief import FOREVER_US, Disbelief
from streams.disbelief_rows import CONTRADICTED_S, TOLERANCE_KW, TOLERANCE_RATIO
from streams.fold import PointState, fold
from streams.grid_loop import GridLoop
from streams.messages import TelemetryFrame
from tests.streams.small_park import QUARTER_START_US, SECOND_US
from tests.streams.virtual_park import Park, de_koumen

RATED_KW = 400.0
TOLERATED_KW = 8.0  # 2 % of it


class Meter:
    """One meter of 400 kW, looked at each second."""

    def __init__(self):
        self.state = PointState(Points(("meter",), np.array([2 * RATED_KW])))
        self.disbelief = Disbelief.of(self.state, gap_s=5.0)
        self.second = 0
        self.registers_wh = [5_000_000.0, 2_000_000.0]
        """What flowed, A+ and A-."""

    def show(self, power_kw, *, true_kw=None, registers_wh=None):
        """A second passes at the true power; then the meter shows a power, and its registers unless others are given."""
        self.second += 1
        flow_wh = 1000 * (power_kw if true_kw is None else true_kw) / 3600
        self.registers_wh = [self.registers_wh[0] + max(flow_wh, 0), self.registers_wh[1] + max(-flow_wh, 0)]
        drawn_wh, fed_in_wh = self.registers_wh if registers_wh is None else registers_wh
        at_us = QUARTER_START_US + self.second * SECOND_US
        shown = TelemetryFrame(
            gateway="gw", sequence=self.second, sent_at_us=at_us, ids=["meter"], measured_at_us=[at_us],
            power_kw=[power_kw], energy_import_wh=[int(drawn_wh)], energy_export_wh=[int(fed_in_wh)],
        )  # fmt: skip
        fold(self.state, check_columns(shown, points=self.state.points, index=self.state.index, received_at_us=at_us))
        self.disbelief.observe(self.state)
        return self.disbelief.doubted_us[0] < FOREVER_US

    def freeze(self, shown_kw, *, true_kw, seconds):
        """Power and register stand still; returns the seconds in which they were not believed."""
        stuck_wh = self.registers_wh
        verdicts = [self.show(shown_kw, true_kw=true_kw, registers_wh=stuck_wh) for _ in range(seconds)]
        return [second for second, contradicted in enumerate(verdicts, 1) if contradicted]


@pytest.fixture
def meter():
    healthy = Meter()
    assert not any(healthy.show(40.0) for _ in range(100))
    return healthy


def test_a_driver_that_republishes_frozen_values_with_fresh_timestamps_is_caught_within_a_minute(meter):
    caught = meter.freeze(40.0, true_kw=90.0, seconds=300)
    assert caught == list(range(caught[0], 301))
    assert CONTRADICTED_S <= caught[0] <= CONTRADICTED_S + 2


def test_values_that_were_frozen_for_39_minutes_are_not_believed_from_when_they_froze(meter):
    frozen_us = QUARTER_START_US + meter.second * SECOND_US
    meter.freeze(-70.0, true_kw=-5.0, seconds=39 * 60)
    assert abs(meter.disbelief.doubted_us[0] - frozen_us) <= 2 * SECOND_US


@pytest.mark.parametrize(
    ("shown_kw", "true_kw"),
    [
        pytest.param(0.0, 30.0, id="0 W of a meter that draws"),
        pytest.param(0.0, -30.0, id="0 W of a roof that produces"),
        pytest.param(40.0, 75.0, id="a power that stands still below the one that its register counts"),
        pytest.param(40.0, -40.0, id="the wrong sign"),
    ],
)
def test_a_power_that_stands_still_while_its_register_moves_is_caught(meter, shown_kw, true_kw):
    verdicts = [meter.show(shown_kw, true_kw=true_kw) for _ in range(70)]
    assert verdicts.index(True) in range(round(CONTRADICTED_S) - 1, round(CONTRADICTED_S) + 3)


@pytest.mark.parametrize("power_kw", [0.0, 7.0, 40.0, -399.0])
def test_a_constant_power_alone_is_believed_for_ever(power_kw):
    meter = Meter()
    assert not any(meter.show(power_kw) for _ in range(3600))
    assert meter.disbelief.doubted_us[0] == FOREVER_US


def test_a_difference_within_the_tolerance_of_two_meters_is_believed(meter):
    assert not any(meter.show(40.0, true_kw=40.0 + 0.9 * TOLERATED_KW) for _ in range(3600))


def test_a_meter_whose_register_moves_every_ten_seconds_is_believed(meter):
    for second in range(1200):
        if second % 10 == 0:
            registers_wh = meter.registers_wh
        assert not meter.show(300.0, registers_wh=registers_wh)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_load_that_jumps_about_is_believed_though_it_is_only_looked_at_each_second(seed):
    chance, meter = random.Random(seed), Meter()
    was_kw = 0.0
    for _ in range(300):
        now_kw = chance.choice([was_kw, chance.uniform(-300, 300)])
        assert not meter.show(now_kw, true_kw=chance.uniform(min(was_kw, now_kw), max(was_kw, now_kw)))
        was_kw = now_kw


def test_a_register_that_was_exchanged_contradicts_nothing(meter):
    meter.registers_wh = [0.0, 0.0]
    assert not any(meter.show(40.0) for _ in range(120))


def test_a_driver_that_wakes_up_is_believed_after_half_a_minute_in_which_all_agrees(meter):
    meter.freeze(40.0, true_kw=90.0, seconds=600)
    verdicts = [meter.show(90.0) for _ in range(120)]
    back = verdicts.index(False)
    assert 20 <= back <= 45
    assert not any(verdicts[back:])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_r5_frozen_values_are_caught_though_every_third_frame_is_lost(seed):
    chance, meter = random.Random(seed), Meter()
    shown_kw = chance.choice([-1, 1]) * chance.uniform(2 * TOLERATED_KW, RATED_KW)
    stuck_wh, caught = meter.registers_wh, None
    while caught is None:
        if chance.random() < 1 / 3:
            meter.second += 1
        elif meter.show(shown_kw, registers_wh=stuck_wh):
            caught = meter.second
        assert meter.second < 2 * CONTRADICTED_S
    assert caught >= CONTRADICTED_S


def test_r5_in_a_whole_park_each_point_that_freezes_is_found_and_nobody_else():
    """In turn those of De Koumen's lus-1: its columns are repeated with fresh timestamps from the 60th second on."""
    park = Park("sunny-noon").turn(130)
    frames = [each for name, each in park.log if name == "lus-1"]
    verdicts = {"found": 0, "within the tolerance": 0}
    for row, point in enumerate(frames[0].ids):
        loop = GridLoop(de_koumen(), "lus-1")
        for second, each in enumerate(frames):
            shown = each if second < 60 else repeated(each, row, of=frames[59])
            loop.fold(shown, received_at_us=each.sent_at_us)
            contradicted = loop._look(tick=second, now_us=each.sent_at_us + 100_000).known.contradicted
        rated_kw = loop._disbelief.rated_kw[loop._points.index[point]]
        shown_kw = abs(frames[59].power_kw[row])
        tolerance_kw = min(TOLERANCE_RATIO * rated_kw, TOLERANCE_KW + TOLERANCE_RATIO * shown_kw)
        names = [loop.plant.points.ids[at] for at in np.flatnonzero(contradicted)]
        if shown_kw > 1.2 * tolerance_kw + 0.2:  # and two watt-hours of a minute
            assert names == [point]
            verdicts["found"] += 1
        else:
            assert names in ([], [point])
            verdicts["within the tolerance"] += 1
    print(verdicts)
    assert verdicts["found"] > 10


def repeated(each, row, *, of):
    """The frame, but for one row that shows power and registers of an older one."""
    columns = {}
    for name in ("power_kw", "energy_import_wh", "energy_export_wh"):
        column = list(getattr(each, name))
        column[row] = getattr(of, name)[row]
        columns[name] = column
    return msgspec.structs.replace(each, **columns)
