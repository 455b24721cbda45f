"""Registers that break, and meters that were away: never negative energy, never more than is known, once or delivered again."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.quarter_figures import edges_of, quarter_figures
from hub.quarters import QUARTER_US, RegisterReading
from streams.columns import Points, check_columns
from streams.fold import NEVER, PointState, fold, quarter_so_far
from streams.messages import TelemetryFrame

SECOND_US = 1_000_000
START_US = 1_990_000 * QUARTER_US
POINTS = Points(("meter",), np.array([400.0]))
LEAP_WH = 10_000_000


def reading(second, import_wh):
    """What the meter's register A+ shows, this many seconds after the quarter's start."""
    at_us = START_US + second * SECOND_US
    return TelemetryFrame(
        gateway="gw", sequence=1, sent_at_us=at_us, ids=["meter"], measured_at_us=[at_us], power_kw=[1.0],
        energy_import_wh=[import_wh], energy_export_wh=[0],
    )  # fmt: skip


def folded(frames):
    state = PointState(POINTS)
    for each in frames:
        fold(state, check_columns(each, points=POINTS, index=state.index, received_at_us=each.sent_at_us))
    return state


def told(state):
    """Energy so far, Wh, and from which second of the quarter on it is told; None where nothing is."""
    so_far = quarter_so_far(state, START_US)
    from_us = so_far.covered_from_us[0]
    return so_far.energy_wh[0, 0], None if from_us == NEVER else (from_us - START_US) / SECOND_US


@st.composite
def broken_logs(draw):
    """Readings around a quarter's start; now and then the register leaps, or begins anew at a lower figure."""
    register_wh, frames = draw(st.integers(0, 5000)), []
    for second in range(-20, 20):
        event = draw(st.sampled_from(["on"] * 12 + ["leap", "reset", "missing"]))
        register_wh = {"leap": register_wh + LEAP_WH, "reset": register_wh // 2}.get(event, register_wh + 3)
        if event != "missing":
            frames.append(reading(second, register_wh))
    return frames


@settings(max_examples=100, deadline=None)
@given(broken_logs(), st.data())
def test_broken_registers_delivered_again_tell_what_they_told_once(frames, data):
    again = data.draw(st.lists(st.sampled_from(frames), max_size=30)) if frames else []
    assert told(folded([*frames, *again])) == told(folded(frames))


@settings(max_examples=100, deadline=None)
@given(broken_logs())
def test_whatever_a_register_does_energy_is_never_negative_nor_more_than_it_counted_step_by_step(frames):
    energy_wh, _ = told(folded(frames))
    assert 0 <= energy_wh <= 3 * 40


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        pytest.param(reading(-1, 1000), (1, 3), id="from before the leap"),
        pytest.param(reading(4, LEAP_WH), (1, 3), id="between the two readings since"),
        pytest.param(reading(2, LEAP_WH - 5), (1, 3), id="from before the leap, though it looks as if after"),
    ],
)
def test_a_late_reading_of_another_register_tells_nothing(late, expected):
    leapt = [reading(0, 1000), reading(3, LEAP_WH), reading(5, LEAP_WH + 1)]
    assert told(folded([*leapt, late])) == expected


def test_a_late_reading_of_nought_is_not_believed_to_be_the_quarters_start():
    assert told(folded([reading(1, 50_000), reading(2, 50_001), reading(-1, 0)])) == (1, 1)


@pytest.mark.parametrize(
    ("away_s", "expected"),
    [
        pytest.param(1199, (1000, 0), id="a gap that a boundary bridges"),
        pytest.param(1201, (0, 600), id="away for longer: covered from its return on"),
    ],
)
def test_a_meter_that_was_away_around_the_start_is_covered_as_the_store_covers_it(away_s, expected):
    gained_wh = round(1000 * away_s / 600)
    assert told(folded([reading(600 - away_s, 0), reading(600, gained_wh)])) == expected


def test_a_meter_whose_clock_is_in_the_next_quarter_already_tells_nothing_of_this_one():
    assert told(folded([reading(-1, 0), reading(600, 50_000), reading(901, 60_000)])) == (0, None)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_with_gaps_of_any_length_energy_and_coverage_are_the_stores(seed):
    chance, second, register_wh, readings = random.Random(seed), -4000, 0, []
    while (second := second + chance.choice([1, 60, 700, 1500])) < 900:
        register_wh += chance.randrange(0, 50)
        readings.append(RegisterReading(START_US + second * SECOND_US, register_wh))
    so_far = quarter_so_far(
        folded([reading((r.at_us - START_US) // SECOND_US, r.register_wh) for r in readings]), START_US
    )
    stored = quarter_figures(START_US, edges_of(START_US, readings), edges_of(START_US, []))
    if stored.energy_import_wh is not None:
        assert so_far.energy_wh[0, 0] == stored.energy_import_wh
        covered_us = so_far.covered_until_us[0] - so_far.covered_from_us[0]
        assert covered_us == pytest.approx(stored.coverage_ratio * QUARTER_US)


def test_a_register_that_broke_is_named_by_its_row_in_the_frame():
    points = Points(("meter", "other"), np.array([400.0, 400.0]))
    state = PointState(points)
    for second, import_wh in ((1, 1000), (2, 900)):
        at_us = START_US + second * SECOND_US
        frame = TelemetryFrame(
            gateway="gw", sequence=1, sent_at_us=at_us, ids=["stranger", "other", "meter"], power_kw=[1.0] * 3,
            measured_at_us=[at_us] * 3, energy_import_wh=[0, 0, import_wh], energy_export_wh=[0] * 3,
        )  # fmt: skip
        bad = fold(state, check_columns(frame, points=points, index=state.index, received_at_us=at_us))
    assert [(each.row, each.point) for each in bad] == [(2, "meter")]
