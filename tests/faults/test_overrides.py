"""An operator stops a roof of a running park: down within seconds, not moved by a setpoint, nor by its own reversion
value where there is no worker; freed by two people."""

import time

import msgspec
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from connectors.operator_commands import OverrideCommands
from lusbalans.cli import main
from streams.codec import decode_result, decode_setpoint, decode_telemetry, encode
from streams.messages import Epoch, Outcome, Reason, Refusal
from streams.topics import SETPOINT, SETPOINT_RESULT, TELEMETRY, key_of, partition_of
from streams.two_people import Done, Person
from tests.faults.judging import everybody_since

pytestmark = pytest.mark.services

LOOP, ROOF = "lus-2", "pv-08"
REVERSION_KW = -21.6
OBEYED_S = 15.0
"""A roof ramps down in ten seconds at most; what it took is printed."""


class Park:
    """A simulated park on a sunny noon, with whoever looks at it."""

    def __init__(self, broker, hub, hub_dir, listener):
        self.bootstrap, self.hub, self.hub_dir, self.listener = broker.bootstrap, hub, hub_dir, listener

    def command(self, verb, *words):
        """What `lusbalans override` printed, and when it returned."""
        at = ["--hub", str(self.hub_dir), "--bootstrap", self.bootstrap]
        result = CliRunner().invoke(main, ["override", verb, *at, *words])
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout, time.time()

    def measured_kw(self, asset, *, since_s):
        """Powers of an asset by the broker's time, of every reading since."""
        frames = [(heard.at_s, decode_telemetry(heard.value)) for heard in self.listener.so_far(TELEMETRY)]
        return [
            (at_s, frame.power_kw[frame.ids.index(asset)])
            for at_s, frame in frames
            if at_s > since_s and asset in frame.ids
        ]

    def wait(self, asset, enough, *, since_s, within_s=OBEYED_S):
        """When an asset's power first was as expected."""
        deadline_s = time.monotonic() + within_s
        while not (found := [at_s for at_s, kw in self.measured_kw(asset, since_s=since_s) if enough(kw)]):
            assert time.monotonic() < deadline_s, self.measured_kw(asset, since_s=since_s)[-3:]
        return found[0]

    def frames(self, *, since_s):
        frames = [decode_setpoint(heard.value) for heard in self.listener.so_far(SETPOINT) if heard.at_s > since_s]
        return [frame for frame in frames if frame.grid_loop == LOOP and frame.full]

    def refused(self, *, since_s):
        """What dispatch refused of the roof's grid loop."""

        def of(messages):
            answers = [decode_result(heard.value) for heard in messages if heard.at_s > since_s]
            return [each for each in answers if (each.grid_loop, each.outcome) == (LOOP, Outcome.REFUSED)]

        return of(self.listener.wait(SETPOINT_RESULT, of, within_s=OBEYED_S))


@pytest.fixture
def park(broker, hub, hub_dir, roles, listen):
    for role in ("simulator", "dispatch"):
        roles.start(role)
    running = Park(broker, hub, hub_dir, listen(TELEMETRY, SETPOINT, SETPOINT_RESULT))
    running.worker = roles.start("worker")
    running.listener.wait(SETPOINT, everybody_since(time.time(), {loop.id for loop in hub.grid_loops}), within_s=90)
    running.wait(ROOF, lambda kw: kw < -10, since_s=0, within_s=60)
    return running


def at_rest(kw):
    return abs(kw) < 0.1


def test_r10_a_stopped_roof_is_moved_by_nobody_until_two_people_free_it(park):
    told, stop_s = park.command("set", ROOF, "stop", "--why", "smoke on the roof")
    assert told.startswith(f"{ROOF}: stop, kept at 0 kW")
    down_s = park.wait(ROOF, at_rest, since_s=stop_s)
    print(f"at rest {down_s - stop_s:.1f} s after the command returned")
    told_reasons = [frame.reason[frame.ids.index(ROOF)] for frame in park.frames(since_s=stop_s)]
    assert Reason.OVERRIDE in told_reasons

    park.worker.kill()
    killed_s = time.time()
    somebody_asks_for_full_sun(park)
    (refused, *_) = park.refused(since_s=killed_s)
    assert (refused.refusal, refused.ids) == (Refusal.OVERRIDDEN, [ROOF])
    lease_over_s = killed_s + park.hub.timing.setpoint_valid_s + 2
    park.wait(ROOF, at_rest, since_s=lease_over_s, within_s=30)
    assert all(at_rest(kw) for _, kw in park.measured_kw(ROOF, since_s=down_s))

    told, asked_s = park.command("withdraw", ROOF, "--why", "it was the barbecue")
    assert "WAITS for a second person" in told
    park.wait(ROOF, at_rest, since_s=asked_s)
    with OverrideCommands(park.bootstrap, park.hub, Person("a-second-person")) as second:
        assert isinstance(second.confirm_override(ROOF), Done)
    park.wait(ROOF, lambda kw: kw == pytest.approx(REVERSION_KW, abs=1.0), since_s=time.time())


def somebody_asks_for_full_sun(park):
    """A worker that knows of no override, with a higher epoch than the one that was killed."""
    last = park.frames(since_s=0)[-1]
    asked = msgspec.structs.replace(
        last,
        epoch=Epoch(last.epoch.incarnation, last.epoch.generation + 1, 0),
        issued_at_us=time.time_ns() // 1000,
        folded_until_us=time.time_ns() // 1000,
        power_kw=[-200.0 if asset == ROOF else kw for asset, kw in zip(last.ids, last.power_kw, strict=True)],
    )
    key = key_of(park.hub.id, LOOP)
    producer = KafkaProducer(bootstrap_servers=park.bootstrap)
    producer.send(SETPOINT.name, encode(asked), key=key, partition=partition_of(key)).get(timeout=10)
    producer.close()
