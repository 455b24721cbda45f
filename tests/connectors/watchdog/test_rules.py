"""The watchdog's rules in virtual time: rows of when, what was heard, and what has to be said (R8, R13, R17)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.watchdog.rules import (
    BREAK_S,
    GRACE_S,
    LoopWatch,
    Patience,
    hear_setpoints,
    hear_state,
    judge,
    resume,
    said,
)
from streams.guard_messages import ConditionPhase
from streams.messages import Epoch, LoopState, NodeStates
from tests.connectors.dispatch.lease_tables import full, wall_us

PATIENCE = Patience(revert_s=8.0)
NODES = NodeStates(**{name: [] for name in NodeStates.__struct_fields__})
AT_START = {"-controller_silent", "-telemetry_silent", "-reverted", "-second_controller"}
SILENT, BLIND, REVERT = "+controller_silent", "+telemetry_silent", "+reverted"
NOT_SILENT, NOT_BLIND, RELEASED = "-controller_silent", "-telemetry_silent", "-reverted"


class Loop:
    """One grid loop and its worker; `at` is the watchdog's clock."""

    def __init__(self):
        self.watch = LoopWatch(watched_since_s=0.0)
        self.sequence = 0

    def decide(self, at_s, *, epoch=1, folded_s=None, tick=None, sequence=None):
        """A frame and a state, as one tick gives."""
        self.frame(at_s, epoch=epoch, folded_s=folded_s, tick=tick, sequence=sequence)
        self.state(at_s, epoch=epoch, folded_s=folded_s, tick=tick)

    def frame(self, at_s, *, epoch=1, folded_s=None, tick=None, sequence=None):
        self.sequence += 1
        frame = msgspec.structs.replace(
            full(self.sequence if sequence is None else sequence, at_s, epoch=epoch, pv=-1),
            tick=int(at_s) if tick is None else tick,
            folded_until_us=wall_us(at_s if folded_s is None else folded_s),
        )
        self.watch = hear_setpoints(self.watch, frame, at_s)

    def state(self, at_s, *, epoch=1, folded_s=None, tick=None):
        state = LoopState(
            grid_loop="ring",
            tick=int(at_s) if tick is None else tick,
            at_us=wall_us(at_s),
            epoch=Epoch(1, epoch, 0),
            nodes=NODES,
            missed_ticks=0,
            folded_until_us=wall_us(at_s if folded_s is None else folded_s),
        )
        self.watch = hear_state(self.watch, state, at_s)

    def says(self, at_s):
        """What has to be said, all of it said at once."""
        found = judge(self.watch, at_s, PATIENCE)
        for finding in found:
            self.watch = said(self.watch, finding)
        return {("+" if each.phase is ConditionPhase.SEEN else "-") + each.kind for each in found}

    def run(self, seconds, **words):
        """Decisions each second, all well."""
        told = set()
        for at_s in seconds:
            self.decide(at_s, **words)
            told |= self.says(at_s)
        return told


@pytest.fixture
def loop():
    loop = Loop()
    assert loop.run(range(20)) == AT_START
    return loop


def timeline(loop, until_s, *, since_s=19, step_s=0.5):
    """When what was said, second by second without a word from the worker."""
    at_s, told = since_s, {}
    while at_s < until_s:
        at_s += step_s
        for word in loop.says(at_s):
            told.setdefault(word, []).append(at_s - since_s)
    return told


def test_R17_silence_is_a_condition_after_5_s_and_a_revert_after_8_s_each_once(loop):  # noqa: N802
    assert timeline(loop, 600) == {SILENT: [5.5], REVERT: [8.5]}


def test_R17_after_a_revert_both_are_over_when_decisions_come_again_and_the_next_silence_reverts_again(loop):  # noqa: N802
    timeline(loop, 60)
    assert loop.run(range(60, 80), epoch=2) == {NOT_SILENT, RELEASED}
    assert timeline(loop, 120, since_s=79) == {SILENT: [5.5], REVERT: [8.5]}


@pytest.mark.parametrize("gap_s", [4, 5, 6, 7, 8])
def test_R17_a_failover_of_up_to_8_s_reverts_nothing(loop, gap_s):  # noqa: N802
    told = set(timeline(loop, 19 + gap_s)) | loop.run(range(19 + gap_s, 60), epoch=2)
    assert told == (set() if gap_s <= 5 else {SILENT, NOT_SILENT})


def test_R17_a_loop_whose_states_stand_still_is_silent_though_its_setpoints_go_on(loop):  # noqa: N802
    told = {}
    for at_s in range(20, 40):
        loop.frame(at_s)
        told |= dict.fromkeys(loop.says(at_s), at_s - 19)
    assert told == {SILENT: 6, REVERT: 9}


@pytest.mark.parametrize(
    "stuck",
    [
        pytest.param({"tick": 19}, id="the same tick again and again"),
        pytest.param({"sequence": 20}, id="the same frame again and again"),
    ],
)
def test_R17_what_comes_again_is_no_sign_of_life(loop, stuck):  # noqa: N802
    told = set()
    for at_s in range(20, 40):
        loop.frame(at_s, **stuck)
        if "tick" in stuck:
            loop.state(at_s, **stuck)
        else:
            loop.state(at_s)
        told |= loop.says(at_s)
    assert told == {SILENT, REVERT}


def test_R17_decisions_without_a_newer_reading_are_a_condition_of_their_own_and_a_revert(loop):  # noqa: N802
    told = {}
    for at_s in range(20, 40):
        loop.decide(at_s, folded_s=19)
        told |= dict.fromkeys(loop.says(at_s), at_s - 19)
    assert told == {BLIND: 6, REVERT: 9}
    assert loop.run(range(40, 50)) == {NOT_BLIND, RELEASED}


def test_R13_nobody_is_silent_before_the_first_decision_for_a_grace_time_and_then_is():  # noqa: N802
    loop = Loop()
    told = timeline(loop, GRACE_S + 60, since_s=0)
    assert {word: [at_s - GRACE_S for at_s in times] for word, times in told.items()} == {
        SILENT: [0.5],
        REVERT: [0.5],
        NOT_BLIND: [0.5],
        "-second_controller": [0.5],
    }


def test_R13_a_first_frame_that_is_read_before_its_state_raises_nothing():  # noqa: N802
    loop = Loop()
    loop.frame(20)
    told = loop.says(20)
    loop.state(20.2)
    assert told | loop.says(20.2) | loop.run(range(21, 40)) == AT_START


def test_a_break_in_reading_counts_silence_anew(loop):
    """The broker was away for 20 s; the worker is heard 4 s after it came back."""
    loop.watch = resume(loop.watch, 39)
    assert timeline(loop, 43, since_s=39) == {}
    assert loop.run(range(43, 60)) == set()
    assert PATIENCE.warn_s > BREAK_S


def test_what_did_not_reach_the_log_is_found_again(loop):
    first, again = (judge(loop.watch, at_s, PATIENCE) for at_s in (28, 29))
    assert [finding.kind for finding in first] == [finding.kind for finding in again]


def test_R8_somebody_of_a_lower_epoch_is_a_second_controller_until_it_is_quiet(loop):  # noqa: N802
    loop.run(range(20, 30), epoch=3)
    told = {}
    for at_s in range(30, 80):
        loop.decide(at_s, epoch=3)
        if at_s < 40:
            loop.frame(at_s, epoch=2, sequence=10_000 + at_s)
        for word in loop.says(at_s):
            told.setdefault(word, []).append(at_s)
    assert told == {"+second_controller": [30], "-second_controller": [70]}


def test_R8_what_a_second_controller_writes_is_no_sign_of_life(loop):  # noqa: N802
    loop.run(range(20, 30), epoch=3)
    told = set()
    for at_s in range(30, 40):
        loop.decide(at_s, epoch=2, sequence=10_000 + at_s)
        told |= loop.says(at_s)
    assert told == {SILENT, REVERT, "+second_controller"}


@pytest.mark.parametrize(("revert_s", "warn_s"), [(8.0, 5.0), (5.0, 5.0), (3.0, 3.0)])
def test_silence_is_said_no_later_than_it_reverts(revert_s, warn_s):
    assert Patience(revert_s=revert_s).warn_s == warn_s


@given(st.lists(st.floats(0.2, 30.0), min_size=1, max_size=12))
def test_R17_each_silence_is_reverted_once_if_it_lasts_and_no_other(gaps_s):  # noqa: N802
    """Judged twice a second: what is within half a second of 8 s may go either way."""
    loop = Loop()
    loop.run(range(20))
    at_s = 19.0
    for tick, gap_s in enumerate(gaps_s, start=20):
        told = timeline(loop, at_s + gap_s - 0.5, since_s=at_s)
        assert len(told.get(REVERT, [])) <= 1
        assert (REVERT in told) or gap_s < PATIENCE.revert_s + 1.0
        assert (REVERT not in told) or gap_s > PATIENCE.revert_s
        at_s += gap_s
        loop.decide(at_s, tick=tick, folded_s=at_s)
        assert (RELEASED in loop.says(at_s)) == (REVERT in told)
