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
    """All writes of one grid loop at one moment, and whose devices are to be read; `id` comes back in the answer."""

    id: int
    writes: list[Write] = []
    reads: list[str] = []


class Shown(msgspec.Struct, frozen=True):
    """What a device shows of itself; load convention, kW, None where it has no such thing."""

    power_kw: float | None
    setpoint_kw: float | None
    """What it obeys; None when it has no lease and goes to its reversion value."""
    min_kw: float | None = None
    """Its own static limits, which no setpoint lifts (R15)."""
    max_kw: float | None = None


class Answer(msgspec.Struct, frozen=True):
    """Which devices of a batch did not take their setpoint, with why; all others have it. And what those read show."""

    id: int
    failed: dict[str, str] = {}
    shown: dict[str, Shown] = {}


_encoder: Final = msgspec.json.Encoder()
decode_batch: Final = msgspec.json.Decoder(Batch).decode
decode_answer: Final = msgspec.json.Decoder(Answer).decode


def line_of(message: Batch | Answer) -> bytes:
    """Encode as one line, newline included."""
    return _encoder.encode(message) + b"\n"
