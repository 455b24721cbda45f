"""Signatures: whoever has no key, or changes one bit, moves nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages import DeadLetterReason
from streams.signature import HEADER, Keyring, KeyringError, read_keyring

OLD, NEW = "old:" + 32 * "0b", "new:" + 32 * "a7"
RING = read_keyring(NEW)
MESSAGE = {"topic": "hub.setpoint.v1", "key": b"park/lus-1", "payload": b'{"power_kw":[12.5]}'}
SIGNED = RING.sign(**MESSAGE)[0][1]


def reason(headers, ring=RING, **changed):
    refused = ring.refuse(headers, **MESSAGE | changed)
    return refused and refused.reason


def test_a_signed_message_passes_with_the_key_that_signed_it():
    assert reason([(HEADER, SIGNED)]) is None


def test_the_signature_is_that_of_rfc_2104_over_topic_key_and_bytes():
    # computed with `openssl dgst -sha256 -mac HMAC -macopt hexkey:a7...`
    ring = read_keyring("new:" + 32 * "a7")
    headers = ring.sign(topic="t", key=b"k", payload=b"v")
    assert headers == ((HEADER, b"new:ef7c86f3c2da507c5a019e71dd07d7b3c60546f920992394c548655bfd8690ec"),)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], DeadLetterReason.UNSIGNED),
        ([("other", SIGNED)], DeadLetterReason.UNSIGNED),
        ([(HEADER, b"")], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, SIGNED[:-1])], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, SIGNED + b"0")], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, SIGNED.upper())], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, SIGNED[4:])], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, b"new:" + b"0" * 64)], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, SIGNED.replace(b"new:", b"odd:"))], DeadLetterReason.UNKNOWN_KEY),
        ([(HEADER, SIGNED), (HEADER, SIGNED)], DeadLetterReason.BAD_SIGNATURE),
        ([(HEADER, b"\xff\xfe:" + SIGNED[4:])], DeadLetterReason.BAD_SIGNATURE),
    ],
    ids=[
        "unsigned", "under another name", "empty", "cut", "longer", "capitals", "no key id", "forged", "unknown key",
        "twice", "no text",
    ],
)  # fmt: skip
def test_what_is_no_signature_of_a_known_key_is_refused_with_its_reason(headers, expected):
    assert reason(headers) == expected


@pytest.mark.parametrize(
    "changed", [{"topic": "hub.revert.v1"}, {"key": b"park/lus-2"}, {"key": b"other/lus-1"}, {"payload": b""}]
)
def test_a_signature_belongs_to_one_topic_one_key_and_one_content(changed):
    assert reason([(HEADER, SIGNED)], **changed) == DeadLetterReason.BAD_SIGNATURE


@given(bit=st.integers(0, 8 * len(MESSAGE["payload"]) - 1))
def test_one_flipped_bit_is_seen(bit):
    payload = bytearray(MESSAGE["payload"])
    payload[bit // 8] ^= 1 << bit % 8
    assert reason([(HEADER, SIGNED)], payload=bytes(payload)) == DeadLetterReason.BAD_SIGNATURE


@given(st.binary(max_size=8), st.binary(max_size=8), st.binary(max_size=8))
def test_bytes_cannot_move_between_key_and_content(key, payload, moved):
    signed = RING.sign(topic="t", key=key + moved, payload=payload)
    same = (key, moved + payload) == (key + moved, payload)
    assert (RING.refuse(signed, topic="t", key=key, payload=moved + payload) is None) == same


def test_keys_are_changed_without_a_gap():
    """Add the new key behind the old, put it first, take the old one out: at each step everybody verifies everybody."""
    steps = [read_keyring(text) for text in (OLD, f"{OLD}\n{NEW}\n", f"{NEW} {OLD}", NEW)]
    for earlier, later in pairwise(steps):
        for signs, verifies in ((earlier, later), (later, earlier), (later, later)):
            assert verifies.refuse(signs.sign(**MESSAGE), **MESSAGE) is None
    assert steps[3].refuse(steps[0].sign(**MESSAGE), **MESSAGE).reason == DeadLetterReason.UNKNOWN_KEY


def test_without_keys_nothing_is_signed_and_everything_passes():
    assert read_keyring("") == Keyring()
    assert (Keyring().sign(**MESSAGE), reason([], Keyring()), reason([(HEADER, b"x")], Keyring())) == ((), None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a7a7", "1 is not of the form"),
        (f"{NEW} {OLD[:-1]}", "2 is not of the form"),
        ("short:" + 31 * "a7", "short has 31 bytes"),
        (f"{NEW} {NEW}", "new is there twice"),
        ("bad id:" + 32 * "a7", "1 is not of the form"),
        ("text:" + "correct horse battery staple " * 3, "1 is not of the form"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_being_shown(text, words):
    with pytest.raises(KeyringError, match=words) as refused:
        read_keyring(text)
    assert "a7a7" not in str(refused.value)
    assert "0b0b" not in str(refused.value)


def test_a_keyring_does_not_show_its_keys():
    assert "a7" not in repr(RING)
