"""All parks that one worker serves: who owns what, the rebuild from the log, and whose a message is.

One consumer group hands out the partitions for all of them. What reads the log is done once for all parks: each for
itself would read what all of them wrote. Between parks nothing else is shared; a conductor knows its own only.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from hub.model import Hub
from infra.clock import now_us
from infra.settings import Settings
from streams.conductor import Conductor
from streams.entry_feed import EntryFeed
from streams.park_entries import ENTRY_TOPICS
from streams.rebuild_cuts import rebuild_cuts
from streams.replay import Log, Record, Stretch, Stretches, log_ends, replay
from streams.signature import Headers
from streams.topics import LOOP_BUDGET, PARTITIONS, TELEMETRY, Topic

_log = structlog.get_logger()

LEASES_BACK: Final = 3
"""Budgets are read back this many leases: two that a loop may still be obeying, one for what the clocks differ."""

RETRY_S: Final = 0.5

BREATH_S: Final = 0.001
"""After each frame of a gap: a tick that is due goes first."""

SILENCE_S: Final = 15.0
"""Without a delivery for this long the log itself is asked whether there was anything to deliver."""

STOOD_STILL_S: Final = 2.0
"""A sleep that took so much longer was not the consumer's fault."""


class DeliveryStoppedError(RuntimeError):
    """The group's consumer delivers nothing though there is something: only a new process mends that."""


class Parks:
    """One process's share of all parks it serves."""

    def __init__(
        self, settings: Settings, hubs: Sequence[Hub], *, name: str, fail: Callable[[BaseException], None]
    ) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._hubs = hubs
        self._fail = fail
        self.conductors = [Conductor(settings, hub, name=name) for hub in hubs]
        self._by_hub = {hub.id.encode(): conductor for hub, conductor in zip(hubs, self.conductors, strict=True)}
        self._owned: frozenset[int] = frozenset()
        self._folded: dict[int, int] = {}
        """By owned partition: the states know every frame below this offset, but for the gap."""
        self._gaps: Stretches = {}
        """By owned partition: what a rebuild has left out so far."""
        self._cuts = rebuild_cuts(hubs, now_us())
        """Where the last rebuild cut the log."""
        self._delivered: dict[int, int] = {}
        """By owned partition: the offset after the newest frame that the group delivered."""
        self._last_delivery_s: float | None = None
        self._feeds = [EntryFeed(self._bootstrap, topic, self.on_entry) for topic in ENTRY_TOPICS]
        self._active = False
        self._rebuild: asyncio.Task[None] | None = None

    # Who owns what

    def suspend(self) -> None:
        """Partitions are being handed out anew: stop deciding, keep the state in case they come back."""
        if self._rebuild is not None:
            self._rebuild.cancel()
        self._active = False
        for conductor in self.conductors:
            conductor.suspend()

    def resume(self, numbers: Iterable[int], *, generation: int) -> None:
        """Take the partitions that are now ours; others are dropped with their state. Rebuilds outside the callback."""
        self.suspend()
        self._owned = frozenset(numbers)
        self._folded = {number: offset for number, offset in self._folded.items() if number in self._owned}
        self._delivered = {number: offset for number, offset in self._delivered.items() if number in self._owned}
        self._gaps = {number: stretch for number, stretch in self._gaps.items() if number in self._owned}
        for conductor in self.conductors:
            conductor.take(sorted(self._owned), generation=generation)
        self._rebuild = asyncio.create_task(self._take_over(sorted(self._owned), generation))
        self._rebuild.add_done_callback(self._on_rebuilt)

    def _on_rebuilt(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _take_over(self, numbers: list[int], generation: int) -> None:
        """Claim, rebuild from the log, fold what arrived meanwhile, and begin to decide."""
        began_s = time.monotonic()
        while True:
            try:
                await self._claim(generation)
                await self._read_back(numbers)
                break
            except KafkaError as error:
                _log.warning("rebuild_failed", error=repr(error), again_in_s=RETRY_S)
                await asyncio.sleep(RETRY_S)
        for feed in self._feeds:
            await feed.wait_until_read()
        for conductor in self.conductors:
            await conductor.begin(rebuild_s=time.monotonic() - began_s)
        for number, offset in self._delivered.items():
            self._folded[number] = max(self._folded.get(number, 0), offset)
        self._active = True
        rebuild_s = round(time.monotonic() - began_s, 3)
        owned = {conductor.hub_id: conductor.report.owned for conductor in self.conductors if conductor.report.owned}
        _log.info("grid_loops_taken", grid_loops=owned, generation=generation, rebuild_s=rebuild_s)
        await self._fill_gaps()

    async def _claim(self, generation: int) -> None:
        """Claim for all parks at once; the first failure is raised when all have ended."""
        claims = (conductor.claim(generation) for conductor in self.conductors)
        for outcome in await asyncio.gather(*claims, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _read_back(self, numbers: list[int]) -> None:
        """Fold the telemetry of this quarter, and learn which budgets may still be obeyed."""
        lease_s = max(hub.timing.budget_lease_s for hub in self._hubs)
        async with Log(self._bootstrap, TELEMETRY) as log:
            while True:
                for conductor in self.conductors:
                    conductor.expect_frames()
                await self._fold_back(log, numbers)
                if not any(conductor.overflowed for conductor in self.conductors):
                    break
        has_station = any(conductor.has_station for conductor in self.conductors)
        since_us = now_us() - round(LEASES_BACK * lease_s * 1e6)
        of = list(range(PARTITIONS)) if has_station else numbers
        async for record in replay(self._bootstrap, LOOP_BUDGET, of, since_us=since_us):
            if (whose := self._whose(record)) is not None:
                whose.remember(record)

    async def _fold_back(self, log: Log, numbers: list[int]) -> None:
        """Fold head and tail of the quarter; a partition that was ours already goes on where it was."""
        self._cuts = cuts = rebuild_cuts(self._hubs, now_us())
        head, gap, tail = await log.stretches(numbers, cuts.since_us, cuts.head_us, cuts.tail_us)
        for number, offset in self._folded.items():
            del head[number], gap[number]
            tail[number] = Stretch(offset, tail[number].end)
        self._gaps |= gap
        for stretches in (head, tail):
            async for record in log.read(stretches):
                if (whose := self._whose(record)) is not None:
                    whose.fold_back(record)
        self._folded |= {number: max(stretch.begin, stretch.end) for number, stretch in tail.items()}

    async def _fill_gaps(self) -> None:
        """Fold what the rebuild left out where somebody was silent: his last words may lie there. Ticks go on meanwhile.

        The fold takes readings in any order.
        """
        gaps = {
            number: gap
            for number, gap in self._gaps.items()
            if gap.begin < gap.end and any(conductor.has_silent(number, self._cuts) for conductor in self.conductors)
        }
        while gaps:
            try:
                async with Log(self._bootstrap, TELEMETRY) as log:
                    async for record in log.read(gaps):
                        if (whose := self._whose(record)) is not None:
                            whose.fold_gap(record)
                        await asyncio.sleep(BREATH_S)
                break
            except KafkaError as error:
                _log.warning("gap_not_read", error=repr(error), again_in_s=RETRY_S)
                await asyncio.sleep(RETRY_S)
        self._gaps.clear()

    # What arrives

    def _whose(self, record: Record) -> Conductor | None:
        """Whose message it is, None where another worker's park; the first park judges a key that names none."""
        hub_id, slash, _ = record.key.partition(b"/")
        return self._by_hub.get(hub_id) if slash else self.conductors[0]

    async def on_telemetry(self, record: Record) -> None:
        """Hand a frame on to its park; one of a partition that was taken from us meanwhile is its successor's."""
        number, after = record.partition, record.offset + 1
        self._last_delivery_s = time.monotonic()
        if number not in self._owned:
            return
        self._delivered[number] = max(self._delivered.get(number, 0), after)
        active, rebuild = self._active, self._rebuild
        if (conductor := self._whose(record)) is not None:
            await conductor.on_telemetry(record)
        if active and rebuild is self._rebuild:  # else who owns what has changed while that waited
            self._folded[number] = max(self._folded.get(number, 0), after)

    async def on_offer(self, record: Record) -> None:
        """Hand an offer on to its park."""
        if (conductor := self._whose(record)) is not None:
            await conductor.on_offer(record)

    async def on_budget(self, record: Record) -> None:
        """Hand a budget on to its park."""
        if (conductor := self._whose(record)) is not None:
            await conductor.on_budget(record)

    async def on_entry(self, topic: Topic, record: Record, headers: Headers) -> None:
        """Hand what somebody says of a park on to it."""
        if (conductor := self._whose(record)) is not None:
            await conductor.on_entry(topic, record, headers)

    async def follow_entries_forever(self) -> None:
        """Read what people said of all parks, and go on reading it."""
        await asyncio.gather(*(feed.follow_forever() for feed in self._feeds))

    async def watch_forever(self) -> None:
        """Raise when telemetry lies in the log that is not delivered: consumers are known to die in silence.

        Where this stood still itself, the whole process was stopped: its consumer gets a chance to go on.
        """
        while True:
            awake_s = time.monotonic()
            await asyncio.sleep(SILENCE_S)
            stood_still = time.monotonic() - awake_s > SILENCE_S + STOOD_STILL_S
            if stood_still or not (self._active and self._folded and self._silent()):
                continue
            try:
                ends = await log_ends(self._bootstrap, TELEMETRY, list(self._folded))
            except KafkaError:
                continue  # no broker, no verdict
            if self._silent() and any(ends.get(number, 0) > after for number, after in self._folded.items()):
                raise DeliveryStoppedError(f"no telemetry delivered for {SILENCE_S:g} s, though the log has more")

    def _silent(self) -> bool:
        heard_s = self._last_delivery_s
        return heard_s is not None and time.monotonic() - heard_s >= SILENCE_S

    # The ticks

    async def tick_forever(self) -> None:
        """Turn each park's tick; one that fails ends all, for only a new process mends a bug."""
        await asyncio.gather(*(conductor.tick_forever() for conductor in self.conductors))

    async def stop(self) -> None:
        """Send what waits, then close."""
        await asyncio.gather(*(conductor.outbox.stop() for conductor in self.conductors))

    @property
    def last_turn_s(self) -> float | None:
        """When the park that turned longest ago did (monotonic); None before the first turn of any."""
        return min((c.report.last_turn_s for c in self.conductors if c.report.last_turn_s is not None), default=None)
