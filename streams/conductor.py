"""The conductor of a worker: messages in, ticks on time, messages out. Grid loops and station decide, it does not.

Agents fold, the tick balances. In each tick every grid loop offers first; the hub agent clears when all offers of the
tick are in, at the latest after 100 ms; a loop balances when its budget arrives, at the latest after 200 ms, with the
budget it then holds. Ticks are numbered by UTC, the same in all processes; one that is missed is skipped.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from hub.model import STATION, Hub
from infra.clock import now_us
from infra.settings import Settings
from streams.codec import Rejected, decode_budget, decode_offer
from streams.grid_loop import GridLoop
from streams.intake import LETTER_WEIGHT, Arrived
from streams.messages import Claim, DeadLetterReason, Epoch, LoopState
from streams.open_point_sayings import OpenPointSayings
from streams.outbox import Outbox
from streams.park_entries import ParkEntries
from streams.partition import OwnedPartition
from streams.rebuild_cuts import Cuts
from streams.replay import Record
from streams.reporting import Report
from streams.signature import Headers, read_keyring
from streams.station import Station
from streams.topics import (
    CLAIM,
    LOOP_BUDGET,
    LOOP_OFFER,
    LOOP_STATE,
    SETPOINT,
    TELEMETRY,
    Topic,
    dead_letter_headers,
    key_of,
)

_log = structlog.get_logger()

CLEAR_AT_S: Final = 0.1
"""Into the tick: the hub agent waits no longer for offers."""

BALANCE_AT_S: Final = 0.2
"""Into the tick: a loop waits no longer for its budget."""

MOST_ROWS: Final = 100
"""Rows that a dead letter names of a frame with bad readings; the metric counts them all."""

MOST_LATENCY_US: Final = 3_600_000_000
"""A gateway's clock may say anything, also what no float holds."""

KEPT_BYTES: Final = 4096
"""Of a telemetry frame that is too large: enough to tell whose it is."""


class Conductor:
    """One process's share of one park."""

    def __init__(self, settings: Settings, hub: Hub, *, name: str) -> None:
        self.name = name
        self._settings = settings
        self._hub = hub
        self._period_us = round(hub.timing.tick_s * 1e6)
        self.report = Report(hub, hub.timing.tick_s)
        keyring = read_keyring(settings.signing_keys)
        self._entries = ParkEntries(hub, keyring)
        self.outbox = Outbox(settings.kafka_bootstrap, hub, on_dropped=self.report.count_dropped, keyring=keyring)
        self._partitions: dict[int, OwnedPartition] = {}
        self._tick = 0
        self._cleared = 0
        self._balanced: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self._sayings = OpenPointSayings(self._entries.topology.known, name)

    # Who owns what

    @property
    def hub_id(self) -> str:
        """Of the park it conducts."""
        return self._hub.id

    def suspend(self) -> None:
        """Stop deciding, keep the state."""
        for partition in self._partitions.values():
            partition.active = False
        self.report.rebuilding = True

    def take(self, numbers: Iterable[int], *, generation: int) -> None:
        """Own these partitions from now on; the state of others is dropped."""
        kept = self._partitions
        self._partitions = {n: kept.get(n) or OwnedPartition.of(self._hub, n) for n in numbers}
        self._sayings = OpenPointSayings(
            self._entries.topology.known, self.name
        )  # who takes a loop over says anew how it is
        names = [name for partition in self._partitions.values() for name in partition.names.values()]
        self.report.assigned(names, incarnation=self._settings.incarnation, generation=generation)

    async def claim(self, generation: int) -> None:
        """Say in the log whose the grid loops are now. Raises KafkaError when the broker does not take it."""
        incarnation = self._settings.incarnation
        await self.outbox.start()
        for partition in list(self._partitions.values()):
            for key, controller in partition.controllers.items():
                name = partition.names[key]
                claim = Claim(
                    grid_loop=name, worker=self.name, incarnation=incarnation, generation=generation, at_us=now_us()
                )
                controller.begin(Epoch(incarnation, generation, await self.outbox.claim(CLAIM, name, claim)))

    @property
    def has_station(self) -> bool:
        """Whether the hub agent is here."""
        return any(partition.station is not None for partition in self._partitions.values())

    @property
    def overflowed(self) -> bool:
        """Whether more frames arrived during the rebuild than may wait: it must be repeated."""
        return any(partition.overflowed for partition in self._partitions.values())

    def expect_frames(self) -> None:
        """A rebuild begins, or begins anew."""
        for partition in self._partitions.values():
            partition.overflowed = False

    def fold_back(self, record: Record) -> None:
        """Take a frame that is read back from the log."""
        self._partitions[record.partition].fold(record)

    def has_silent(self, number: int, cuts: Cuts) -> bool:
        """Whether a partition of ours has a point of which head and tail of the quarter do not tell all."""
        partition = self._partitions.get(number)
        return partition is not None and not partition.knows_all(cuts)

    def fold_gap(self, record: Record) -> None:
        """Take a frame that a rebuild left out."""
        self._partitions[record.partition].judge(Arrived(record, again=False))

    def remember(self, record: Record) -> None:
        """Take over a budget from the log: both ends of the lease count with what may have been told, by whomever."""
        budget = decode_budget(record.value)
        if isinstance(budget, Rejected) or record.key != key_of(self._hub.id, budget.grid_loop):
            return
        for partition in self._partitions.values():
            for key, controller in partition.controllers.items():
                if isinstance(controller, Station) or key == record.key:
                    controller.remember_budget(budget)

    async def begin(self, *, rebuild_s: float) -> None:
        """Fold what arrived during the rebuild, and begin to decide."""
        self._entries.renew()  # who is new here has heard of none
        self._tell_entries()
        for partition in list(self._partitions.values()):
            while partition.waiting:
                await self._take(partition, partition.waiting.popleft())
            partition.active = True
        self.report.rebuilding = False
        self.report.metrics.observe_rebuild(duration_s=rebuild_s)

    # What arrives

    async def on_telemetry(self, record: Record) -> None:
        """Fold a frame, or keep it while its partition is being rebuilt."""
        partition = self._partitions.get(record.partition)
        if partition is None:
            return
        if partition.active:
            await self._take(partition, record)
        else:
            partition.wait(record)

    async def _take(self, partition: OwnedPartition, record: Record) -> None:
        """Fold a frame now, or in a later tick where its loop has sent more than one tick may fold."""
        arrived = Arrived(record, partition.note(record))
        if partition.intake_of(record.key).admit(arrived):
            await self._fold(partition, arrived)

    async def _work_off(self) -> None:
        """A period's telemetry may be folded anew: first what waits."""
        for partition in list(self._partitions.values()):
            for key, intake in partition.intakes.items():
                intake.begin_period()
                while partition.active and (arrived := intake.take()) is not None:
                    await self._fold(partition, arrived)
                self.report.metrics.count_dropped_frames(partition.names.get(key, ""), frames=intake.take_dropped())

    async def _fold(self, partition: OwnedPartition, arrived: Arrived) -> None:
        folded, record = partition.judge(arrived), arrived.record
        self.report.last_event_s = time.monotonic()
        if folded.rejected is not None:
            await self._bury_telemetry(partition, record, folded.rejected.reason)
        if folded.frame is None:
            return
        self.report.metrics.observe_fold(
            folded.grid_loop,
            readings=len(folded.frame.ids) - len(folded.bad),
            latency_s=min(max(now_us() - folded.frame.sent_at_us, 0), MOST_LATENCY_US) / 1e6,
            measured_at_us=partition.controllers[record.key].folded_until_us,
        )
        for bad in folded.bad:
            self.report.metrics.count_rejected_readings(folded.grid_loop, reason=bad.reason)
        if folded.bad:
            rows = [bad.row for bad in folded.bad[:MOST_ROWS]]
            await self._bury_telemetry(partition, record, folded.bad[0].reason, rows=rows)

    async def _bury_telemetry(
        self, partition: OwnedPartition, record: Record, reason: DeadLetterReason, *, rows: Sequence[int] = ()
    ) -> None:
        """One letter per frame; of one that is too large the beginning, the log has the rest where the letter says."""
        if reason is DeadLetterReason.TOO_LARGE:
            record = replace(record, value=record.value[:KEPT_BYTES])
        partition.intake_of(record.key).charge(LETTER_WEIGHT * len(record.value))
        await self._bury(TELEMETRY, record, reason, rows=rows)

    async def on_offer(self, record: Record) -> None:
        """Take a loop's offer; the last one of a tick starts the clearing."""
        partition = self._partitions.get(record.partition)
        offer = decode_offer(record.value)
        if isinstance(offer, Rejected):
            await self._bury(LOOP_OFFER, record, offer.reason)
        elif partition is not None and partition.active and partition.station is not None:
            complete = partition.station.receive_offer(offer)
            if complete and offer.tick == self._tick:
                await self._clear(partition.station)

    async def on_budget(self, record: Record) -> None:
        """Take a budget; that of the present tick starts the loop's balancing."""
        partition = self._partitions.get(record.partition)
        budget = decode_budget(record.value)
        if isinstance(budget, Rejected):
            await self._bury(LOOP_BUDGET, record, budget.reason)
            return
        loop = None if partition is None else partition.controllers.get(record.key)
        if partition is None or not isinstance(loop, GridLoop):
            return
        if not partition.active:
            loop.remember_budget(budget)
        elif loop.receive_budget(budget, now_us=now_us()) and budget.tick == self._tick:
            await self._balance(loop)

    async def on_entry(self, topic: Topic, record: Record, headers: Headers) -> None:
        """Take what somebody says; it counts from the next tick on. What cannot be used changes nothing.

        Raises KafkaError when the broker does not take what was refused: then it is to be delivered again.
        """
        refused = self._entries.fold(topic, key=record.key, payload=record.value, headers=headers)
        self.report.metrics.set_limits(stated=len(self._entries.limits.known.in_force))
        self.report.metrics.set_overrides(stated=len(self._entries.overrides.known.in_force))
        if refused is not None:
            key = record.key.decode(errors="replace")
            _log.warning("entry_refused", topic=topic.name, key=key, why=refused.detail)
            await self.outbox.start()
            await self._bury(topic, record, refused.reason)

    async def _bury(self, topic: Topic, record: Record, reason: DeadLetterReason, *, rows: Sequence[int] = ()) -> None:
        self.report.metrics.count_dead_letter(topic=topic.name, reason=reason)
        headers = dead_letter_headers(
            topic,
            partition=record.partition,
            offset=record.offset,
            at_us=record.received_at_us,
            reason=reason,
            rows=rows,
        )
        await self.outbox.bury(topic, key=record.key, payload=record.value, headers=headers)

    # The tick

    async def tick_forever(self) -> None:
        """Turn once a period, on the whole period of UTC; a turn that comes too late skips what it missed."""
        self._tick = now_us() // self._period_us
        while True:
            due_us = (self._tick + 1) * self._period_us
            await asyncio.sleep(max(due_us - now_us(), 0) / 1e6)
            tick = max(now_us() // self._period_us, self._tick + 1)
            await self._turn(tick, missed=tick - self._tick - 1)

    async def _turn(self, tick: int, *, missed: int) -> None:
        self._tick = tick
        began_us = now_us()  # not the tick's: of many parks on a worker some turn later, and offers need their time
        self._tell_entries()
        for loop in self._active_loops():
            loop.missed_ticks += missed
            await self.outbox.send(LOOP_OFFER, STATION, loop.offer(tick=tick, now_us=now_us()))
            await asyncio.sleep(0)  # fifty large loops take a tenth of a second: the first offers leave meanwhile
        await asyncio.sleep((began_us - now_us()) / 1e6 + CLEAR_AT_S)
        for partition in self._partitions.values():
            if partition.active and partition.station is not None:
                partition.station.missed_ticks += missed
                await self._clear(partition.station)
        await asyncio.sleep((began_us - now_us()) / 1e6 + BALANCE_AT_S)
        for loop in self._active_loops():
            await self._balance(loop)
            await asyncio.sleep(0)
        await self._work_off()
        self.report.last_turn_s = time.monotonic()

    def _tell_entries(self) -> None:
        """Before anybody decides: offers, clearing and setpoints of a tick know the same limits, overrides, open points."""
        controllers = [one for partition in self._partitions.values() for one in partition.controllers.values()]
        self._entries.due(now_us()).tell(controllers)

    def _active_loops(self) -> list[GridLoop]:
        return [loop for partition in self._partitions.values() if partition.active for loop in partition.grid_loops]

    async def _clear(self, station: Station) -> None:
        """Clear the present tick, once."""
        if self._cleared == self._tick:
            return
        self._cleared = self._tick
        clearing = station.clear(tick=self._tick, now_us=now_us())
        for budget in clearing.budgets:
            await self.outbox.send(LOOP_BUDGET, budget.grid_loop, budget)
        await self.outbox.send(LOOP_STATE, STATION, clearing.state)
        self._ticked(clearing.state)

    async def _balance(self, loop: GridLoop) -> None:
        """Balance a loop for the present tick, once."""
        name = loop.plant.grid_loop
        if self._balanced.get(name) == self._tick:
            return
        self._balanced[name] = self._tick
        cycle = loop.balance(tick=self._tick, now_us=now_us())
        await self.outbox.send(SETPOINT, name, cycle.setpoints)
        await self.outbox.send(LOOP_STATE, name, cycle.state)
        self.report.wrote(cycle.setpoints)
        self._ticked(cycle.state)
        for topic, key, message in self._sayings.after_tick(loop, now_us=now_us()):
            await self.outbox.send_as(topic, key, message)

    def _ticked(self, state: LoopState) -> None:
        missed = state.missed_ticks - self._missed.get(state.grid_loop, 0)
        self._missed[state.grid_loop] = state.missed_ticks
        into_s = (now_us() - self._tick * self._period_us) / 1e6
        self.report.ticked(state, duration_s=into_s, missed=max(missed, 0))
