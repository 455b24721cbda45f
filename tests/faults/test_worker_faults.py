"""Workers that die, come, go and freeze: somebody balances every loop again soon, and no watt-hour is lost or doubled."""

import os
import signal
import time
from itertools import pairwise

import pytest

from hub.model import STATION
from streams.codec import decode_setpoint, decode_state
from streams.topics import LOOP_STATE, SETPOINT

pytestmark = pytest.mark.services

GAP_S = 20.0
"""Longest time without setpoints that passes here; what was measured is printed (5 s on a free machine)."""


def by_loop(messages):
    frames = {}
    for heard in messages:
        frame = decode_setpoint(heard.value)
        frames.setdefault(frame.grid_loop, []).append((heard.at_s, frame))
    return frames


def generations(messages):
    return {frame.epoch.generation for frames in by_loop(messages).values() for _, frame in frames}


def everybody_since(at_s, loops):
    return lambda messages: {decode_setpoint(m.value).grid_loop for m in messages if m.at_s > at_s} == loops


def worst_gap_s(messages, *, after_s):
    gaps = [
        later - before
        for frames in by_loop(messages).values()
        for (before, _), (later, _) in pairwise(frames)
        if later > after_s
    ]
    return max(gaps)


@pytest.fixture
def watch(listen, gateway):
    listener = listen(SETPOINT, LOOP_STATE)
    loops = {loop.id for loop in gateway.hub.grid_loops}

    def until_all_are_balanced():
        return listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)

    until_all_are_balanced.listener = listener
    return until_all_are_balanced


def assert_quarters_exact(watch, gateway, *, since_s):
    """Every state since then knows each node's quarter as the gateway's ledger does, to the rounding of the message."""
    states = [decode_state(m.value) for m in watch.listener.so_far(LOOP_STATE) if m.at_s > since_s]
    assert {state.grid_loop for state in states} == {*(loop.id for loop in gateway.hub.grid_loops), STATION}
    for state in states:
        if state.mode != "closed":
            continue
        for at, node in enumerate(state.nodes.ids):
            assert state.nodes.coverage_ratio[at] == 1.0, (state.grid_loop, node)
            mean_kw = state.nodes.quarter_import_kw[at]
            assert mean_kw is None or abs(mean_kw - gateway.expected_kw(node)) < 0.01, (state.grid_loop, node, mean_kw)


def assert_one_writer_at_a_time(messages):
    """Per loop, epochs never go back: once a successor wrote, the predecessor is not heard again."""
    for loop, frames in by_loop(messages).items():
        epochs = [frame.epoch for _, frame in frames]
        assert epochs == sorted(epochs), loop


def test_a_worker_killed_three_times_is_replaced_and_the_quarter_stays_exact(roles, gateway, watch):
    worker = roles.start("worker")
    watch()
    gaps_s = []
    for _ in range(3):
        killed_s = time.time()
        worker.kill()
        worker = roles.start("worker")
        messages = watch()
        gaps_s.append(round(worst_gap_s(messages, after_s=killed_s), 2))
    time.sleep(3)
    print(f"control gaps after kill -9 and restart: {gaps_s} s")
    assert max(gaps_s) < GAP_S
    assert_one_writer_at_a_time(messages)
    assert_quarters_exact(watch, gateway, since_s=time.time() - 2)
    assert len(generations(messages)) >= 4


def test_a_second_worker_joins_and_leaves_in_mid_quarter(roles, gateway, watch):
    roles.start("worker", "first")
    watch()
    joined_s = time.time()
    second = roles.start("worker", "second")
    watch.listener.wait(SETPOINT, lambda messages: generations(messages) != {1}, within_s=60)
    joined_gap_s = worst_gap_s(watch(), after_s=joined_s)
    left_s = time.time()
    second.terminate()
    assert second.wait(20) == 0
    messages = watch()
    time.sleep(3)
    print(f"control gap at a join {joined_gap_s:.2f} s, at a clean stop {worst_gap_s(messages, after_s=left_s):.2f} s")
    assert max(joined_gap_s, worst_gap_s(messages, after_s=left_s)) < GAP_S
    assert_one_writer_at_a_time(messages)
    assert_quarters_exact(watch, gateway, since_s=joined_s)


def test_a_frozen_worker_that_wakes_up_never_writes_over_its_successor(roles, gateway, watch):
    frozen = roles.start("worker", "frozen")
    watch()
    roles.start("worker", "other")
    time.sleep(10)
    watch()
    os.kill(frozen.pid, signal.SIGSTOP)
    stopped_s = time.time()
    time.sleep(6)
    messages = watch()
    os.kill(frozen.pid, signal.SIGCONT)
    time.sleep(8)
    messages = watch()
    print(f"control gap after a worker froze: {worst_gap_s(messages, after_s=stopped_s):.2f} s")
    assert worst_gap_s(messages, after_s=stopped_s) < GAP_S
    assert frozen.poll() is None
    late = [
        (loop, frame.epoch)
        for loop, frames in by_loop(messages).items()
        for (_, before), (_, frame) in pairwise(frames)
        if frame.epoch < before.epoch
    ]
    print(f"frames of the old epoch after the new one, for dispatch to refuse: {len(late)}")
