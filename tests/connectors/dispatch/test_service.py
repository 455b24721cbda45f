"""The lease loop with real devices behind a real link, without a broker: what it tells devices and what it answers."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from connectors.dispatch import rules
from connectors.dispatch.inbox import Inbox, Received
from connectors.dispatch.kafka_link import Outgoing
from connectors.dispatch.marks import MarksFile, lowest_mark
from connectors.dispatch.not_following import PATIENCE_S
from connectors.dispatch.outbox import Outbox
from connectors.dispatch.progress import DispatchProgress
from connectors.dispatch.reports import reports_of
from connectors.dispatch.service import SETTLED_S, LeaseLoop
from connectors.dispatch.simulator_driver import SimulatorDriver
from connectors.simulator.device_server import DevicePanel, DeviceServer
from infra.metrics import DispatchMetrics
from streams.codec import Rejected, decode_result, encode
from streams.guard_messages import Condition, Revert, RevertBy
from streams.messages import Outcome, Refusal, SetpointFrame, SetpointResult
from streams.override_entries import ParkOverrides, override_key
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.signature import read_keyring
from streams.topics import CONDITION, OVERRIDE, REVERT, SETPOINT, SETPOINT_RESULT, dead_letter, key_of
from tests.connectors.dispatch.lease_tables import RULES, full, renewal, wall_us
from tests.streams.small_park import small_hub

KEY = key_of("park", "ring")
THEIRS = read_keyring("ours:" + 32 * "22")


@dataclass
class Bench:
    """A lease loop whose clocks the test turns."""

    folder: Path
    own_kw: tuple[np.ndarray, np.ndarray] | None = None
    said_before: tuple[str, ...] = ()
    clock_s: float = 0.0
    published: list[Outgoing] = field(default_factory=list)
    said: list[Outgoing] = field(default_factory=list)
    """Conditions."""

    def __post_init__(self):
        index, reversion_kw = {"pv": 0, "charger": 1, "battery": 2}, np.array([-10.0, 0.0, 0.0])
        self.panel = DevicePanel(index, reversion_kw, own_kw=self.own_kw, now_s=self.now_s)
        self.server = DeviceServer("127.0.0.1", 0, self.panel)
        self.inbox = Inbox()
        self.outbox = Outbox(
            "ring",
            driver=SimulatorDriver("127.0.0.1", self.server.port),
            on_delivery=self.inbox.put_delivery,
            now_us=self.now_us,
        )
        self.marks = MarksFile(self.folder, "park").__enter__()
        states, metrics = {"ring": rules.start(RULES, lowest_mark(1), in_failsafe=False)}, DispatchMetrics("park")
        self.loop = LeaseLoop(
            hub_id="park",
            states=states,
            inbox=self.inbox,
            outboxes={"ring": self.outbox},
            reports=reports_of(
                states,
                {"ring": self.said_before},
                hub_id="park",
                outboxes={"ring": self.outbox},
                publish=self.said.append,
                metrics=metrics,
                now_us=self.now_us,
            ),
            marks=self.marks,
            publish=self.published.append,
            metrics=metrics,
            progress=DispatchProgress(0.0),
            overrides=ParkOverrides(replace(small_hub(), id="park")),
            now_s=self.now_s,
            now_us=self.now_us,
        )

    def now_s(self) -> float:
        return self.clock_s

    def now_us(self) -> int:
        return wall_us(self.clock_s)

    def receive(self, frame: SetpointFrame | bytes, key: bytes = KEY, headers=()):
        payload = frame if isinstance(frame, bytes) else encode(frame)
        at_s, at_us = self.clock_s, self.now_us()
        self.inbox.put_frame(
            Received(key=key, payload=payload, partition=0, offset=5, at_s=at_s, at_us=at_us, headers=headers)
        )
        self.loop.turn()

    def revert(self, *, key: bytes = KEY, grid_loop: str = "ring", headers=()):
        payload = encode(Revert(grid_loop=grid_loop, at_us=0, by=RevertBy.WATCHDOG, who="w-1", why="silent for 8.0 s"))
        at_s, at_us = self.clock_s, self.now_us()
        self.inbox.put_revert(
            Received(
                key=key, payload=payload, partition=0, offset=5, at_s=at_s, at_us=at_us, headers=headers, topic=REVERT
            )
        )
        self.loop.turn()

    def override(self, payload: bytes, *, key: bytes):
        at_s, at_us = self.clock_s, self.now_us()
        self.inbox.put_override(
            Received(key=key, payload=payload, partition=0, offset=5, at_s=at_s, at_us=at_us, topic=OVERRIDE)
        )
        self.loop.turn()

    def devices_have(self, power_kw: list[float]) -> bool:
        """Turn until the devices obey these values."""
        until_s = time.monotonic() + 5
        while self.panel.obeyed_kw()[0].tolist() != power_kw and time.monotonic() < until_s:
            self.loop.turn()
        return self.panel.obeyed_kw()[0].tolist() == power_kw

    def answers(self, count: int) -> list[SetpointResult]:
        """Turn until so many answers were given."""
        until_s = time.monotonic() + 5
        while len(self.published) < count and time.monotonic() < until_s:
            self.loop.turn()
        found = [decode_result(message.value) for message in self.published]
        assert not any(isinstance(answer, Rejected) for answer in found)
        return found

    def conditions(self, count: int) -> list[Condition]:
        """Turn until so many conditions were said."""
        until_s = time.monotonic() + 5
        while len(self.said) < count and time.monotonic() < until_s:
            self.loop.turn()
        assert {message.topic for message in self.said} <= {CONDITION.name}
        return [msgspec.json.decode(message.value, type=Condition) for message in self.said]

    def close(self):
        self.outbox.close(5)
        self.server.close()
        self.marks.__exit__()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_full_frame_reaches_the_devices_and_is_answered_with_its_latency(bench):
    bench.clock_s = 0.25
    bench.receive(full(1, 0, pv=-40, battery=20))
    (answer,) = bench.answers(1)
    assert (answer.outcome, answer.sequence, answer.latency_ms) == (Outcome.ACCEPTED, 1, 250.0)
    assert bench.panel.obeyed_kw()[0].tolist() == [-40, 0, 20]
    assert bench.published[0].topic == SETPOINT_RESULT.name


def test_a_loop_of_which_nothing_is_heard_is_not_asked_what_is_due_at_every_message_of_others(bench):
    bench.receive(full(1, 0, battery=20))
    bench.answers(1)
    settled = bench.loop.states["ring"]
    bench.receive(full(1, 0, battery=5), key=key_of("elsewhere", "ring"))
    assert bench.loop.states["ring"] is settled
    bench.clock_s += SETTLED_S
    bench.loop.turn()
    assert bench.loop.states["ring"] is not settled


def test_R8_the_mark_is_on_disk_before_the_devices_hear_of_the_frame(bench):  # noqa: N802 - rules are numbered so
    bench.receive(full(1, 0, battery=20))
    assert bench.marks.read().marks["ring"].sequence == 1
    bench.receive(renewal(2, 0, of=1))
    assert bench.marks.read().marks["ring"].sequence == 2


def test_a_refused_frame_is_answered_with_why(bench):
    bench.receive(renewal(1, 0, of=0))
    (answer,) = bench.answers(1)
    assert (answer.outcome, answer.refusal) == (Outcome.REFUSED, Refusal.UNKNOWN_RENEWAL)


def test_a_frame_under_another_grid_loops_key_is_refused(bench):
    bench.receive(msgspec.structs.replace(full(1, 0, battery=20), grid_loop="another"))
    assert bench.answers(1)[0].refusal == Refusal.OTHER
    assert bench.panel.obeyed_kw()[2] == 0


def test_another_hubs_frames_are_not_ours_to_answer(bench):
    bench.receive(full(1, 0, battery=20), key=key_of("another-park", "ring"))
    assert bench.published == []


def test_what_cannot_be_decoded_goes_whole_to_the_dead_letters(bench):
    bench.receive(b'{"grid_loop":')
    (letter,) = bench.published
    assert (letter.topic, letter.key, letter.value) == (dead_letter(SETPOINT).name, KEY, b'{"grid_loop":')
    assert dict(letter.headers) | {"at_us": b""} == {
        "source_topic": b"hub.setpoint.v1",
        "source_partition": b"0",
        "source_offset": b"5",
        "reason": b"not_json",
        "at_us": b"",
    }


def test_with_keys_a_frame_without_the_right_signature_goes_to_the_dead_letters_and_moves_nothing(bench):
    bench.loop.keyring = read_keyring("ours:" + 32 * "11")
    payload = encode(full(1, 0, battery=20))
    ours, theirs = (ring.sign(topic=SETPOINT.name, key=KEY, payload=payload) for ring in (bench.loop.keyring, THEIRS))
    for headers in ((), theirs):
        bench.receive(payload, headers=headers)
    reasons = [dict(letter.headers)["reason"] for letter in bench.published]
    assert (reasons, bench.panel.obeyed_kw()[0][2]) == ([b"unsigned", b"bad_signature"], 0)
    bench.receive(payload, headers=ours)
    assert bench.devices_have([-10, 0, 20])


def test_R17_a_revert_is_obeyed_whoever_writes_and_answered_with_who_and_why(bench):  # noqa: N802
    bench.receive(full(1, 0, epoch=9, pv=-40))
    bench.answers(1)
    bench.clock_s = 1
    bench.revert()
    answer = bench.answers(2)[1]
    assert (answer.outcome, answer.ids) == (Outcome.REVERTED, ["battery", "charger", "pv"])
    assert answer.detail == "watchdog w-1: silent for 8.0 s"
    assert bench.devices_have([-10, 0, 0])
    assert bench.marks.read().latched == {"ring"}


def test_R17_a_revert_and_an_older_setpoint_that_come_together_leave_the_devices_reverted(bench):  # noqa: N802
    bench.receive(full(1, 0, pv=-40))
    bench.answers(1)
    bench.clock_s = 1
    late = encode(full(2, 0.9, pv=-50))
    bench.inbox.put_frame(Received(key=KEY, payload=late, partition=0, offset=6, at_s=1, at_us=bench.now_us()))
    bench.revert()
    assert bench.answers(3)[2].refusal == Refusal.BEFORE_REVERT
    assert bench.devices_have([-10, 0, 0])


@pytest.mark.parametrize(
    ("words", "letters"),
    [
        ({"key": key_of("another-park", "ring")}, []),
        ({"grid_loop": "another"}, [b"wrong_shape"]),
        ({"headers": THEIRS.sign(topic=REVERT.name, key=KEY, payload=b"another")}, [b"bad_signature"]),
    ],
    ids=["another park's", "names another grid loop", "forged"],
)
def test_a_revert_that_is_not_ours_moves_nothing(bench, words, letters):
    bench.loop.keyring = read_keyring("ours:" + 32 * "22" if "headers" in words else "")
    bench.revert(**words)
    assert [dict(letter.headers)["reason"] for letter in bench.published] == letters
    assert all(letter.topic == dead_letter(REVERT).name for letter in bench.published)
    assert bench.loop.states["ring"].failsafe == frozenset()


def test_R3_the_end_of_a_lease_is_told_to_the_devices_and_answered(bench):  # noqa: N802 - rules are numbered so
    bench.receive(full(1, 0, pv=-40))
    bench.answers(1)
    bench.clock_s = 10
    bench.loop.turn()
    answer = bench.answers(2)[1]
    assert (answer.outcome, answer.ids, answer.sequence) == (Outcome.REVERTED, ["pv"], 1)
    assert bench.devices_have([-10, 0, 0])


def test_a_cut_link_is_answered_once_and_a_restored_one_gets_the_newest_values(bench):
    bench.server.close()
    bench.receive(full(1, 0, battery=20))
    failed, accepted = bench.answers(2)
    assert (failed.outcome, failed.ids) == (Outcome.DEVICE_FAILED, ["battery"])
    assert (accepted.outcome, accepted.latency_ms) == (Outcome.ACCEPTED, None)
    bench.receive(full(2, 0, battery=30))
    assert bench.answers(3)[2].latency_ms is None
    restored = DeviceServer("127.0.0.1", bench.server.port, bench.panel)
    time.sleep(0.15)  # the driver's back-off runs on the real clock
    bench.clock_s = 1.0
    assert bench.devices_have([-10, 0, 30])
    restored.close()


def test_a_full_disk_does_not_stop_setpoints(bench, tmp_path):
    (tmp_path / "park" / "dispatch-marks.tmp").mkdir()
    bench.receive(full(1, 0, battery=20))
    assert bench.answers(1)[0].outcome == Outcome.ACCEPTED


def lagging(sequence: int, at_s: float, *asset_ids: str) -> SetpointFrame:
    frame = full(sequence, at_s, valid_s=60, battery=20, pv=-40)
    return msgspec.structs.replace(frame, not_following=list(asset_ids))


def test_R16_a_device_that_does_not_follow_is_read_back_said_and_ended(bench):  # noqa: N802 - rules are numbered so
    bench.panel.show(np.array([-40.0, 0.0, 3.5]))
    bench.receive(lagging(1, 0, "battery", "stranger"))
    assert bench.devices_have([-40, 0, 20])
    bench.clock_s = PATIENCE_S
    (seen,) = bench.conditions(1)
    assert (seen.id, seen.subject, seen.phase, seen.role) == ("not_following/battery", "battery", "seen", "dispatch")
    assert seen.figures == {"told_kw": 20, "shown_kw": 3.5, "shown_setpoint_kw": 20}
    assert bench.marks.read().said == {"ring": {"not_following/battery"}}
    bench.receive(lagging(2, PATIENCE_S))
    assert [condition.phase for condition in bench.conditions(2)] == ["seen", "gone"]


def test_R15_devices_are_read_at_the_start_and_their_own_tighter_limits_stay(tmp_path):  # noqa: N802
    bench = Bench(tmp_path, own_kw=(np.array([-100.0, 0, -50]), np.array([0.0, 16, 80])))
    said = {condition.subject: condition for condition in bench.conditions(2)}
    assert said.keys() == {"charger", "battery"}
    assert said["charger"].figures == {"own_min_kw": 0, "own_max_kw": 16, "folder_min_kw": 0, "folder_max_kw": 22}
    bench.receive(full(1, 0, charger=22, battery=50))
    assert bench.devices_have([-10, 16, 50])
    bench.close()


def test_R12_saying_something_does_not_count_as_having_accepted_a_setpoint(tmp_path):  # noqa: N802
    bench = Bench(tmp_path, own_kw=(np.array([-90.0, 0, -50]), np.array([0.0, 22, 50])))
    bench.conditions(1)
    saved = bench.marks.read()
    assert (saved.said, saved.saved_at_us) == ({"ring": {"range_differs/pv"}}, None)
    bench.close()


def test_what_was_said_before_a_restart_and_does_not_hold_any_more_is_ended(tmp_path):
    both = ("not_following/pv", "range_differs/pv")
    bench = Bench(tmp_path, said_before=both, own_kw=(np.array([-100.0, 0, -50]), np.array([0.0, 22, 50])))
    bench.receive(full(1, 0, pv=-40))
    ended = bench.conditions(2)
    assert {(condition.id, condition.phase) for condition in ended} == {(name, "gone") for name in both}
    bench.close()


STOP = OverrideEntry(
    asset="charger", terms=OverrideTerms(kind="stop", until_us=wall_us(9), who="els", why="smoke", stated_us=1),
    changed_us=1, changed_by="els", changed_why="smoke",
)  # fmt: skip
STOP_KEY = override_key("park", "charger")


def test_r10_a_stop_reaches_the_device_whatever_the_worker_says_until_its_time_is_over(bench):
    bench.receive(full(1, 0, charger=11, battery=20))
    assert bench.devices_have([-10, 11, 20])
    bench.override(encode(STOP), key=STOP_KEY)
    assert bench.devices_have([-10, 0, 20])
    bench.published.clear()
    bench.clock_s = 1.0
    bench.receive(full(2, 1, charger=22, battery=20))
    refused = next(answer for answer in bench.answers(2) if answer.outcome == Outcome.REFUSED)
    assert (refused.refusal, refused.ids) == (Refusal.OVERRIDDEN, ["charger"])
    assert bench.devices_have([-10, 0, 20])
    bench.clock_s = 9.0
    assert bench.devices_have([-10, 22, 20])


def test_r14_an_override_that_cannot_be_used_or_is_another_parks_changes_nothing(bench):
    bench.receive(full(1, 0, charger=11))
    for key, payload in ((STOP_KEY, b"{"), (STOP_KEY, b""), (b"elsewhere/charger", encode(STOP))):
        bench.override(payload, key=key)
    assert bench.devices_have([-10, 11, 0])
