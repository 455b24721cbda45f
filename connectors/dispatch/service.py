"""The lease loop: frames in, writes and answers out, one turn at a time.

It decides nothing itself: `connectors.dispatch.rules` decides, this calls it with the clocks, keeps the high-water
marks on disk before anything is acted upon, and says what happened.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, assert_never

import msgspec
import structlog

from connectors.dispatch import outages, rules
from connectors.dispatch.dead_letters import buried
from connectors.dispatch.findings import Finding
from connectors.dispatch.inbox import Inbox, Received
from connectors.dispatch.kafka_link import Outgoing
from connectors.dispatch.marks import MarksFile
from connectors.dispatch.outbox import Delivery, FrameRef, Outbox, Reading
from connectors.dispatch.override_intake import take_overrides
from connectors.dispatch.progress import DispatchProgress
from connectors.dispatch.reports import Reports
from connectors.dispatch.rules import Accepted, LoopLease, Refused, Renewed
from infra.clock import now_us
from infra.metrics import DispatchMetrics
from streams.codec import Rejected, decode_revert, decode_setpoint, encode
from streams.guard_messages import Revert, RevertBy
from streams.messages import DeadLetterReason, Epoch, Outcome, Refusal, SetpointFrame, SetpointResult
from streams.override_entries import ParkOverrides
from streams.signature import Keyring
from streams.topics import SETPOINT_RESULT, key_of, partition_of

_log = structlog.get_logger()

TURN_S: Final = 0.1
"""The loop goes round at least this often, so that a lease ends no later than this after its time."""

SETTLED_S: Final = 0.2
"""A loop of which nothing is heard is asked so often what is due: renewals, retries and returns take seconds, and to ask
a loop of 2,000 assets takes a millisecond, which fifty loops cannot have at each other's every message."""

_M = TypeVar("_M", bound=msgspec.Struct)

_DETAIL_LETTERS: Final = 300
"""A revert's reason is somebody's text; an answer repeats this much of it."""

_DETAIL_ASSETS: Final = 5
"""How many devices a detail names; the ids are all in the result."""


@dataclass(slots=True, kw_only=True)
class LeaseLoop:
    """All grid loops of one hub; `turn` is called by one thread."""

    hub_id: str
    states: dict[str, LoopLease]
    inbox: Inbox
    outboxes: Mapping[str, Outbox]
    reports: Mapping[str, Reports]
    marks: MarksFile
    publish: Callable[[Outgoing], None]
    metrics: DispatchMetrics
    progress: DispatchProgress
    overrides: ParkOverrides
    keyring: Keyring = field(default_factory=Keyring)
    now_s: Callable[[], float] = time.monotonic
    now_us: Callable[[], int] = now_us
    _asked: dict[str, tuple[LoopLease, float]] = field(default_factory=dict)
    """By grid loop: its state when it was last asked what is due, and when that was."""

    def turn(self) -> None:
        """Wait for news, at most `TURN_S`; take it; end leases; tell devices what is due."""
        news = self.inbox.take(TURN_S)
        if news.dropped:
            _log.warning("frames_dropped_unread", frames=news.dropped)
        for news_of_devices in news.deliveries:
            match news_of_devices:
                case Delivery():
                    self._note_delivery(news_of_devices)
                case Reading():
                    self._note_reading(news_of_devices)
                case _:
                    assert_never(news_of_devices)
        # Overrides first: what was stopped is not moved by what came with them.
        kept = take_overrides(self.overrides, news.overrides, hub_id=self.hub_id, now_us=self.now_us())
        if kept is not None:
            self.states.update({grid_loop: rules.keep(state, kept) for grid_loop, state in self.states.items()})
            _log.info("overrides", assets=len(kept))
        # Then reverts: of what came with one, only what was decided after it may count.
        reverted = self._revert_all(news.reverts)
        taken = self._receive_all(news.frames)
        if reverted or taken:
            self._save_marks()
        for grid_loop in self.states:
            self._expire_and_tell(grid_loop, taken.get(grid_loop, []))
            self._say(grid_loop, self.reports[grid_loop].turn(self.states[grid_loop], self.now_s()))
        self.progress.last_turn_s = self.now_s()

    def _revert_all(self, reverts: Sequence[Received]) -> bool:
        """Obey reverts, whoever writes setpoints (R17); answer whether there were any."""
        any_obeyed = False
        for grid_loop, received, revert in self._read_all(reverts, decode_revert):
            if revert.grid_loop == grid_loop:
                self._revert(grid_loop, revert, at_s=received.at_s)
                any_obeyed = True
            else:
                self._dead_letter(received, Rejected(DeadLetterReason.WRONG_SHAPE, f"names {revert.grid_loop}"))
        return any_obeyed

    def _revert(self, grid_loop: str, revert: Revert, *, at_s: float) -> None:
        self.states[grid_loop], obeying = rules.revert(self.states[grid_loop], at_s)
        by = RevertBy(revert.by) if revert.by in set(RevertBy) else RevertBy.OTHER
        why = f"{by} {revert.who}: {revert.why}"[:_DETAIL_LETTERS]
        self.metrics.count_revert(grid_loop, by=by, assets_reverted=len(obeying))
        _log.warning("reverted", grid_loop=grid_loop, by=by, who=revert.who, assets_reverted=len(obeying))
        mark = self.states[grid_loop].high_water
        self._answer(grid_loop, mark.epoch, mark.sequence, outcome=Outcome.REVERTED, ids=obeying, detail=why)

    def _receive_all(self, frames: Sequence[Received]) -> dict[str, list[FrameRef]]:
        """Take frames in order; answer the full frames that were accepted, by grid loop (renewals: an empty list)."""
        taken: dict[str, list[FrameRef]] = {}
        for grid_loop, received, frame in self._read_all(frames, decode_setpoint):
            self._receive(grid_loop, frame, received=received, taken=taken)
        return taken

    def _read_all(
        self, records: Sequence[Received], decode: Callable[[bytes], _M | Rejected]
    ) -> Iterator[tuple[str, Received, _M]]:
        """Messages of our grid loops; what cannot be used is dead-lettered. Nothing is looked at before its signature."""
        loop_of_key = {key_of(self.hub_id, grid_loop): grid_loop for grid_loop in self.states}
        for received in records:
            grid_loop = loop_of_key.get(received.key)
            if grid_loop is None:
                continue  # another hub's, on the same topic
            topic, key, payload = received.topic.name, received.key, received.payload
            message = self.keyring.refuse(received.headers, topic=topic, key=key, payload=payload) or decode(payload)
            if isinstance(message, Rejected):
                self.metrics.count_refused(grid_loop, reason=message.reason)
                self._dead_letter(received, message)
            else:
                yield grid_loop, received, message

    def _receive(
        self, grid_loop: str, frame: SetpointFrame, *, received: Received, taken: dict[str, list[FrameRef]]
    ) -> None:
        if frame.grid_loop != grid_loop:
            self._refuse(grid_loop, frame, why=Refusal.OTHER, detail=f"the frame names {frame.grid_loop}")
            return
        state, outcome = rules.receive(self.states[grid_loop], frame, now_s=received.at_s, now_us=received.at_us)
        self.states[grid_loop] = state
        match outcome:
            case Accepted():
                taken.setdefault(grid_loop, []).append(FrameRef(frame.epoch, frame.sequence, frame.issued_at_us))
                self._note_accepted(grid_loop, frame, received=received)
                self._answer_left_out(grid_loop, frame, outcome=outcome)
            case Renewed():
                taken.setdefault(grid_loop, [])
                self._note_accepted(grid_loop, frame, received=received)
                self._answer(grid_loop, frame.epoch, frame.sequence, outcome=Outcome.ACCEPTED, detail="renewal")
            case Refused(why):
                self._refuse(grid_loop, frame, why=why)
            case _:
                assert_never(outcome)

    def _note_accepted(self, grid_loop: str, frame: SetpointFrame, *, received: Received) -> None:
        kind: Final = "full" if frame.full else "renewal"
        self.metrics.count_accepted(grid_loop, kind=kind, issued_at_us=frame.issued_at_us)
        self.progress.last_accepted_s[grid_loop] = received.at_s

    def _answer_left_out(self, grid_loop: str, frame: SetpointFrame, *, outcome: Accepted) -> None:
        """Say which assets of a full frame are not ours, which it would have moved too far, and which it left out."""
        if outcome.unknown:
            self._answer(
                grid_loop,
                frame.epoch,
                frame.sequence,
                outcome=Outcome.REFUSED,
                refusal=Refusal.OTHER,
                ids=outcome.unknown,
                detail="not controllable assets of this grid loop",
            )
        if outcome.overridden:
            self.metrics.count_refused(grid_loop, reason=Refusal.OVERRIDDEN)
            self._answer(
                grid_loop,
                frame.epoch,
                frame.sequence,
                outcome=Outcome.REFUSED,
                refusal=Refusal.OVERRIDDEN,
                ids=outcome.overridden,
                detail="further from rest than somebody allowed; told no more than that",
            )
        if outcome.dropped:
            self._answer_reverted(grid_loop, outcome.dropped, detail="left out of the newest full frame")

    def _refuse(self, grid_loop: str, frame: SetpointFrame, *, why: Refusal, detail: str = "") -> None:
        self.metrics.count_refused(grid_loop, reason=why)
        self._answer(grid_loop, frame.epoch, frame.sequence, outcome=Outcome.REFUSED, refusal=why, detail=detail)

    def _save_marks(self) -> None:
        """Before anything accepted is acted upon (R8). A full disk must not stop setpoints: said, and gone on."""
        try:
            self.marks.save(
                {grid_loop: state.high_water for grid_loop, state in self.states.items()},
                now_us=self.now_us(),
                latched=[grid_loop for grid_loop, state in self.states.items() if rules.is_latched(state)],
            )
        except OSError as error:
            _log.error("marks_not_saved", error=str(error), effect="R8 does not hold over a crash of dispatch")

    def _expire_and_tell(self, grid_loop: str, frames: Sequence[FrameRef]) -> None:
        now_s = self.now_s()
        state, reverted = rules.expire(self.states[grid_loop], now_s)
        if reverted:
            _log.warning("lease_ended", grid_loop=grid_loop, assets_reverted=len(reverted))
            self._answer_reverted(grid_loop, reverted, detail="no valid setpoint in time")
        state, lost = outages.give_up(state, now_s)
        if lost:
            _log.warning("devices_lost", grid_loop=grid_loop, devices=len(lost), first=lost[0])
            self._answer_reverted(grid_loop, lost, detail="the device has not answered for as long as its own lease")
        self.states[grid_loop] = state
        before, asked_s = self._asked.get(grid_loop, (None, now_s))
        if state is before and not frames and now_s - asked_s < SETTLED_S:
            return
        self.states[grid_loop], writes = rules.due(state, now_s)
        self._asked[grid_loop] = (self.states[grid_loop], now_s)
        if writes or frames:
            # Also without a write: a frame is answered when the devices have what came before it too.
            self.outboxes[grid_loop].put(writes, frames)

    def _note_delivery(self, delivery: Delivery) -> None:
        grid_loop, now_s = delivery.grid_loop, self.now_s()
        state = outages.delivered(self.states[grid_loop], set(delivery.asset_ids) - delivery.failed.keys(), now_s)
        fresh: tuple[str, ...] = ()
        if delivery.failed:
            self.metrics.count_device_failures(driver="simulator", failures=len(delivery.failed))
            state, fresh = outages.failed(state, delivery.failed.keys(), now_s)
        else:
            self.progress.last_delivery_s[grid_loop] = now_s
        self.states[grid_loop] = state
        if fresh:
            _log.warning("devices_failed", grid_loop=grid_loop, devices=len(fresh), first=delivery.failed[fresh[0]])
            self._answer_failed(grid_loop, fresh, why=delivery.failed)
        # Without a write the devices had the values already, unless some fail: then nobody knows what those have.
        any_took = len(delivery.failed) < len(delivery.asset_ids) if delivery.asset_ids else not state.retry_at_s
        for frame in delivery.frames:
            self._answer_accepted(grid_loop, frame, had_at_us=delivery.at_us if any_took else None)

    def _note_reading(self, reading: Reading) -> None:
        grid_loop = reading.grid_loop
        self.states[grid_loop], findings = self.reports[grid_loop].take(self.states[grid_loop], reading)
        self._say(grid_loop, findings)

    def _say(self, grid_loop: str, findings: Sequence[Finding]) -> None:
        if not findings:
            return
        self.reports[grid_loop].note(findings)
        try:
            self.marks.save_said({name: reports.said for name, reports in self.reports.items()})
        except OSError as error:
            _log.error("marks_not_saved", error=str(error), effect="after a restart old conditions may not end")
        self.reports[grid_loop].say(findings)

    def _answer_accepted(self, grid_loop: str, frame: FrameRef, *, had_at_us: int | None) -> None:
        """Answer a full frame; `had_at_us` is when the devices had it, None when none took it yet."""
        latency_ms = None if had_at_us is None else (had_at_us - frame.issued_at_us) / 1000
        if latency_ms is not None:
            self.metrics.observe_setpoints(latency_s=latency_ms / 1000)
        self._answer(
            grid_loop,
            frame.epoch,
            frame.sequence,
            outcome=Outcome.ACCEPTED,
            detail="" if latency_ms is not None else "no device took it yet",
            latency_ms=latency_ms,
        )

    def _answer_failed(self, grid_loop: str, asset_ids: Sequence[str], *, why: Mapping[str, str]) -> None:
        detail = "; ".join(f"{asset_id}: {why[asset_id]}" for asset_id in asset_ids[:_DETAIL_ASSETS])
        mark = self.states[grid_loop].high_water
        self._answer(grid_loop, mark.epoch, mark.sequence, outcome=Outcome.DEVICE_FAILED, ids=asset_ids, detail=detail)

    def _answer_reverted(self, grid_loop: str, asset_ids: Sequence[str], *, detail: str) -> None:
        self.metrics.count_expiry(grid_loop, assets_reverted=len(asset_ids))
        mark = self.states[grid_loop].high_water
        self._answer(grid_loop, mark.epoch, mark.sequence, outcome=Outcome.REVERTED, ids=asset_ids, detail=detail)

    def _answer(
        self,
        grid_loop: str,
        epoch: Epoch,
        sequence: int,
        *,
        outcome: Outcome,
        refusal: Refusal = Refusal.NONE,
        ids: Sequence[str] = (),
        detail: str = "",
        latency_ms: float | None = None,
    ) -> None:
        result = SetpointResult(
            grid_loop=grid_loop,
            epoch=epoch,
            sequence=sequence,
            at_us=self.now_us(),
            outcome=outcome,
            refusal=refusal,
            ids=list(ids),
            detail=detail,
            latency_ms=latency_ms,
        )
        key = key_of(self.hub_id, grid_loop)
        self.publish(Outgoing(topic=SETPOINT_RESULT.name, key=key, value=encode(result), partition=partition_of(key)))

    def _dead_letter(self, received: Received, rejected: Rejected) -> None:
        self.publish(buried(received, rejected))
