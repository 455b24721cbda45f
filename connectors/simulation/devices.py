"""Dispatch and the devices' own leases in virtual time: the same pure rules that the services call.

What costs a service time (the wire, the disk) takes none here; a device that does not obey is a fault of the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, assert_never

from connectors.dispatch import rules
from connectors.dispatch.marks import lowest_mark
from connectors.dispatch.reversion import asset_rules
from connectors.dispatch.rules import Accepted, LoopLease, Refused, Renewed
from connectors.simulator.arrays import Floats
from connectors.simulator.leases import DeviceLeases, fresh_leases, told
from connectors.simulator.park import Park
from connectors.simulator.wire import Write
from hub.model import Hub
from streams.messages import Outcome, Refusal, SetpointFrame, SetpointResult


@dataclass(slots=True)
class Devices:
    """Every device of a park with its lease, and dispatch's leases before them."""

    leases: DeviceLeases
    reversion_kw: Floats
    index: Mapping[str, int]
    states: dict[str, LoopLease] = field(default_factory=dict)
    """Per grid loop."""

    @classmethod
    def of(cls, hub: Hub, park: Park, *, in_failsafe: bool) -> Self:
        """Devices that nobody told anything (R13); `in_failsafe` as after a long silence: they come back by R12."""
        return cls(
            leases=fresh_leases(len(park.assets)),
            reversion_kw=park.reversion_kw,
            index={asset.id: place for place, asset in enumerate(park.assets)},
            states={
                grid_loop: rules.start(of_loop, lowest_mark(1), in_failsafe=in_failsafe)
                for grid_loop, of_loop in asset_rules(hub).items()
            },
        )

    def receive(self, frame: SetpointFrame, *, now_us: int) -> list[SetpointResult]:
        """Take a frame as dispatch does; its answers."""
        state, outcome = rules.receive(self.states[frame.grid_loop], frame, now_s=now_us / 1e6, now_us=now_us)
        self.states[frame.grid_loop] = state
        match outcome:
            case Accepted(dropped=dropped):
                accepted = _answer(frame, Outcome.ACCEPTED, now_us=now_us)
                return [accepted, *([_answer(frame, Outcome.REVERTED, now_us=now_us, ids=dropped)] if dropped else [])]
            case Renewed():
                return [_answer(frame, Outcome.ACCEPTED, now_us=now_us)]
            case Refused(why):
                return [_answer(frame, Outcome.REFUSED, now_us=now_us, refusal=why)]
        assert_never(outcome)

    def turn(self, *, now_us: int) -> list[SetpointResult]:
        """End what has run out and tell the devices what is due; answers for what went to its reversion value."""
        now_s, results = now_us / 1e6, []
        for grid_loop, before in self.states.items():
            state, reverted = rules.expire(before, now_s)
            if reverted:
                results.append(_reverted(grid_loop, state, reverted, now_us=now_us))
            self.states[grid_loop], writes = rules.due(state, now_s)
            batch = [Write(write.asset_id, write.power_kw, write.lease_s) for write in writes]
            if batch:
                self.leases, _ = told(self.leases, batch, index=self.index, now_s=now_s)
        return results

    def obeyed_kw(self, *, now_us: int) -> Floats:
        """[assets] What each device goes to now."""
        return self.leases.obeyed_kw(self.reversion_kw, now_us / 1e6)[0]


def _answer(
    frame: SetpointFrame,
    outcome: Outcome,
    *,
    now_us: int,
    refusal: Refusal = Refusal.NONE,
    ids: tuple[str, ...] = (),
) -> SetpointResult:
    return SetpointResult(
        grid_loop=frame.grid_loop,
        epoch=frame.epoch,
        sequence=frame.sequence,
        at_us=now_us,
        outcome=outcome,
        refusal=refusal,
        ids=list(ids),
    )


def _reverted(grid_loop: str, state: LoopLease, ids: tuple[str, ...], *, now_us: int) -> SetpointResult:
    mark = state.high_water
    return SetpointResult(
        grid_loop=grid_loop,
        epoch=mark.epoch,
        sequence=mark.sequence,
        at_us=now_us,
        outcome=Outcome.REVERTED,
        ids=list(ids),
    )
