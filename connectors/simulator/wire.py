"""What dispatch and simulated devices say to each other: one JSON line each way per batch, over TCP on loopback.

Messages only, no sockets. A real device's protocol (Modbus, OCPP) takes this place behind its own driver.
"""

from typing import Final

import msgspec

MAX_LINE_BYTES: Final = 1_000_000
"""A longer line ends the conversation; 10,000 writes of one grid loop need about 700 kB."""


class Write(msgspec.Struct, frozen=True):
    """One setpoint: load convention, kW; the device goes to its reversion value when `lease_s` is over."""

    asset: str
    power_kw: float
    lease_s: float


class Batch(msgspec.Struct, frozen=True):
    """All writes of one grid loop at one moment; `id` comes back in the answer."""

    id: int
    writes: list[Write]


class Answer(msgspec.Struct, frozen=True):
    """Which devices of a batch did not take their setpoint, with why; all others have it."""

    id: int
    failed: dict[str, str] = {}


_encoder: Final = msgspec.json.Encoder()
decode_batch: Final = msgspec.json.Decoder(Batch).decode
decode_answer: Final = msgspec.json.Decoder(Answer).decode


def line_of(message: Batch | Answer) -> bytes:
    """Encode as one line, newline included."""
    return _encoder.encode(message) + b"\n"
