"""Workers that die, come, go and freeze: somebody balances every loop again soon, and no watt-hour is lost or doubled."""

import os
import signal
import time

import msgspec
import pytest

from connectors.store.migrations import migrate
from hub.model import STATION
from hub.quarters import QUARTER_US
from streams.codec import decode_result, decode_state
from streams.messages import Outcome, Refusal
from streams.topics import CLAIM, LOOP_STATE, SETPOINT, SETPOINT_RESULT
from tests.connectors.dispatch.worker_double import Worker
from tests.faults.judging import (
    GAP_S,
    assert_dispatch_took_no_older,
    assert_store_is_the_ledger,
    by_loop,
    everybody_since,
    generations,
    late_frames,
    marked,
    owners,
    wait_until_stored,
    worst_gap_s,
)

pytestmark = pytest.mark.services

SETTLED_US = 3_000_000
WH_TOLERANCE = 0.5
"""Registers are whole watt-hours, the states carry means in kW."""


class Watch:
    """What the park of one test is told, from the beginning."""

    def __init__(self, gateway, listener):
        self.gateway = gateway
        self.listener = listener
        self.loops = {loop.id for loop in gateway.hub.grid_loops}

    def until_all_are_balanced(self):
        """Every setpoint frame so far, once every loop has a new one."""
        return self.listener.wait(SETPOINT, everybody_since(time.time(), self.loops), within_s=90)

    def results(self):
        return [decode_result(m.value) for m in self.listener.so_far(SETPOINT_RESULT)]

    def assert_each_loop_had_one_writer(self, messages):
        """Two workers shared all loops for a while, one had them in the end, and nobody wrote after his successor."""
        claimed = owners(self.listener.so_far(CLAIM))
        shared = [loops for loops in claimed.values() if len(set(loops.values())) == 2]
        assert {*self.loops, STATION} in [set(loops) for loops in shared]
        assert len(set(claimed[max(claimed)].values())) == 1
        assert generations(messages) <= set(claimed)
        assert late_frames(messages) == []

    def assert_quarters_exact(self, *, since_s):
        """Every state since then knows each node's energy of this quarter as the gateway's ledger does.

        Who has just taken a loop may know only part of the quarter, until the gap in his log is read: the gateway
        delivered the quarter's beginning late, all at once. From the first whole state on each of his is whole.
        """
        states = self.settled_states(since_s)
        whole = set()
        for state in states:
            writer = (state.grid_loop, state.epoch)
            assert is_whole(state) or writer not in whole, state
            if is_whole(state):
                whole.add(writer)
                assert self.differs_wh(state) < WH_TOLERANCE, state
        last = {state.grid_loop: (state.grid_loop, state.epoch) for state in states}
        assert set(last) == {*self.loops, STATION}
        assert set(last.values()) <= whole

    def until_quarters_are_whole(self):
        """Until each loop's quarter is known from its beginning again."""

        def all_whole(_):
            return {state.grid_loop for state in self.settled_states(since_s) if is_whole(state)} >= everyone

        since_s, everyone = time.time(), {*self.loops, STATION}
        self.listener.wait(LOOP_STATE, all_whole, within_s=60)

    def settled_states(self, since_s):
        """Without those of a quarter's beginning, whose first readings are on their way."""
        states = [decode_state(m.value) for m in self.listener.so_far(LOOP_STATE) if m.at_s > since_s]
        return [state for state in states if state.mode == "closed" and state.at_us % QUARTER_US >= SETTLED_US]

    def differs_wh(self, state):
        """Of the node whose energy differs most from the ledger's; one that no register tells is not judged."""
        passed_h = state.at_us % QUARTER_US / 3_600e6
        means_kw = zip(state.nodes.ids, state.nodes.quarter_import_kw, strict=True)
        return max(
            abs(mean_kw - self.gateway.expected_kw(node)) * passed_h * 1000
            for node, mean_kw in means_kw
            if mean_kw is not None
        )


def is_whole(state):
    return state.nodes.coverage_ratio == [1.0] * len(state.nodes.ids)


@pytest.fixture
def watch(listen, gateway):
    return Watch(gateway, listen(SETPOINT, LOOP_STATE, SETPOINT_RESULT, CLAIM))


def test_R8_a_worker_killed_three_times_is_replaced_and_the_quarter_stays_exact(roles, watch):  # noqa: N802
    roles.start("dispatch")
    worker = roles.start("worker")
    watch.until_all_are_balanced()
    gaps_s = []
    for _ in range(3):
        killed_s = time.time()
        worker.kill()
        worker = roles.start("worker")
        messages = watch.until_all_are_balanced()
        gaps_s.append(round(worst_gap_s(messages, after_s=killed_s), 2))
    since_s = time.time()
    watch.until_quarters_are_whole()
    print(f"control gaps after kill -9 and restart: {gaps_s} s")
    assert max(gaps_s) < GAP_S
    assert len(generations(messages)) >= 4
    assert late_frames(messages) == []
    watch.assert_quarters_exact(since_s=since_s)
    assert_dispatch_took_no_older(watch.results(), watch.listener.so_far(SETPOINT))


def test_a_second_worker_joins_and_leaves_in_mid_quarter(roles, watch, gateway, postgres_dsn):
    migrate(postgres_dsn)
    roles.dsn = postgres_dsn
    roles.start("worker", "first")
    recorder = roles.start("recorder")
    watch.until_all_are_balanced()
    joined_s = time.time()
    second = roles.start("worker", "second")
    watch.listener.wait(SETPOINT, lambda messages: generations(messages) != {1}, within_s=60)
    joined_gap_s = worst_gap_s(watch.until_all_are_balanced(), after_s=joined_s)
    left_s = time.time()
    second.terminate()
    assert second.wait(20) == 0
    messages = watch.until_all_are_balanced()
    left_gap_s = worst_gap_s(messages, after_s=left_s)
    watch.until_quarters_are_whole()
    print(f"control gap at a join {joined_gap_s:.2f} s, at a clean stop {left_gap_s:.2f} s")
    assert max(joined_gap_s, left_gap_s) < GAP_S
    watch.assert_each_loop_had_one_writer(messages)
    watch.assert_quarters_exact(since_s=joined_s)
    gateway.stop()
    wait_until_stored(postgres_dsn, gateway)
    recorder.terminate()
    assert recorder.wait(30) == 0
    assert_store_is_the_ledger(postgres_dsn, gateway)


def test_R2_R8_nothing_old_of_a_frozen_worker_is_applied_when_it_wakes_up(roles, watch, broker):  # noqa: N802
    roles.start("dispatch")
    frozen = roles.start("worker", "frozen")
    watch.until_all_are_balanced()
    roles.start("worker", "other")
    watch.listener.wait(SETPOINT, lambda messages: generations(messages) != {1}, within_s=60)
    watch.until_all_are_balanced()
    os.kill(frozen.pid, signal.SIGSTOP)
    stopped_s = time.time()
    time.sleep(6)
    watch.until_all_are_balanced()
    os.kill(frozen.pid, signal.SIGCONT)
    woken_s = time.time()
    time.sleep(8)
    messages = watch.until_all_are_balanced()
    gap_s, woken_gap_s = worst_gap_s(messages, after_s=stopped_s), worst_gap_s(messages, after_s=woken_s)
    late = late_frames(messages)
    print(
        f"control gap after a worker froze {gap_s:.2f} s, after it woke up {woken_gap_s:.2f} s;"
        f" it wrote {len(late)} old frames for dispatch to refuse"
    )
    assert gap_s < GAP_S
    assert frozen.poll() is None
    assert refusal_of_a_late_frame(messages, broker, watch.gateway.hub.id) == Refusal.LOWER_EPOCH
    refused = {marked(result) for result in watch.results() if result.outcome == Outcome.REFUSED}
    assert set(map(marked, late)) <= refused
    assert_dispatch_took_no_older(watch.results(), watch.listener.so_far(SETPOINT))
    settled_s = time.time()  # who has just taken a loop counts what he does not know yet at its unfavourable end
    watch.until_quarters_are_whole()
    watch.assert_quarters_exact(since_s=settled_s)


def refusal_of_a_late_frame(messages, broker, hub_id):
    """What dispatch says to the worst a frozen worker could write: new, in good order, but of its old epoch."""
    loop, frames = next(iter(by_loop(messages).items()))
    first = frames[0][1]
    late = msgspec.structs.replace(first, sequence=1_000_000, issued_at_us=time.time_ns() // 1000)
    with Worker(broker.bootstrap, hub_id, loop) as frozen:
        frozen.write(late)
        answer = frozen.answered(lambda each: (each.epoch, each.sequence) == (late.epoch, late.sequence))
    return answer and answer.refusal
