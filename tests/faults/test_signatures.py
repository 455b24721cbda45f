"""A park whose setpoints are signed runs as any other, and what is forged in it moves nothing."""

import time

import msgspec
import pytest
from kafka import KafkaProducer

from streams.codec import decode_result, decode_setpoint, encode
from streams.messages import DeadLetterReason, Outcome
from streams.signature import read_keyring
from streams.topics import SETPOINT, SETPOINT_RESULT, dead_letter, key_of, partition_of
from tests.faults.judging import by_loop, everybody_since

pytestmark = pytest.mark.services

OURS, THEIRS = ("park:" + 32 * digit for digit in ("1f", "2e"))


def test_a_signed_park_runs_and_a_forged_frame_is_refused(roles, gateway, broker, listen):
    loops = {loop.id for loop in gateway.hub.grid_loops}
    listener, letters = listen(SETPOINT, SETPOINT_RESULT), listen(dead_letter(SETPOINT))
    roles.settings = {"LUSBALANS_SIGNING_KEYS": OURS}
    roles.start("dispatch")
    roles.start("worker")
    messages = listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    assert all("signature" in heard.headers for heard in messages)
    grid_loop, frames = next(iter(by_loop(messages).items()))
    key = key_of(gateway.hub.id, grid_loop)
    forged = msgspec.structs.replace(frames[-1][1], full=False, sequence=1_000_000, issued_at_us=time.time_ns() // 1000)
    payload = encode(forged)
    wrong = read_keyring(THEIRS).sign(topic=SETPOINT.name, key=key, payload=payload)
    moved = tuple((name, value.encode()) for name, value in messages[-1].headers.items())
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    for headers in ((), wrong, moved):
        producer.send(SETPOINT.name, payload, key=key, partition=partition_of(key), headers=list(headers)).get(10)
    producer.close()
    buried = letters.wait(dead_letter(SETPOINT), lambda found: len(found) >= 3, within_s=30)
    assert [heard.headers["reason"] for heard in buried] == [
        DeadLetterReason.UNSIGNED,
        DeadLetterReason.BAD_SIGNATURE,
        DeadLetterReason.BAD_SIGNATURE,
    ]
    assert all(heard.value == payload for heard in buried)
    since_s = time.time()
    listener.wait(SETPOINT, everybody_since(since_s, loops), within_s=30)
    answers = [decode_result(heard.value) for heard in listener.so_far(SETPOINT_RESULT)]
    accepted = [answer for answer in answers if answer.outcome == Outcome.ACCEPTED and answer.at_us > since_s * 1e6]
    print(f"{len(messages)} signed frames before the forgery, {len(accepted)} accepted since")
    assert {answer.grid_loop for answer in accepted} == loops
    assert Outcome.REFUSED not in {answer.outcome for answer in answers}
    assert forged.sequence not in {answer.sequence for answer in answers}
    assert decode_setpoint(buried[0].value) == forged
