"""What happens on the recorded topics from one moment on, decoded: what a live view and a summary are made of.

Reads beside everybody else, without a group; a message that cannot be read is passed over (the worker sends it to the
dead letters).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from connectors.kafka_log import KafkaLog, open_log
from connectors.store.batch import RECORDED_TOPICS, Message
from connectors.store.offsets import LogPartition
from streams.codec import Rejected, decode_result, decode_setpoint, decode_state, decode_telemetry
from streams.messages import LoopState, SetpointFrame, SetpointResult, TelemetryFrame
from streams.topics import LOOP_STATE, SETPOINT, SETPOINT_RESULT, TELEMETRY, key_of

_CLIENT_ID: Final = "lusbalans-demo"

_DECODERS: Final = {
    TELEMETRY.name: decode_telemetry,
    LOOP_STATE.name: decode_state,
    SETPOINT.name: decode_setpoint,
    SETPOINT_RESULT.name: decode_result,
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One message about one grid loop (or `@station`), and when the broker took it."""

    grid_loop: str
    message: TelemetryFrame | LoopState | SetpointFrame | SetpointResult
    appended_us: int
    before: bool = False
    """Telemetry of the open quarter from before the log was opened."""


class RunLog:
    """The recorded topics of one hub, from the moment of construction on; telemetry from `since_us` on, marked.

    Raises:
        LogUnavailableError: no broker, or a topic is missing.
    """

    def __init__(self, bootstrap: str, hub_id: str, *, since_us: int) -> None:
        self._prefix = key_of(hub_id, "").decode()
        self._log: KafkaLog = open_log(bootstrap, RECORDED_TOPICS, client_id=_CLIENT_ID)
        self._opened = self.ends()
        self._next = self._opened | self._log.offsets_since(since_us, TELEMETRY.name)
        self._log.seek(self._next)
        self._log.resume()

    def poll(self, timeout_s: float) -> list[Happened]:
        """Return what happened next, waiting for it no longer than the timeout.

        Raises:
            LogUnavailableError: the broker does not answer.
            OutsideLogError: the broker has dropped what was to be read.
        """
        messages = self._log.poll(timeout_s)
        self._next.update({message.partition: message.offset + 1 for message in messages})
        return list(self._decoded(messages))

    def ends(self) -> dict[LogPartition, int]:
        """Where each partition ends now.

        Raises:
            LogUnavailableError: the broker does not answer.
        """
        return {partition: end for partition, (_, end) in self._log.bounds().items()}

    def has_read(self, ends: dict[LogPartition, int]) -> bool:
        """Whether everything before these ends was returned by `poll`."""
        return all(self._next[partition] >= end for partition, end in ends.items())

    def close(self) -> None:
        """Let go of the broker."""
        self._log.close()

    def _decoded(self, messages: list[Message]) -> Iterator[Happened]:
        for message in messages:
            if message.key is None or message.value is None:
                continue
            with suppress(UnicodeDecodeError):
                key = message.key.decode()
                decoded = _DECODERS[message.partition.topic](message.value)
                if key.startswith(self._prefix) and not isinstance(decoded, Rejected):
                    before = message.offset < self._opened[message.partition]
                    yield Happened(key.removeprefix(self._prefix), decoded, message.appended_us, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
