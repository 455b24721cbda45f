"""Setpoints that are replayed, forged, flipped or of an old writer, by the thousand: not one is applied (R8, R9)."""

import random
from collections import Counter

from connectors.dispatch import rules
from connectors.dispatch.rules import Refused
from streams.codec import Rejected, decode_setpoint, encode
from streams.messages import DeadLetterReason, Refusal
from streams.signature import HEADER, read_keyring
from streams.topics import SETPOINT
from tests.connectors.dispatch.lease_tables import cycle, fresh, full, renewal, wall_us

ATTACKS = 10_000
"""The soak makes ten times as many."""

KEY = b"park/ring"
OURS, THEIRS = read_keyring("ours:" + 32 * "11"), read_keyring("ours:" + 32 * "22")
NOW_S = 100.0


def signed(message, ring=OURS):
    payload = encode(message)
    return payload, ring.sign(topic=SETPOINT.name, key=KEY, payload=payload)


def history():
    """What the park's writer wrote until now, frame by frame, with the state of dispatch that it led to."""
    state, written = fresh(), []
    for sequence in range(1, 100):
        at_s = NOW_S - 100 + sequence
        frame = full(sequence, at_s, epoch=7, pv=-sequence / 2) if sequence % 10 == 1 else renewal(
            sequence, at_s, of=sequence - (sequence - 1) % 10, epoch=7
        )  # fmt: skip
        written.append(signed(frame))
        state, _ = cycle(state, at_s, frame)
    return state, written


def replayed(chance, written):
    return chance.choice(chance.choice([written, written[-3:]]))


def forged(chance, _written):
    """New and in good order, but by somebody without our key."""
    payload, headers = signed(full(1_000 + chance.randrange(9_000), NOW_S, epoch=8, pv=-99), ring=THEIRS)
    return payload, chance.choice([headers, (), ((HEADER, headers[0][1][: chance.randrange(64)]),)])


def flipped(chance, written):
    """One bit of a message, or of its signature."""
    payload, headers = (bytearray(part) for part in (written[-1][0], written[-1][1][0][1]))
    part = chance.choice([payload, headers])
    part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
    return bytes(payload), ((HEADER, bytes(headers)),)


def old_epoch(chance, _written):
    """What a frozen writer with the key signs when it wakes up."""
    return signed(full(1_000 + chance.randrange(9_000), NOW_S, epoch=chance.randrange(7), pv=-99))


def receive(state, payload, headers):
    """What dispatch does with a record: signature, shape, rules."""
    read = OURS.refuse(headers, topic=SETPOINT.name, key=KEY, payload=payload) or decode_setpoint(payload)
    if isinstance(read, Rejected):
        return state, read.reason.value
    state, outcome = rules.receive(state, read, now_s=NOW_S, now_us=wall_us(NOW_S))
    return state, outcome.why.value if isinstance(outcome, Refused) else "applied"


def test_R8_R9_of_all_replayed_forged_flipped_and_old_setpoints_none_is_applied():  # noqa: N802
    assert_none_is_applied(ATTACKS)


def assert_none_is_applied(attacks):
    chance = random.Random(20261124)
    before, written = history()
    state, answers = before, {attack: Counter() for attack in (replayed, forged, flipped, old_epoch)}
    for number in range(attacks):
        attack = list(answers)[number % len(answers)]
        state, answer = receive(state, *attack(chance, written))
        answers[attack][answer] += 1
    for attack, counted in answers.items():
        print(f"{attack.__name__}: {dict(counted)}")
    assert state == before
    assert sum(counted["applied"] for counted in answers.values()) == 0
    assert set(answers[replayed]) == {Refusal.TOO_OLD, Refusal.NOT_NEWER}
    assert set(answers[old_epoch]) == {Refusal.LOWER_EPOCH}
    assert set(answers[forged]) == {DeadLetterReason.UNSIGNED, DeadLetterReason.BAD_SIGNATURE}
    # A flip in the key's id makes it another key's.
    assert set(answers[flipped]) == {DeadLetterReason.BAD_SIGNATURE, DeadLetterReason.UNKNOWN_KEY}
    assert receive(state, *signed(full(1_000, NOW_S, epoch=7, pv=-20)))[1] == "applied"
