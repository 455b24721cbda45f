"""A gateway that repeats itself with the present time on it is not believed; one that restarts or is late is (R5)."""

import pytest

from streams.codec import Rejected
from streams.grid_loop import GridLoop
from streams.messages import DeadLetterReason, TelemetryFrame
from streams.sequences import MOST_GATEWAYS, Sequences
from tests.streams.small_park import FACTORY, QUARTER_START_US, SECOND_US, small_hub


def frame(sequence, sent_s, gateway="gw", power_kw=80.0):
    sent_at_us = QUARTER_START_US + round(sent_s * SECOND_US)
    return TelemetryFrame(
        gateway=gateway, sequence=sequence, sent_at_us=sent_at_us, ids=[FACTORY], measured_at_us=[sent_at_us],
        power_kw=[power_kw],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([(1, 0), (2, 1), (3, 2)], "...", id="it counts"),
        pytest.param([(7, 0), (7, 1), (7, 2), (7, 900)], ".xxx", id="it repeats itself"),
        pytest.param([(7, 0), (7, 1), (8, 2), (8, 3)], ".x.x", id="and goes on later"),
        pytest.param([(7, 0), (7, 0), (7, 0.4)], "...", id="delivered twice, and a cycle in pieces"),
        pytest.param([(7, 0), (0, 1), (1, 2)], "...", id="a restart begins anew"),
        pytest.param([(3, 3), (1, 1), (2, 2), (4, 4)], "....", id="late frames"),
        pytest.param([(7, 2), (7, 0), (7, 1.5)], "..x", id="the oldest of a number came late"),
    ],
)
def test_a_sequence_that_stands_still_is_told_from_all_else(frames, expected):
    sequences = Sequences()
    found = [sequences.stands_still(frame(sequence, sent_s)) for sequence, sent_s in frames]
    assert "".join("x" if stands else "." for stands in found) == expected


def test_each_gateway_counts_for_itself_and_not_more_are_remembered_than_a_bound():
    sequences = Sequences()
    for number in range(2 * MOST_GATEWAYS):
        assert not sequences.stands_still(frame(5, 0, gateway=f"gw-{number}"))
    assert len(sequences._first_sent) <= MOST_GATEWAYS
    assert sequences.stands_still(frame(5, 1, gateway=f"gw-{number}"))


def test_r5_a_gateway_that_sends_one_cycle_for_ever_is_refused_and_its_points_fall_silent():
    loop = GridLoop(small_hub(), "north")
    for second in range(10):
        shown = frame(7, second)
        outcome = loop.fold(shown, received_at_us=shown.sent_at_us)
        if second:
            assert isinstance(outcome, Rejected)
            assert outcome.reason is DeadLetterReason.SEQUENCE_STANDS_STILL
    assert loop.folded_until_us == QUARTER_START_US
