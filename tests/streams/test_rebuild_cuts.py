"""Head and tail of a quarter's log give the state that all of it gives, and where they do not, that is known."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.quarters import QUARTER_US
from streams.columns import Points, check_columns
from streams.fold import PointState, fold, quarter_so_far
from streams.messages import TelemetryFrame
from streams.rebuild_cuts import rebuild_cuts
from tests.streams.small_park import QUARTER_START_US, SECOND_US, small_hub

HUBS = [small_hub()]
POINTS = Points(("feeder", "roof", "charger"), np.array([4000.0, 400.0, 50.0]))
LIVED_S = 90


@pytest.mark.parametrize(
    ("into_quarter_s", "head_s", "tail_s"),
    [
        pytest.param(600, (-7, 7), 588, id="in its middle: twelve seconds are fresh or late"),
        pytest.param(15, (-7, 3), 3, id="soon after its start nothing is left out"),
        pytest.param(2, (-7, -7), -7, id="at its start the tail is all"),
    ],
)
def test_a_quarter_is_cut_around_its_start_and_before_now(into_quarter_s, head_s, tail_s):
    cuts = rebuild_cuts(HUBS, QUARTER_START_US + into_quarter_s * SECOND_US)
    cut_s = [(at_us - QUARTER_START_US) / SECOND_US for at_us in (cuts.since_us, cuts.head_us, cuts.tail_us)]
    assert (cuts.quarter_us, cut_s) == (QUARTER_START_US, [*head_s, tail_s])


@st.composite
def logs(draw):
    """Frames of each second around a quarter's start; some points fall silent, some frames are lost."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    silent_from_s = [draw(st.sampled_from([-20, 30, 200, 200, 200])) for _ in POINTS.ids]
    register_wh = [1000, 5000, 0]
    frames = []
    for second in range(-15, LIVED_S):
        register_wh = [each + chance.randrange(0, 4) for each in register_wh]
        heard = [at for at, until_s in enumerate(silent_from_s) if second < until_s]
        if heard and chance.random() < 0.95:
            at_us = QUARTER_START_US + second * SECOND_US
            frames.append(
                TelemetryFrame(
                    gateway="gw", sequence=second + 15, sent_at_us=at_us, ids=[POINTS.ids[at] for at in heard],
                    measured_at_us=[at_us] * len(heard), power_kw=[chance.uniform(-9, 9) for _ in heard],
                    energy_import_wh=[register_wh[at] if at < 2 else None for at in heard],
                    energy_export_wh=[0] * len(heard),
                )
            )  # fmt: skip
    return frames


def take(state, frames):
    for each in frames:
        fold(state, check_columns(each, points=POINTS, index=state.index, received_at_us=each.sent_at_us))


def known(state):
    so_far = quarter_so_far(state, QUARTER_START_US)
    return {
        "at_us": state.at_us, "power_kw": state.power_kw, "register_us": state.register_us,
        "register_wh": state.register_wh, "energy_wh": so_far.energy_wh, "from_us": so_far.covered_from_us,
    }  # fmt: skip


def assert_same(one, other):
    for name, values in known(one).items():
        np.testing.assert_array_equal(values, known(other)[name], err_msg=name)


@settings(max_examples=100, deadline=None)
@given(logs())
def test_head_and_tail_tell_what_the_whole_quarter_tells_else_the_gap_is_asked_for(frames):
    cuts = rebuild_cuts(HUBS, QUARTER_START_US + LIVED_S * SECOND_US)
    whole, rebuilt = PointState(POINTS), PointState(POINTS)
    take(whole, [each for each in frames if each.sent_at_us >= cuts.since_us])
    take(rebuilt, [each for each in frames if cuts.since_us <= each.sent_at_us < cuts.head_us])
    take(rebuilt, [each for each in frames if each.sent_at_us >= cuts.tail_us])
    if not rebuilt.told_throughout(cuts.quarter_us, since_us=cuts.tail_us):
        take(rebuilt, [each for each in frames if cuts.head_us <= each.sent_at_us < cuts.tail_us])
    assert_same(rebuilt, whole)


def test_who_is_silent_and_whose_register_broke_are_not_told_throughout():
    cuts = rebuild_cuts(HUBS, QUARTER_START_US + LIVED_S * SECOND_US)

    def told(*readings):
        """Seconds into the quarter, and the register."""
        state = PointState(Points(("meter",), np.array([4000.0])))
        for second, import_wh in readings:
            at_us = QUARTER_START_US + second * SECOND_US
            frame = TelemetryFrame(
                gateway="gw", sequence=0, sent_at_us=at_us, ids=["meter"], measured_at_us=[at_us], power_kw=[1.0],
                energy_import_wh=[import_wh], energy_export_wh=[None if import_wh is None else 0],
            )  # fmt: skip
            fold(state, check_columns(frame, points=state.points, index=state.index, received_at_us=at_us))
        return state.told_throughout(cuts.quarter_us, since_us=cuts.tail_us)

    assert told((-2, 10), (1, 11), (LIVED_S - 1, 90))
    assert told((-2, None), (LIVED_S - 1, None))
    assert not told((-2, 10), (1, 11))
    assert not told((-2, 10), (1, 11), (LIVED_S - 1, None))
    assert not told((LIVED_S - 1, 90))
    assert not told((-2, 100), (1, 101), (LIVED_S - 1, 90))
    assert QUARTER_US > LIVED_S * SECOND_US
