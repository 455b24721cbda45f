"""A thousand payloads that mean nothing, among good ones: all are kept, none is believed, nothing stops."""

import random
import time

import msgspec
import pytest
from kafka import KafkaProducer

from streams.codec import decode_setpoint, decode_state, encode
from streams.topics import (
    LOOP_BUDGET,
    LOOP_OFFER,
    LOOP_STATE,
    SETPOINT,
    TELEMETRY,
    dead_letter,
    key_of,
    partition_of,
    station_key,
)
from tests.faults.judging import everybody_since, worst_gap_s

pytestmark = pytest.mark.services

LETTERS = dead_letter(TELEMETRY)
COUNT = 1000


def spoil(good: bytes, kind: int, chance: random.Random) -> bytes:
    """One of twelve ways to be wrong as a whole; each differs from the others, so that each can be found again."""
    mark = f"{chance.getrandbits(64):016x}".encode()
    return [
        b"",
        b"{" + mark,
        b"\xff\xfe" + mark,
        b'"' + mark + b'"',
        b"[" * 2000 + mark,
        good[: len(good) // 2] + mark,
        good.replace(b'"power_kw":[', b'"power_kw":[1.5,', 1) + b" " * (kind + 1),
        good.replace(b'"power_kw":[', b'"power_kw":["' + mark + b'",', 1),
        good.replace(b'"power_kw":[', b'"power_kw":[NaN,', 1),
        good.replace(b'"ids":[', b'"ids":["' + mark + b'",', 1),
        good.replace(b'"sequence":', b'"sequence":"' + mark + b'","x":', 1),
        b'{"gateway":"' + mark + b'"}',
    ][kind]


@pytest.fixture
def send(broker):
    """Sends payloads under a key, and waits until the broker has them."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")

    def to(topic, key, payloads):
        for payload in payloads:
            producer.send(topic.name, payload, key=key, partition=partition_of(key))
        producer.flush(30)

    yield to
    producer.close()


@pytest.fixture
def loops(hub):
    return [loop.id for loop in hub.grid_loops]


@pytest.fixture
def frame(gateway, loops):
    """A frame as the first loop's gateway sends it now."""
    return gateway.frame(loops[0], time.time_ns() // 1_000_000_000 * 1_000_000)


def assert_nothing_wrong_was_believed(listener, gateway, *, since_s):
    for state in (decode_state(m.value) for m in listener.so_far(LOOP_STATE) if m.at_s > since_s):
        for node, power_kw in zip(state.nodes.ids, state.nodes.power_kw, strict=True):
            assert abs(power_kw - gateway.expected_kw(node)) < 0.001, (node, power_kw)


def test_a_thousand_malformed_payloads_go_to_the_dead_letters_and_stop_nothing(  # noqa: PLR0917 (fixtures)
    roles, gateway, loops, frame, listen, send
):
    listener = listen(SETPOINT, LOOP_STATE, LETTERS)
    roles.start("worker")
    listener.wait(SETPOINT, everybody_since(time.time(), set(loops)), within_s=90)
    began_s, chance = time.time(), random.Random(7)
    payloads = [spoil(encode(frame), at % 12, chance) for at in range(COUNT)]
    send(TELEMETRY, key_of(gateway.hub.id, loops[0]), payloads)
    letters = listener.wait(LETTERS, lambda kept: len(kept) >= COUNT, within_s=60)
    messages = listener.wait(SETPOINT, everybody_since(time.time() + 2, set(loops)), within_s=60)
    assert sorted(letter.value for letter in letters) == sorted(payloads)
    assert {letter.headers["source_topic"] for letter in letters} == {TELEMETRY.name}
    assert all(letter.headers["reason"] and letter.headers["source_offset"].isdigit() for letter in letters)
    print(f"reasons: {sorted({letter.headers['reason'] for letter in letters})}")
    print(f"longest time without setpoints in the flood: {worst_gap_s(messages, after_s=began_s):.2f} s")
    assert worst_gap_s(messages, after_s=began_s) < 10
    assert {decode_setpoint(m.value).epoch.generation for m in messages} == {1}
    assert_nothing_wrong_was_believed(listener, gateway, since_s=began_s)


def test_one_bad_reading_is_left_out_and_kept_with_its_row(  # noqa: PLR0917 (fixtures)
    roles, gateway, loops, frame, listen, send
):
    listener = listen(SETPOINT, LOOP_STATE, LETTERS)
    roles.start("worker")
    listener.wait(SETPOINT, everybody_since(time.time(), set(loops)), within_s=90)
    row = next(at for at, point in enumerate(frame.ids) if point in gateway.wh_per_s)
    bad = msgspec.structs.replace(frame, power_kw=[*frame.power_kw[:row], 1e9, *frame.power_kw[row + 1 :]])
    send(TELEMETRY, key_of(gateway.hub.id, loops[0]), [encode(bad)])
    (letter,) = listener.wait(LETTERS, len, within_s=30)
    listener.wait(SETPOINT, everybody_since(time.time() + 1, set(loops)), within_s=30)
    assert letter.value == encode(bad)
    assert (letter.headers["reason"], letter.headers["row"]) == ("absurd_value", str(row))
    assert_nothing_wrong_was_believed(listener, gateway, since_s=letter.at_s)


def test_nonsense_between_the_roles_is_kept_and_stops_nothing(  # noqa: PLR0917 (fixtures)
    roles, gateway, loops, frame, listen, send
):
    loop_key = key_of(gateway.hub.id, loops[0])
    keys = {LOOP_OFFER: station_key(gateway.hub.id), LOOP_BUDGET: loop_key, SETPOINT: loop_key}
    listener = listen(LOOP_STATE, *map(dead_letter, keys))
    for role in ("worker", "dispatch"):
        roles.start(role)
    listener.wait(LOOP_STATE, len, within_s=90)
    began_s, chance = time.time(), random.Random(8)
    payloads = [spoil(encode(frame), at % 12, chance) for at in range(60)]
    for topic, key in keys.items():
        send(topic, key, payloads)
    for topic in keys:
        letters = listener.wait(dead_letter(topic), lambda kept: len(kept) >= len(payloads), within_s=30)
        assert sorted(letter.value for letter in letters) == sorted(payloads)
        assert {letter.headers["source_topic"] for letter in letters} == {topic.name}
    after_s = time.time()
    states = listener.wait(LOOP_STATE, lambda states: states[-1].at_s > after_s + 2, within_s=30)
    assert {decode_state(m.value).epoch.generation for m in states} == {1}
    assert_nothing_wrong_was_believed(listener, gateway, since_s=began_s)
