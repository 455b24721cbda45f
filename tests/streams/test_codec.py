"""The decoder: outside data is a message or a `Rejected`, never an exception."""

import random
from pathlib import Path

import msgspec
import pytest

from streams.codec import (
    MAX_MESSAGE_BYTES,
    Decoder,
    Rejected,
    decode_budget,
    decode_offer,
    decode_result,
    decode_setpoint,
    decode_state,
    decode_telemetry,
    encode,
)
from streams.messages import Budget, Claim, DeadLetterReason, Epoch, TelemetryFrame

GOLDEN = Path(__file__).parents[1] / "golden/v1"
KINDS = {
    "telemetry": decode_telemetry,
    "loop-state": decode_state,
    "offer": decode_offer,
    "budget": decode_budget,
    "setpoint-full": decode_setpoint,
    "setpoint-result": decode_result,
    "claim": Decoder(Claim).decode,
}
SPLICES = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"{}",
    b"[[",
    b'"',
    b"\\u0000",
    b"\xff",
    b"\x00",
    b"[" * 3000,
)


def mutate(payload, chance):
    """Change, drop, double, cut or splice bytes: one to four times."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        at, until = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                del data[at:until]
            case 2:
                data[at:at] = data[at:until]
            case 3:
                del data[until:]
            case _:
                data[at : min(at + 5, until)] = chance.choice(SPLICES)
    return bytes(data)


@pytest.mark.parametrize("name", KINDS)
def test_10_000_mutated_frames_give_a_message_or_a_rejection(name):
    decode, payload, chance = KINDS[name], (GOLDEN / f"{name}.json").read_bytes(), random.Random(name)
    kind = type(decode(payload))
    answers = [decode(mutate(payload, chance)) for _ in range(10_000)]
    assert {type(answer) for answer in answers} == {kind, Rejected}
    assert {a.reason for a in answers if isinstance(a, Rejected)} == {
        DeadLetterReason.NOT_JSON,
        DeadLetterReason.WRONG_SHAPE,
    }


@pytest.mark.parametrize("name", KINDS)
def test_random_bytes_are_never_a_message(name):
    chance = random.Random(7)
    for _ in range(2_000):
        assert isinstance(KINDS[name](chance.randbytes(chance.randrange(200))), Rejected)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", DeadLetterReason.NOT_JSON, id="empty"),
        pytest.param(b"{", DeadLetterReason.NOT_JSON, id="cut off"),
        pytest.param(b"\xff\xfe", DeadLetterReason.NOT_JSON, id="not text"),
        pytest.param(b'{"added": ' + b"[" * 100_000, DeadLetterReason.NOT_JSON, id="nested without end"),
        pytest.param(b'{"grid_loop": "\xff"}', DeadLetterReason.NOT_JSON, id="bad UTF-8 in a text"),
        pytest.param(b'{"\xff": 1}', DeadLetterReason.NOT_JSON, id="bad UTF-8 in a name nobody knows"),
        pytest.param(b"null", DeadLetterReason.WRONG_SHAPE, id="null"),
        pytest.param(b"[]", DeadLetterReason.WRONG_SHAPE, id="a list"),
        pytest.param(b"{}", DeadLetterReason.WRONG_SHAPE, id="nothing in it"),
        pytest.param(b" " * (MAX_MESSAGE_BYTES + 1), DeadLetterReason.TOO_LARGE, id="too large"),
    ],
)
def test_what_is_not_a_message_is_rejected_with_its_reason(payload, reason):
    assert decode_budget(payload).reason is reason


def test_a_message_of_another_kind_is_rejected():
    assert decode_budget((GOLDEN / "telemetry.json").read_bytes()).reason is DeadLetterReason.WRONG_SHAPE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_r14_a_budget_that_is_not_a_number_cannot_cross_the_wire(value):
    budget = Budget(
        grid_loop="lus-1",
        tick=1,
        epoch=Epoch(1, 1, 1),
        number=1,
        issued_at_us=0,
        lease_ms=1000,
        min_kw=0.0,
        max_kw=value,
    )
    assert decode_budget(encode(budget)).reason is DeadLetterReason.WRONG_SHAPE


def test_a_reading_that_is_not_a_number_arrives_as_missing():
    frame = TelemetryFrame(
        gateway="g", sequence=1, sent_at_us=1, ids=["a"], measured_at_us=[1], power_kw=[float("nan")]
    )
    assert decode_telemetry(encode(frame)).power_kw == [None]


def test_a_register_of_a_century_keeps_its_last_watt_hour():
    frame = msgspec.json.decode((GOLDEN / "telemetry.json").read_bytes(), type=TelemetryFrame)
    assert decode_telemetry(encode(frame)).energy_import_wh[0] == 2**53 + 1
