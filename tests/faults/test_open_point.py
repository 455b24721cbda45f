"""A ring's open point is said to move while the park runs, a worker dies in the middle, and nobody ever switches: the
meters show it."""

import time

import pytest
from click.testing import CliRunner

from connectors.operator_commands import TopologyCommands
from lusbalans.cli import main
from streams.codec import decode_condition, decode_state
from streams.guard_messages import ConditionKind
from streams.topics import CONDITION, LOOP_STATE, SETPOINT
from streams.two_people import Done, Person
from tests.faults.judging import everybody_since

pytestmark = pytest.mark.services

LOOP, BEFORE, AFTER = "lus-1", 4, 5
FOUND_S = 60.0
"""A contradiction lasts 10 s before it counts; what it took is printed."""


class Ring:
    """What the states of the loop say of its open point."""

    def __init__(self, listener):
        self.listener = listener

    def said(self, *, since_s):
        """When, epoch, certainty and positions of every state since."""
        rows = []
        for heard in self.listener.so_far(LOOP_STATE):
            state = decode_state(heard.value)
            if state.grid_loop == LOOP and heard.at_s > since_s:
                rows.append((heard.at_s, state.epoch, state.open_point, tuple(state.open_after)))
        return rows

    def wait(self, certainty, *, since_s, within_s):
        """Until a state says so; returns it."""
        deadline_s = time.monotonic() + within_s
        while not (found := [row for row in self.said(since_s=since_s) if row[2] == certainty]):
            assert time.monotonic() < deadline_s, self.said(since_s=since_s)[-3:]
            time.sleep(0.05)
        return found[0]


def test_both_positions_hold_over_a_workers_death_and_a_switch_that_nobody_threw_is_found_out(
    broker, hub, hub_dir, roles, listen
):
    for role in ("simulator", "dispatch"):
        roles.start(role)
    ring = Ring(listen(LOOP_STATE, SETPOINT, CONDITION))
    worker = roles.start("worker")
    ring.listener.wait(SETPOINT, everybody_since(time.time(), {loop.id for loop in hub.grid_loops}), within_s=90)
    assert ring.wait("confirmed", since_s=0, within_s=30)[3] == (BEFORE,)

    words = ["--hub", str(hub_dir), "--bootstrap", broker.bootstrap, LOOP, "--to", str(AFTER), "--why", "works"]
    moved = CliRunner().invoke(main, ["topology", "move", *words])
    assert (moved.exit_code, moved.stderr) == (0, "")
    moved_s = time.time()
    at_s, epoch, _, positions = ring.wait("switching", since_s=moved_s - 2, within_s=30)
    print(f"both positions held {max(at_s - moved_s, 0):.1f} s after the command")
    assert positions == (BEFORE, AFTER)

    worker.kill()
    killed_s = time.time()
    roles.start("worker", "worker-2")
    deadline_s = time.monotonic() + 90
    while not (after := [row for row in ring.said(since_s=killed_s) if row[1] > epoch]):
        assert time.monotonic() < deadline_s, "nobody took the loop over"
        time.sleep(0.05)
    print(f"a successor decided {after[0][0] - killed_s:.1f} s after the death of the first worker")
    assert {row[2:] for row in after} == {("switching", (BEFORE, AFTER))}, "it decided without both positions"

    with TopologyCommands(broker.bootstrap, hub, Person("a-second-person")) as second:
        assert isinstance(second.confirm(LOOP), Done)
    confirmed_s = time.time()
    assert ring.wait("confirmed", since_s=killed_s, within_s=30)[3] == (AFTER,)
    at_s, _, _, positions = ring.wait("unknown", since_s=confirmed_s - 2, within_s=FOUND_S)
    print(f"in doubt {at_s - confirmed_s:.1f} s after it was confirmed")
    assert positions == (3, 4, 5, 7)
    told = [decode_condition(heard.value) for heard in ring.listener.wait(CONDITION, seen_unknown, within_s=20)]
    (condition,) = [each for each in told if seen_unknown_one(each)]
    assert f"fit open after {BEFORE}" in condition.text


def seen_unknown(heard):
    return [each for each in heard if seen_unknown_one(decode_condition(each.value))]


def seen_unknown_one(condition):
    return (condition.kind, condition.phase) == (ConditionKind.OPEN_POINT_UNKNOWN, "seen")
