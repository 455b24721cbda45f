"""Publishes telemetry frames and counts what the broker acknowledged. Never waits for the broker longer than stated."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from streams.codec import encode
from streams.messages import TelemetryFrame
from streams.topics import TELEMETRY, key_of, partition_of

_log = structlog.get_logger()

_BLOCK_MS: Final = 200
"""The step goes on without the broker; a frame that cannot be queued in this time is lost, as at a real gateway."""

_DELIVERY_MS: Final = 30_000
_BOOTSTRAP_MS: Final = 900
_RETRY_S: Final = 2.0


class TelemetrySender:
    """One producer, made when the broker can first be reached."""

    def __init__(self, bootstrap: str, hub_id: str) -> None:
        self._bootstrap = bootstrap
        self._hub_id = hub_id
        self.on_acknowledged: Callable[[str, int], None] = lambda _grid_loop, _readings: None
        """Called in the producer's thread with a frame's grid loop and its number of readings."""
        self._producer: KafkaProducer | None = None
        self._not_before_s = 0.0
        self._losing = False

    def send(self, frames: Mapping[str, TelemetryFrame]) -> None:
        """Publish the frames of one second, by grid loop; at the first that cannot be queued the rest is lost too."""
        try:
            producer = self._connected()
            for grid_loop, frame in frames.items():
                self._queue(producer, grid_loop, frame=frame)
        except KafkaError as error:
            self._note_lost(str(error))
        else:
            self._note_lost(None)

    def _note_lost(self, why: str | None) -> None:
        """Say when losing frames begins and when it ends, not each second between."""
        if why is not None and not self._losing:
            _log.warning("telemetry_lost", error=why)
        if why is None and self._losing:
            _log.info("telemetry_sent_again")
        self._losing = why is not None

    def _queue(self, producer: KafkaProducer, grid_loop: str, *, frame: TelemetryFrame) -> None:
        """Queue a frame under its grid loop's key; the `@station` key is the station's own."""
        key, readings = key_of(self._hub_id, grid_loop), len(frame.ids)
        sent = producer.send(TELEMETRY.name, key=key, value=encode(frame), partition=partition_of(key))
        sent.add_callback(lambda _metadata: self.on_acknowledged(grid_loop, readings))

    def close(self, timeout_s: float) -> None:
        """Wait for what is under way, within the bound; what the broker did not take by then is lost."""
        if self._producer is None:
            return
        try:
            self._producer.close(timeout=timeout_s)
        except KafkaTimeoutError as error:
            _log.warning("telemetry_lost", error=str(error))

    def _connected(self) -> KafkaProducer:
        """The producer, made at the first moment there is a broker; asked for one at most every two seconds."""
        if self._producer is not None:
            return self._producer
        if time.monotonic() < self._not_before_s:
            raise KafkaConnectionError("no broker yet, waiting before the next attempt")
        self._not_before_s = time.monotonic() + _RETRY_S
        self._producer = KafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            compression_type="gzip",
            max_block_ms=_BLOCK_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_MS,
            delivery_timeout_ms=_DELIVERY_MS,
            request_timeout_ms=5_000,
            # The client's own maximum of 30 s kept senders away for up to 37 s after an outage.
            reconnect_backoff_max_ms=500,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        return self._producer
