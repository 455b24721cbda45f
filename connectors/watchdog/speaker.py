"""Writes reverts and conditions to the log, and says which of them the broker has."""

from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from streams.signature import Keyring
from streams.topics import Topic, partition_of

_log = structlog.get_logger()

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


@dataclass(slots=True, kw_only=True)
class Speaker:
    """One producer, made when it is first needed. For one thread."""

    bootstrap: str
    keyring: Keyring = field(default_factory=Keyring)
    _producer: KafkaProducer | None = None

    def say(self, topic: Topic, key: bytes, payload: bytes) -> bool:
        """Write one message and wait until the broker has it, a few seconds at most; False where it does not."""
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
            _log.error("not_said", topic=topic.name, key=key.decode(), error=str(error))
            return False
        return True

    def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            try:
                self._producer.close(timeout=_CLOSE_S)
            except KafkaTimeoutError as error:
                _log.warning("not_closed", error=str(error))
