"""Random histories of writers, clocks, crashes and broken links: nothing old is ever applied (R1, R2, R8, R9, R17)."""

import math
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.dispatch import outages, rules
from connectors.dispatch.rules import Accepted, LoopLease, Mark, Refused
from connectors.simulator.leases import DeviceLeases, fresh_leases, told
from connectors.simulator.wire import Write
from streams.messages import Epoch
from tests.connectors.dispatch.lease_tables import BATTERY, fresh, full, renewal, wall_us

WAITS = st.tuples(st.just("wait"), st.floats(0.01, 12.0))
FRAMES = st.tuples(
    st.just("frame"),
    st.booleans(),
    st.integers(1, 3),
    st.integers(0, 8),
    st.floats(-2.5, 4.0),
    st.sampled_from([0.0, 0.5, 2.0, 10.0]),
    st.integers(0, 8),
)
CRASHES = st.tuples(st.just("crash"))
REVERTS = st.tuples(st.just("revert"))
LINK = st.tuples(st.just("link"), st.booleans())
HISTORIES = st.lists(st.one_of(WAITS, FRAMES, FRAMES, CRASHES, REVERTS, LINK), max_size=40)


@dataclass
class World:
    """Dispatch with one battery and its device; each full frame asks a value of its own, so a value names its frame."""

    state: LoopLease = field(default_factory=lambda: replace(fresh(), rules={"battery": BATTERY}))
    device: DeviceLeases = field(default_factory=lambda: fresh_leases(1))
    now_s: float = 0.0
    link_up: bool = True
    frames: int = 0
    marks: list[Mark] = field(default_factory=list)
    valid_until_s: dict[float, float] = field(default_factory=dict)
    issued_s: dict[float, float] = field(default_factory=dict)
    accepted_s: dict[float, float] = field(default_factory=dict)
    reverted_s: float = -math.inf
    in_force_kw: float | None = None

    def frame(self, parts):
        is_full, epoch, sequence, age_s, valid_s, of = parts
        self.frames += 1
        value_kw = self.frames / 100
        issued_s = self.now_s - age_s
        message = (
            full(sequence, issued_s, epoch=epoch, valid_s=valid_s, battery=value_kw)
            if is_full
            else renewal(sequence, issued_s, of=of, epoch=epoch, valid_s=valid_s)
        )
        self.state, outcome = rules.receive(self.state, message, now_s=self.now_s, now_us=wall_us(self.now_s))
        if isinstance(outcome, Refused):
            return
        assert age_s <= min(3.0, valid_s) + 1e-6
        self.marks.append(Mark(message.epoch, sequence))
        if isinstance(outcome, Accepted):
            self.in_force_kw = value_kw
            self.issued_s[value_kw], self.accepted_s[value_kw] = issued_s, self.now_s
        assert self.in_force_kw is not None
        self.valid_until_s[self.in_force_kw] = self.now_s + valid_s

    def turn(self):
        self.state, _ = rules.expire(self.state, self.now_s)
        self.state, writes = rules.due(self.state, self.now_s)
        if not writes:
            return
        if not self.link_up:
            self.state, _ = outages.failed(self.state, ["battery"], self.now_s)
            return
        rows = [Write(write.asset_id, write.power_kw, write.lease_s) for write in writes]
        self.device, refused = told(self.device, rows, index={"battery": 0}, now_s=self.now_s)
        assert not refused
        self.state = outages.delivered(self.state, ["battery"], self.now_s)
        for write in writes:
            self.check_applied(write.power_kw)

    def check_applied(self, power_kw):
        """A value other than the reversion value is told only while its frame's lease, and the lag, run."""
        if power_kw != BATTERY.reversion_kw:
            assert self.now_s < self.valid_until_s[power_kw] + BATTERY.lag_s
            assert self.issued_s[power_kw] > self.reverted_s

    def check_device(self):
        """The device obeys a value no longer than both leases together allow (R1)."""
        obeyed_kw, _ = self.device.obeyed_kw(fresh_leases(1).setpoint_kw, self.now_s)
        if obeyed_kw[0] != BATTERY.reversion_kw:
            assert self.now_s < self.valid_until_s[float(obeyed_kw[0])] + BATTERY.lag_s + BATTERY.lease_s

    def crash(self):
        """The process restarts with what was on disk: the high-water mark, nothing else."""
        latched_s = self.now_s if rules.is_latched(self.state) else -math.inf
        self.state = rules.start({"battery": BATTERY}, self.state.high_water, in_failsafe=False, reverted_s=latched_s)
        self.in_force_kw = None

    def revert(self):
        self.state, _ = rules.revert(self.state, self.now_s)
        self.reverted_s, self.in_force_kw = self.now_s, None


def play(world: World, event) -> None:
    match event:
        case ("wait", duration_s):
            world.now_s += duration_s
        case ("frame", *parts):
            world.frame(parts)
        case ("crash",):
            world.crash()
        case ("revert",):
            world.revert()
        case ("link", is_up):
            world.link_up = is_up


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_R8_R9_R17_nothing_older_than_what_was_accepted_than_its_lease_or_than_a_revert_is_ever_applied(events):  # noqa: N802
    world = World()
    for event in events:
        play(world, event)
        world.turn()
        world.check_device()
    assert all(earlier < later for earlier, later in zip(world.marks, world.marks[1:], strict=False))
    assert all(mark.epoch >= Epoch(1, 0, 0) for mark in world.marks)
