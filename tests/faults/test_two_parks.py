"""Two parks on one broker, their stations on one partition: neither hears, balances or buries what is the other's."""

import time
import uuid

import pytest

from streams.codec import decode_budget, decode_offer, decode_state
from streams.topics import (
    LOOP_BUDGET,
    LOOP_OFFER,
    LOOP_STATE,
    SETPOINT,
    TELEMETRY,
    dead_letter,
    partition_of,
    station_key,
)
from tests.faults.judging import by_loop, everybody_since, median_into_tick_s
from tests.faults.park import Gateway, Listener, Roles, copy_hub

pytestmark = pytest.mark.services

NEW_TICKS = 5

LETTERS = tuple(map(dead_letter, (TELEMETRY, LOOP_OFFER, LOOP_BUDGET)))
TOPICS = (SETPOINT, LOOP_STATE, LOOP_OFFER, LOOP_BUDGET, *LETTERS)


def name_beside(partition):
    """A hub's name whose station is on the partition."""
    while partition_of(station_key(name := f"park-{uuid.uuid4().hex[:8]}")) != partition:
        pass
    return name


@pytest.fixture
def other(broker, hub, tmp_path, kernel_cache):
    """The other park: gateway, worker and what it says."""
    hub_dir = copy_hub(tmp_path, name_beside(partition_of(station_key(hub.id))))
    gateway = Gateway(hub_dir, broker.bootstrap, shift=1).start()
    roles = Roles(tmp_path / "other", hub_dir, broker.bootstrap, kernel_cache)
    listener = Listener(broker.bootstrap, gateway.hub.id, *TOPICS)
    roles.folder.mkdir()
    roles.start("worker")
    yield gateway, listener
    listener.close()
    roles.stop()
    gateway.stop()


def assert_loops_obey_their_own_budgets(listener, loops):
    """Each loop's last offer acknowledges one of the newest budgets that its own hub agent gave it."""
    given = {
        (b.grid_loop, b.epoch, b.number): b.tick for b in (decode_budget(m.value) for m in listener.so_far(LOOP_BUDGET))
    }
    last = {offer.grid_loop: offer for offer in (decode_offer(m.value) for m in listener.so_far(LOOP_OFFER))}
    assert last.keys() == loops
    for loop, offer in last.items():
        assert offer.tick - given[loop, offer.acknowledged_epoch, offer.acknowledged] <= NEW_TICKS


def test_two_parks_on_one_broker_do_not_hear_each_other(other, gateway, roles, listen):
    loops = {loop.id for loop in gateway.hub.grid_loops}
    parks = {gateway: listen(*TOPICS), other[0]: other[1]}
    other[1].wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    roles.start("worker")
    for listener in parks.values():
        listener.wait(SETPOINT, everybody_since(time.time() + 3, loops), within_s=90)
    for park, listener in parks.items():
        setpoints, states = listener.so_far(SETPOINT), listener.so_far(LOOP_STATE)
        assert [listener.heard[letters.name] for letters in LETTERS] == [[], [], []]
        assert {frame.epoch.generation for frames in by_loop(setpoints).values() for _, frame in frames} == {1}
        into_tick_s = median_into_tick_s(setpoints, [(0, time.time())])
        print(f"{park.hub.id}: setpoints {1000 * into_tick_s:.0f} ms into the tick (200 ms: no budget came)")
        assert_loops_obey_their_own_budgets(listener, loops)
        for state in (decode_state(m.value) for m in states):
            for node, power_kw in zip(state.nodes.ids, state.nodes.power_kw, strict=True):
                assert abs(power_kw - park.expected_kw(node)) < 0.001, (node, power_kw)
