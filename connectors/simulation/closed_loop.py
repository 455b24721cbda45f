"""The closed loop in virtual time: park, gateways, grid loops, hub agent, dispatch and devices. One turn is a second.

Pure: every part is the one that runs as a service; this file only carries messages from one to the next, in the order
in which they would arrive, and lets faults lose or delay them.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from connectors.simulation.devices import Devices
from connectors.simulation.faults import LATE_S, FaultKind, Faults
from connectors.simulator.arrays import Floats
from connectors.simulator.park import Park
from connectors.simulator.telemetry import frame_of, gateways
from hub.model import Hub
from streams.grid_loop import Cycle, GridLoop
from streams.messages import Epoch, LoopState, SetpointFrame, SetpointResult, TelemetryFrame
from streams.station import Clearing, Station

SECOND_US: Final = 1_000_000

DECIDED_US: Final = 100_000
"""Into the tick: when a worker decides at the latest, with the frames that have come by then."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A telemetry frame that arrived."""

    grid_loop: str
    frame: TelemetryFrame
    received_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Second:
    """What happened in one second, as messages."""

    told_kw: Floats
    """[assets] What the devices' leases say during the second that follows; infinity for what nobody controls."""
    obeyed_kw: Floats
    """[assets] What the devices go to, those with a fault included."""
    heard: tuple[Heard, ...]
    states: tuple[LoopState, ...]
    setpoints: tuple[SetpointFrame, ...]
    results: tuple[SetpointResult, ...]


class ClosedLoop:
    """A park under control from `park.began_us` on.

    `in_failsafe` is how a park begins whose dispatch is new: its assets come back one by one, within minutes (R12).
    Without, it is as if dispatch had been there before.
    """

    def __init__(self, hub: Hub, park: Park, *, faults: Faults, in_failsafe: bool = False) -> None:
        self.park, self.faults = park, faults
        self.state = park.start()
        self.now_us = park.began_us
        self.loops = {loop.id: GridLoop(hub, loop.id) for loop in hub.grid_loops}
        self.station = Station(hub)
        self.devices = Devices.of(hub, park, in_failsafe=in_failsafe)
        self.cycles: dict[str, Cycle] = {}
        self.clearing: Clearing | None = None
        self._tick_us = round(hub.timing.tick_s * 1e6)
        self._gateways = gateways(hub, park)
        self._under_way: list[Heard] = []
        self._sequence = self._missed_ticks = self._generation = 0
        self._obeyed = deque([park.reversion_kw] * (LATE_S + 1), maxlen=LATE_S + 1)
        self._take_over()

    def turn(self) -> Second:
        """Let one second pass; the state after it is in `state`."""
        now_us = self.now_us
        self._send()
        heard = self._arrived(now_us + DECIDED_US)
        for each in heard:
            self.loops.get(each.grid_loop, self.station).fold(each.frame, received_at_us=each.received_at_us)
        states, frames = self._decide(now_us)
        decided_us = now_us + DECIDED_US
        results = [result for frame in frames for result in self.devices.receive(frame, now_us=decided_us)]
        results += self.devices.turn(now_us=decided_us)
        told_kw = self._told_kw(now_us + SECOND_US)
        obeyed_kw = self._as_devices_do(told_kw)
        self.now_us += SECOND_US
        self.state = self.park.step(self.state, obeyed_kw, at_us=self.now_us)
        return Second(
            told_kw=told_kw,
            obeyed_kw=obeyed_kw,
            heard=tuple(heard),
            states=tuple(states),
            setpoints=tuple(frames),
            results=tuple(results),
        )

    def last_words(self) -> tuple[Heard, ...]:
        """What the gateways say at the end of the run, and what is under way still."""
        self._send()
        return tuple(self._arrived(max((each.received_at_us for each in self._under_way), default=0)))

    def _send(self) -> None:
        self._sequence += 1
        arrivals_us = self.faults.arrivals_us([gateway.grid_loop for gateway in self._gateways], self.now_us)
        for gateway, arrives_us in zip(self._gateways, arrivals_us, strict=True):
            if arrives_us is not None:
                frame = frame_of(gateway, self.park, self.state, sequence=self._sequence, sent_at_us=self.now_us)
                masked = self.faults.masked(frame, self.now_us)
                self._under_way.append(Heard(gateway.grid_loop, masked, arrives_us))

    def _arrived(self, until_us: int) -> list[Heard]:
        """Take from what is under way what has arrived, in the order of arrival."""
        arrived = sorted(
            (each for each in self._under_way if each.received_at_us <= until_us), key=lambda each: each.received_at_us
        )
        self._under_way = [each for each in self._under_way if each.received_at_us > until_us]
        return arrived

    def _decide(self, now_us: int) -> tuple[list[LoopState], list[SetpointFrame]]:
        """One tick of all workers; nothing where there is none, or nobody who ticks."""
        if now_us % self._tick_us:
            return [], []
        if self.faults.worker_away(now_us):
            self._missed_ticks += 1
            return [], []
        if self._missed_ticks:
            self._take_over()
        tick, decided_us = now_us // self._tick_us, now_us + DECIDED_US
        for loop in self.loops.values():
            self.station.receive_offer(loop.offer(tick=tick, now_us=decided_us))
        self.clearing = self.station.clear(tick=tick, now_us=decided_us)
        for budget in self.clearing.budgets:
            self.loops[budget.grid_loop].receive_budget(budget, now_us=decided_us)
        self.cycles = {name: loop.balance(tick=tick, now_us=decided_us) for name, loop in self.loops.items()}
        cycles = self.cycles.values()
        return [self.clearing.state, *(cycle.state for cycle in cycles)], [cycle.setpoints for cycle in cycles]

    def _take_over(self) -> None:
        """A worker takes everything under a new epoch; what it rebuilds from the log is what the one before knew."""
        self._generation += 1
        epoch = Epoch(1, self._generation, 1)
        self.station.begin(epoch)
        for loop in self.loops.values():
            loop.begin(epoch)
        self._missed_ticks = 0

    def _told_kw(self, now_us: int) -> Floats:
        """[assets] What each device goes to, by its lease."""
        return self.devices.obeyed_kw(now_us=now_us)

    def _as_devices_do(self, obeyed_kw: Floats) -> Floats:
        """[assets] What the devices obey, those that are late or ignore their setpoints included."""
        self._obeyed.append(obeyed_kw)
        late = self._places(FaultKind.DEVICE_LATE)
        stuck = self._places(FaultKind.DEVICE_IGNORES)
        if not late and not stuck:
            return obeyed_kw
        done_kw = obeyed_kw.copy()
        done_kw[late] = self._obeyed[0][late]
        # a ceiling or a floor at the present power holds a device where it is
        done_kw[stuck] = self.state.asset_w[stuck] / 1000
        return done_kw

    def _places(self, kind: FaultKind) -> list[int]:
        return [self.devices.index[target] for target in self.faults.targets(kind, self.now_us)]


class OpenLoop(ClosedLoop):
    """The same park with nobody balancing: every device does what it would, batteries rest."""

    def _decide(self, now_us: int) -> tuple[list[LoopState], list[SetpointFrame]]:  # noqa: ARG002  (nobody does)
        return [], []

    def _told_kw(self, now_us: int) -> Floats:  # noqa: ARG002  (at any time)
        return self.park.free_kw
