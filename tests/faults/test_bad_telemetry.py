"""A thousand payloads that mean nothing, among good ones: all are kept, none is believed, nothing stops."""

import random
import time

import pytest
from kafka import KafkaProducer

from streams.codec import decode_setpoint, decode_state, encode
from streams.topics import LOOP_STATE, SETPOINT, TELEMETRY, dead_letter, key_of, partition_of
from tests.faults.test_worker_faults import everybody_since, worst_gap_s

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
def flood(gateway, broker):
    """Sends the payloads under the key of one loop, in among that loop's own frames; returns them."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    loop = gateway.hub.grid_loops[0].id
    key, chance = key_of(gateway.hub.id, loop), random.Random(7)

    def send():
        good = encode(gateway.frame(loop, time.time_ns() // 1_000_000_000 * 1_000_000))
        payloads = [spoil(good, at % 12, chance) for at in range(COUNT)]
        for payload in payloads:
            producer.send(TELEMETRY.name, payload, key=key, partition=partition_of(key))
        producer.flush(30)
        return payloads

    yield send
    producer.close()


def test_a_thousand_malformed_payloads_go_to_the_dead_letters_and_stop_nothing(roles, gateway, listen, flood):
    listener = listen(SETPOINT, LOOP_STATE, LETTERS)
    roles.start("worker")
    loops = {loop.id for loop in gateway.hub.grid_loops}
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    began_s = time.time()
    payloads = flood()
    letters = listener.wait(LETTERS, lambda kept: len(kept) >= COUNT, within_s=60)
    messages = listener.wait(SETPOINT, everybody_since(time.time() + 2, loops), within_s=60)
    assert sorted(letter.value for letter in letters) == sorted(payloads)
    assert {letter.headers["source_topic"] for letter in letters} == {TELEMETRY.name}
    assert all(letter.headers["reason"] and letter.headers["source_offset"].isdigit() for letter in letters)
    print(f"reasons: { {letter.headers['reason'] for letter in letters} }")
    print(f"longest time without setpoints in the flood: {worst_gap_s(messages, after_s=began_s):.2f} s")
    assert worst_gap_s(messages, after_s=began_s) < 10
    assert {decode_setpoint(m.value).epoch.generation for m in messages} == {1}
    for state in (decode_state(m.value) for m in listener.so_far(LOOP_STATE) if m.at_s > began_s):
        for node, power_kw in zip(state.nodes.ids, state.nodes.power_kw, strict=True):
            assert abs(power_kw - gateway.expected_kw(node)) < 0.001, (node, power_kw)
