"""Writes reverts and conditions to the log, one at a time, until the broker has each or it is too late."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from streams.signature import Keyring
from streams.topics import Topic, partition_of

_BLOCK_MS: Final = 1_000
_GIVE_UP_MS: Final = 3_000
"""A message that is not there by then is said anew, if it still holds; one that came later could be out of date."""

_CLOSE_S: Final = 2.0

_CLIENT: Final[dict[str, Any]] = {
    "acks": "all",
    "linger_ms": 0,
    "max_block_ms": _BLOCK_MS,
    "request_timeout_ms": 2_000,
    "delivery_timeout_ms": _GIVE_UP_MS,
    "reconnect_backoff_max_ms": 500,
    "bootstrap_timeout_ms": 2_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


class NotSaidError(Exception):
    """The broker did not take a message in time; one line."""


@dataclass(slots=True, kw_only=True)
class Speaker:
    """One producer, made when it is first needed. For one thread."""

    bootstrap: str
    keyring: Keyring = field(default_factory=Keyring)
    _producer: KafkaProducer | None = None

    def say(self, topic: Topic, key: bytes, payload: bytes) -> None:
        """Write one message and wait until the broker has it, a few seconds at most.

        Raises:
            NotSaidError: it does not have it, or not surely.
        """
        headers = self.keyring.sign(topic=topic.name, key=key, payload=payload) if topic.signed else ()
        try:
            if self._producer is None:
                self._producer = KafkaProducer(bootstrap_servers=self.bootstrap, **_CLIENT)
            sent = self._producer.send(
                topic.name,
                key=key,
                value=payload,
                partition=partition_of(key, topic.partitions),
                headers=list(headers),
            )
            sent.get(timeout=_GIVE_UP_MS / 1000)
        except KafkaError as error:
            raise NotSaidError(f"{topic.name}: {error}") from error

    def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            # What was not acknowledged was told so by `say`; there is nothing left to lose.
            with suppress(KafkaTimeoutError):
                self._producer.close(timeout=_CLOSE_S)
