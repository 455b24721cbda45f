"""Signatures on what moves devices or limits: HMAC-SHA256 in a header of the message, with the id of the key.

Pure. A signature covers topic, key and the raw bytes, so that a message cannot be moved to another grid loop, park or
topic. That it is old it does not show: for setpoints (epoch, sequence) and age do (R2, R8). Keys are shared: whoever
can check a signature can also make one.

The first key signs, all keys verify. To change keys without a gap: add the new one behind the old everywhere, then
put it first everywhere, then take the old one out.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.codec import Rejected
from streams.messages import DeadLetterReason

HEADER: Final = "signature"
"""Its value is `<key id>:<64 hex digits>`."""

LEAST_KEY_BYTES: Final = 32
"""A key shorter than the hash weakens it (RFC 2104, section 3)."""

_ENTRY: Final = re.compile(r"(?P<id>[A-Za-z0-9_.-]{1,32}):(?P<key>(?:[0-9a-fA-F]{2})+)")
_SIGNATURE: Final = re.compile(rb"(?P<id>[A-Za-z0-9_.-]{1,32}):(?P<mac>[0-9a-f]{64})")

Headers = Sequence[tuple[str, bytes]]


class KeyringError(ValueError):
    """The setting of the keys cannot be used; says what is wrong without showing a key."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id, in order; without any, nothing is signed and everything passes."""

    keys: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """Key ids; the first one signs."""
        return tuple(self.keys)

    def sign(self, *, topic: str, key: bytes, payload: bytes) -> tuple[tuple[str, bytes], ...]:
        """Return the headers that a message must carry."""
        if not self.keys:
            return ()
        key_id, secret = next(iter(self.keys.items()))
        return ((HEADER, f"{key_id}:{_mac(secret, topic=topic, key=key, payload=payload)}".encode()),)

    def refuse(self, headers: Headers, *, topic: str, key: bytes, payload: bytes) -> Rejected | None:
        """Return why a message is not from somebody who has a key; None where it is, or where there are no keys."""
        if not self.keys:
            return None
        signatures = [value for name, value in headers if name == HEADER]
        if not signatures:
            return Rejected(DeadLetterReason.UNSIGNED, "no signature")
        found = _SIGNATURE.fullmatch(signatures[0]) if len(signatures) == 1 else None
        if found is None:
            return Rejected(DeadLetterReason.BAD_SIGNATURE, "not one signature of the form <key id>:<64 hex digits>")
        secret = self.keys.get(found["id"].decode())
        if secret is None:
            return Rejected(DeadLetterReason.UNKNOWN_KEY, f"no key {found['id'].decode()}")
        if not hmac.compare_digest(_mac(secret, topic=topic, key=key, payload=payload).encode(), found["mac"]):
            return Rejected(DeadLetterReason.BAD_SIGNATURE, "the signature is not that of this message")
        return None


def read_keyring(text: str) -> Keyring:
    """Read keys as the setting has them: `<id>:<hex digits>`, separated by white space; no text is no keys.

    Raises:
        KeyringError: naming the entry by its place.

    >>> read_keyring("2026-12:" + 32 * "5a").ids
    ('2026-12',)
    """
    keys: dict[str, bytes] = {}
    for place, entry in enumerate(text.split(), start=1):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise KeyringError(
                f"signing key {place} is not of the form <id>:<hex digits> (make one: openssl rand -hex 32)"
            )
        secret = bytes.fromhex(found["key"])
        if len(secret) < LEAST_KEY_BYTES:
            raise KeyringError(f"signing key {found['id']} has {len(secret)} bytes; {LEAST_KEY_BYTES} are the least")
        if found["id"] in keys:
            raise KeyringError(f"signing key {found['id']} is there twice")
        keys[found["id"]] = secret
    return Keyring(keys)


def _mac(secret: bytes, *, topic: str, key: bytes, payload: bytes) -> str:
    """Lengths go before topic and key, so that no two messages give the same bytes."""
    place = b"".join(len(part).to_bytes(4, "big") + part for part in (topic.encode(), key))
    return hmac.new(secret, place + payload, hashlib.sha256).hexdigest()
