"""Ten parks on the same topics: workers that come and go share them, and one park that floods harms no other."""

import time
import uuid

import msgspec
import pytest
from kafka import KafkaProducer

from streams.codec import decode_setpoint, decode_state, encode
from streams.messages import Claim
from streams.topics import CLAIM, LOOP_STATE, SETPOINT, TELEMETRY, key_of, partition_of
from tests.faults.judging import by_loop, everybody_since, late_frames, worst_gap_s
from tests.faults.park import SECOND_US, Gateway, Listener, Roles, small_park

pytestmark = pytest.mark.services

PARKS = 10
HANDED_OVER_S = 5.0
"""What passes here on a busy machine; 2 s are aimed at, and what was measured is printed."""


FLOOD = 50
"""Times what the gateway sends."""

FLOOD_S = 8.0
PERIOD_S = 1.0
NOISE_S = 1.0
"""Between the broker's clock, a busy machine and ours."""


class TenParks:
    """Ten small parks, each with a gateway, and all that is said of them."""

    def __init__(self, folder, bootstrap):
        run = uuid.uuid4().hex[:8]
        hubs = [small_park(folder / f"parks-{run}", f"park-{run}-{at}", f"lus-{at}") for at in range(PARKS)]
        self.folder = hubs[0].parent
        self.gateways = {
            f"lus-{at}": Gateway(hub, bootstrap, shift=at).start() for at, hub in enumerate(hubs)
        }  # fmt: skip
        self.loops = set(self.gateways)
        self.listener = Listener(bootstrap, [hub.name for hub in hubs], SETPOINT, LOOP_STATE, CLAIM)

    def stop(self):
        self.listener.close()
        for gateway in self.gateways.values():
            gateway.stop()

    def until_all_are_balanced(self):
        """Every setpoint frame so far, once every loop of every park has a new one."""
        return self.listener.wait(SETPOINT, everybody_since(time.time(), self.loops), within_s=60)

    def owners(self):
        """Who has which loop, by the newest claims."""
        claims = [msgspec.json.decode(m.value, type=Claim) for m in self.listener.so_far(CLAIM)]
        return {claim.grid_loop: claim.worker for claim in claims if claim.grid_loop in self.loops}

    def until_shared_by(self, workers):
        until_s = time.monotonic() + 60
        while len(set(self.owners().values())) != workers:
            assert time.monotonic() < until_s, self.owners()
        return self.until_all_are_balanced()

    def handed_over_s(self, messages, *, stopped_s):
        """How long after a stop its slowest loop had the first frame of a successor."""
        generation = max(frame.epoch.generation for frames in by_loop(messages).values() for _, frame in frames)
        return max(
            min(at_s for at_s, frame in frames if frame.epoch.generation == generation) - stopped_s
            for frames in by_loop(messages).values()
        )

    def assert_each_sees_its_own_power(self):
        for state in (decode_state(m.value) for m in self.listener.so_far(LOOP_STATE)):
            if state.grid_loop in self.loops:
                gateway = self.gateways[state.grid_loop]
                for node, power_kw in zip(state.nodes.ids, state.nodes.power_kw, strict=True):
                    assert abs(power_kw - gateway.expected_kw(node)) < 0.001, (state.grid_loop, node, power_kw)


@pytest.fixture
def ten(broker, tmp_path):
    parks = TenParks(tmp_path, broker.bootstrap)
    yield parks
    parks.stop()


@pytest.fixture
def workers(ten, broker, tmp_path, kernel_cache):
    started = Roles(tmp_path, ten.folder, broker.bootstrap, kernel_cache)
    yield started
    started.stop()


def test_ten_parks_are_shared_by_two_and_four_workers_and_handed_over_at_a_clean_stop(ten, workers):
    running = [workers.start("worker", f"worker-{at}") for at in range(2)]
    ten.until_shared_by(2)
    joined_s = time.time()
    running += [workers.start("worker", f"worker-{at}") for at in (2, 3)]
    messages = ten.until_shared_by(4)
    print(f"two more workers: gap {worst_gap_s(messages, after_s=joined_s):.2f} s; owners {ten.owners()}")
    while len(running) > 1:
        stopped_s, leaving = time.time(), running.pop()
        leaving.terminate()
        assert leaving.wait(20) == 0
        messages = ten.until_shared_by(len(running))
        handed_over_s, gap_s = (
            ten.handed_over_s(messages, stopped_s=stopped_s),
            worst_gap_s(messages, after_s=stopped_s),
        )
        print(f"{len(running)} left: handed over {handed_over_s:.2f} s after SIGTERM, gap {gap_s:.2f} s")
        assert handed_over_s < HANDED_OVER_S
    assert late_frames(messages) == []
    assert {decode_setpoint(m.value).grid_loop for m in messages} == ten.loops
    ten.assert_each_sees_its_own_power()


def as_it_is(frame):
    return frame


def all_bad(frame):
    """Hundreds of readings of points that nobody has."""
    return repeated(msgspec.structs.replace(frame, ids=[f"{point}-x" for point in frame.ids]), 45)


def too_large(frame):
    return repeated(frame, 300)


def repeated(frame, times):
    """The same readings again and again, as one frame."""
    columns = ("ids", "measured_at_us", "power_kw", "energy_import_wh", "energy_export_wh", "min_kw", "max_kw")
    return msgspec.structs.replace(frame, **{name: getattr(frame, name) * times for name in columns})


@pytest.fixture
def flood(broker):
    """A second gateway of a loop that sends many times a second; returns how many frames."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=2_000_000)

    def run(gateway, grid_loop, shape):
        key, sent, until_s = key_of(gateway.hub.id, grid_loop), 0, time.time() + FLOOD_S
        while (now_s := time.time()) < until_s:
            frame = msgspec.structs.replace(gateway.frame(grid_loop, int(now_s) * SECOND_US), gateway="gw-mad")
            producer.send(TELEMETRY.name, encode(shape(frame)), key=key, partition=partition_of(key))
            sent += 1
            time.sleep(max(until_s - FLOOD_S + sent / FLOOD - time.time(), 0))
        producer.flush(30)
        return sent

    yield run
    producer.close()


@pytest.mark.parametrize("shape", [as_it_is, all_bad, too_large], ids=lambda shape: shape.__name__)
def test_R20_a_park_that_floods_delays_no_tick_of_another_and_keeps_its_own(ten, workers, flood, shape):  # noqa: N802
    workers.start("worker")
    ten.until_shared_by(1)
    began_s = time.time()
    sent = flood(ten.gateways["lus-0"], "lus-0", shape)
    ended_s = time.time()
    messages = ten.until_all_are_balanced()
    states = [decode_state(m.value) for m in ten.listener.so_far(LOOP_STATE) if began_s + 1 < m.at_s < ended_s]
    gap_s = worst_gap_s(messages, after_s=began_s, until_s=ended_s)
    ages_s = {loop: [] for loop in ten.loops}
    for state in states:
        if state.grid_loop in ten.loops:
            ages_s[state.grid_loop].append((state.at_us - state.folded_until_us) / SECOND_US)
    others_s, own_s = max(max(ages) for loop, ages in ages_s.items() if loop != "lus-0"), max(ages_s["lus-0"])
    print(
        f"{sent} frames in {FLOOD_S:g} s: gap {gap_s:.2f} s; oldest state of others {others_s:.2f} s, own {own_s:.2f} s"
    )
    assert gap_s < 2 * PERIOD_S + NOISE_S
    assert max(others_s, own_s) < 2 * PERIOD_S + NOISE_S
    assert {state.mode for state in states if state.grid_loop in ten.loops} == {"closed"}
