"""The fold is a function of the readings: whatever is delivered again, cut or late, state and energy are the same."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.quarter_figures import edges_of, quarter_figures
from hub.quarters import QUARTER_US, RegisterReading
from streams.columns import Points, check_columns
from streams.fold import PointState, fold, quarter_so_far
from streams.messages import DeadLetterReason, TelemetryFrame

SECOND_US = 1_000_000
START_US = 1_990_000 * QUARTER_US
IDS = ("feeder", "roof")
POINTS = Points(IDS, np.array([4000.0, 400.0]))


def frame(at_us, import_wh, export_wh, power_kw=(1.0, -1.0), ids=IDS):
    return TelemetryFrame(
        gateway="gw", sequence=1, sent_at_us=at_us, ids=list(ids), measured_at_us=[at_us] * len(ids),
        power_kw=list(power_kw), energy_import_wh=list(import_wh), energy_export_wh=list(export_wh),
    )  # fmt: skip


def take(state, each):
    columns = check_columns(each, points=POINTS, index=state.index, received_at_us=each.sent_at_us)
    return columns.bad + fold(state, columns)


def folded(frames):
    state = PointState(POINTS)
    for each in frames:
        take(state, each)
    return state


def log(chance, seconds):
    """Frames each second across a quarter boundary, with registers that rise at random; some seconds are missing."""
    registers = [[1000, 0], [0, 5000]]
    frames = []
    for second in range(seconds):
        for point in registers:
            point[0] += chance.randrange(0, 4)
            point[1] += chance.randrange(0, 2)
        if chance.random() < 0.9:
            at_us = START_US + (second - seconds // 2) * SECOND_US + chance.randrange(0, 900_000)
            frames.append(frame(at_us, [p[0] for p in registers], [p[1] for p in registers]))
    return frames


def assert_same(one, other):
    for name in ("at_us", "power_kw", "register_us", "register_wh", "quarter_us"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for mine, theirs in zip(
        vars_of(quarter_so_far(one, START_US)), vars_of(quarter_so_far(other, START_US)), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def vars_of(so_far):
    return so_far.energy_wh, so_far.covered_from_us, so_far.covered_until_us


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_cut_and_redelivery_of_the_log_gives_the_same_state(seed):
    chance = random.Random(seed)
    frames = log(chance, 60)
    delivered = list(frames[: chance.randrange(1, len(frames))])
    while len(delivered) < 200 and chance.random() < 0.9:
        again = chance.randrange(0, len(frames))
        delivered += frames[again : again + chance.randrange(1, 30)]
    delivered += frames
    assert_same(folded(delivered), folded(frames))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_arrival_changes_nothing(seed):
    chance = random.Random(seed)
    frames = log(chance, 40)
    assert_same(folded(chance.sample(frames, len(frames))), folded(frames))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_energy_of_a_quarter_is_what_the_store_computes_from_all_readings(seed):
    frames = log(random.Random(seed), 60)
    so_far = quarter_so_far(folded(frames), START_US)
    for point in range(len(IDS)):
        edges = [
            edges_of(START_US, [RegisterReading(f.measured_at_us[point], column[point]) for f, column in rows])
            for rows in (
                [(f, f.energy_import_wh) for f in frames],
                [(f, f.energy_export_wh) for f in frames],
            )
        ]
        figures = quarter_figures(START_US, *edges)
        assert so_far.energy_wh[point].tolist() == [figures.energy_import_wh, figures.energy_export_wh]


@pytest.mark.parametrize(
    ("register_wh", "reason"),
    [
        pytest.param(900, DeadLetterReason.REGISTER_WENT_BACK, id="a meter that was changed"),
        pytest.param(10_000_000, DeadLetterReason.ABSURD_VALUE, id="more than the meter can carry"),
    ],
)
def test_a_register_that_cannot_be_true_starts_the_quarter_anew_and_never_gives_negative_energy(register_wh, reason):
    state = folded([frame(START_US - SECOND_US, [1000, 0], [0, 0]), frame(START_US + SECOND_US, [1001, 0], [0, 0])])
    bad = take(state, frame(START_US + 2 * SECOND_US, [register_wh, 0], [0, 0]))
    take(state, frame(START_US + 3 * SECOND_US, [register_wh + 1, 0], [0, 0]))
    so_far = quarter_so_far(state, START_US)
    assert [each.reason for each in bad] == [reason]
    assert so_far.energy_wh[0, 0] == 1
    assert so_far.covered_from_us[0] == START_US + 2 * SECOND_US


def test_a_point_named_twice_in_a_frame_counts_with_its_newest_reading():
    twice = TelemetryFrame(
        gateway="gw", sequence=1, sent_at_us=START_US, ids=["roof", "roof"], power_kw=[-5.0, -4.0],
        measured_at_us=[START_US, START_US - SECOND_US],
    )  # fmt: skip
    state = folded([twice])
    assert (state.power_kw[1], state.at_us[1]) == (-5.0, START_US)


def test_before_the_first_reading_of_a_quarter_nothing_is_used_yet():
    state = folded([frame(START_US - 2 * SECOND_US, [500, 0], [0, 0])])
    assert quarter_so_far(state, START_US).energy_wh.tolist() == [[0, 0], [0, 0]]


def test_a_reading_of_registers_only_leaves_the_power_as_it_was():
    state = folded([frame(START_US, [10, 0], [0, 0], power_kw=(7.0, -3.0))])
    take(state, frame(START_US + SECOND_US, [12, 0], [0, 1], power_kw=(None, None)))
    assert (state.power_kw.tolist(), state.at_us.tolist()) == ([7.0, -3.0], [START_US, START_US])
    assert state.register_us.tolist() == [START_US + SECOND_US] * 2


def test_a_late_register_above_the_newest_is_not_believed_to_be_the_quarters_start():
    state = folded([frame(START_US + 2 * SECOND_US, [1000, 0], [0, 0])])
    take(state, frame(START_US - SECOND_US, [1001, 0], [0, 0]))
    take(state, frame(START_US + SECOND_US, [1001, 0], [0, 0]))
    so_far = quarter_so_far(state, START_US)
    assert (so_far.energy_wh[0, 0], so_far.covered_from_us[0]) == (0, START_US + 2 * SECOND_US)


def test_of_two_readings_of_one_instant_the_first_holds():
    state = folded([frame(START_US, [10, 0], [0, 0], power_kw=(7.0, -3.0))])
    assert take(state, frame(START_US, [11, 0], [0, 0], power_kw=(8.0, -4.0))) == ()
    assert (state.power_kw[0], state.register_wh[0, 0]) == (7.0, 10)
