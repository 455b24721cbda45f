"""Bytes to messages and back: the one decoder, and what it refuses.

Outside data never raises past this file: the answer is the message or a `Rejected` with a reason from a fixed enum.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from streams.guard_messages import Condition, Revert
from streams.limit_messages import LimitEntry
from streams.messages import Budget, DeadLetterReason, LoopState, Offer, SetpointFrame, SetpointResult, TelemetryFrame
from streams.override_messages import OverrideEntry
from streams.topology_messages import TopologyEntry

MAX_MESSAGE_BYTES: Final = 1_000_000
"""The broker's own default for a message; larger ones cannot have come through it."""

_M = TypeVar("_M", bound=msgspec.Struct)

_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Outside data that is not a message of ours; `detail` is for people."""

    reason: DeadLetterReason
    detail: str


def encode(message: msgspec.Struct) -> bytes:
    """Encode a message as JSON; the same message gives the same bytes."""
    return _encoder.encode(message)


class Decoder(Generic[_M]):
    """Decodes one kind of message; unknown fields are ignored, so that newer writers can be read."""

    def __init__(self, kind: type[_M]) -> None:
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, payload: bytes) -> _M | Rejected:
        """Return the message, or why the payload is not one."""
        if len(payload) > MAX_MESSAGE_BYTES:
            return Rejected(DeadLetterReason.TOO_LARGE, f"{len(payload)} bytes")
        try:
            return self._decoder.decode(payload.decode())  # of unknown fields msgspec itself would let any bytes pass
        except msgspec.ValidationError as error:
            return Rejected(DeadLetterReason.WRONG_SHAPE, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Rejected(DeadLetterReason.NOT_JSON, str(error))


decode_telemetry: Final = Decoder(TelemetryFrame).decode
decode_state: Final = Decoder(LoopState).decode
decode_offer: Final = Decoder(Offer).decode
decode_budget: Final = Decoder(Budget).decode
decode_setpoint: Final = Decoder(SetpointFrame).decode
decode_result: Final = Decoder(SetpointResult).decode
decode_condition: Final = Decoder(Condition).decode
decode_limit: Final = Decoder(LimitEntry).decode
decode_override: Final = Decoder(OverrideEntry).decode
decode_topology: Final = Decoder(TopologyEntry).decode
decode_revert: Final = Decoder(Revert).decode
