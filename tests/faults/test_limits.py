"""The grid operator lowers what a running grid loop may feed in to 30 %: obeyed, kept over a worker's death, released
by two people."""

import time
from itertools import takewhile

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from connectors.operator_commands import OperatorCommands
from lusbalans.cli import main
from streams.codec import decode_state
from streams.limit_entries import limit_key
from streams.messages import DeadLetterReason
from streams.topics import LIMIT, LOOP_STATE, SETPOINT, dead_letter
from streams.two_people import Done, Person
from tests.faults.judging import everybody_since

pytestmark = pytest.mark.services

LOOP, CAP = "lus-1", "cap-30"
FULL_KW, CAP_KW = 250.0, 75.0
"""What the hub folder lets the loop feed in, and 30 % of it."""
OBEYED_S = 15.0
"""Batteries and roofs follow within some seconds; what it took is printed."""
NOISE_KW = 5.0
"""What sun and loads of a loop change between a reading and the devices' answer; only the park has a margin for that."""


class Park:
    """A simulated park on a sunny noon, with whoever looks at it."""

    def __init__(self, broker, hub, hub_dir, listener):
        self.bootstrap, self.hub, self.hub_dir, self.listener = broker.bootstrap, hub, hub_dir, listener

    def command(self, verb, *words):
        """What `lusbalans limit` printed, and when it returned."""
        at = ["--hub", str(self.hub_dir), "--bootstrap", self.bootstrap]
        result = CliRunner().invoke(main, ["limit", verb, *at, LOOP, CAP, *words])
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout, time.time()

    def rows(self, *, since_s):
        """Tick, epoch, power, export limit and its layer of the loop, of every state since."""
        rows = []
        for heard in self.listener.so_far(LOOP_STATE):
            state = decode_state(heard.value)
            if state.grid_loop == LOOP and heard.at_s > since_s:
                at = state.nodes.ids.index(LOOP)
                nodes = state.nodes
                rows.append(
                    (state.tick, state.epoch, nodes.power_kw[at], nodes.limit_export_kw[at],
                     nodes.limit_export_layer[at])
                )  # fmt: skip
        return rows

    def wait(self, enough, *, since_s, within_s=OBEYED_S):
        deadline_s = time.monotonic() + within_s
        while not enough(rows := self.rows(since_s=since_s)):
            assert time.monotonic() < deadline_s, rows[-3:]
        return rows


@pytest.fixture
def park(broker, hub, hub_dir, roles, listen):
    for role in ("simulator", "dispatch"):
        roles.start(role)
    running = Park(broker, hub, hub_dir, listen(LOOP_STATE, SETPOINT, dead_letter(LIMIT)))
    running.worker = roles.start("worker")
    running.listener.wait(SETPOINT, everybody_since(time.time(), {loop.id for loop in hub.grid_loops}), within_s=90)
    running.wait(lambda rows: len(rows) > 5 and rows[-1][2] < -CAP_KW, since_s=0, within_s=60)
    return running


def capped(rows):
    """Nothing above the cap is allowed; less may be, by the hub agent's budget."""
    return all(row[3] <= CAP_KW for row in rows)


def named(rows):
    return any(row[3:] == (CAP_KW, "dso_cap") for row in rows)


def test_a_cap_to_30_percent_holds_from_the_next_tick_and_goes_when_two_people_say_so(park, roles):
    before_kw = park.rows(since_s=0)[-1][2]
    words = ("--layer", "dso_cap", "--export-kw", str(CAP_KW), "--source", "RTI", "--why", "the station is full")
    _, set_s = park.command("set", *words)
    rows = park.wait(
        lambda rows: len(rows) > 3 and named(rows) and rows[-1][2] >= -CAP_KW - NOISE_KW, since_s=set_s
    )  # fmt: skip
    assert capped([row for row in rows if row[0] >= int(set_s) + 2])
    first = next(row[0] for row in rows if row[3:] == (CAP_KW, "dso_cap"))
    slow = list(takewhile(lambda row: row[2] < -CAP_KW - NOISE_KW, rows))
    print(f"fed in {-before_kw:.0f} kW; the cap was in the state {first - int(set_s)} ticks after the command")
    print(f"and kept {len(slow)} ticks after it")
    assert_a_broken_message_changes_nothing(park)

    park.worker.kill()
    epoch, killed_s = rows[-1][1], time.time()
    roles.start("worker", "worker-2")

    def new(rows):
        return [row for row in rows if row[1] > epoch]

    rows = park.wait(lambda rows: named(new(rows)), since_s=killed_s, within_s=90)
    assert capped(new(rows)), "a successor decided without the cap"

    told, asked_s = park.command("withdraw", "--why", "there is room again")
    assert "WAITS for a second person" in told
    rows = park.wait(lambda rows: len(rows) >= 4, since_s=asked_s)
    assert capped(rows)
    with OperatorCommands(park.bootstrap, park.hub, Person("a-second-person")) as second:
        assert isinstance(second.confirm_limit(LOOP, CAP), Done)
    rows = park.wait(lambda rows: rows and rows[-1][3] > CAP_KW, since_s=time.time())
    assert rows[-1][3] <= FULL_KW


def assert_a_broken_message_changes_nothing(park):
    """It is buried with its bytes and its reason, and the cap stays."""
    broken_s, broken = time.time(), b'{"node": "lus-1"'
    producer = KafkaProducer(bootstrap_servers=park.bootstrap)
    producer.send(LIMIT.name, broken, key=limit_key(park.hub.id, LOOP, CAP), partition=0).get(timeout=10)
    producer.close()
    (buried,) = park.listener.wait(dead_letter(LIMIT), len, within_s=10)
    assert (buried.value, buried.headers["reason"]) == (broken, DeadLetterReason.NOT_JSON)
    assert capped(park.wait(lambda rows: len(rows) >= 2, since_s=broken_s))
