"""The recorder: from the log into the tables, each message exactly once.

One thread, one database connection, no consumer group. The next offset is stored with the rows in one transaction, so
the database alone says how far the log has been stored; a second recorder is fenced by it and stands by. A database
that is away pauses reading; what was read waits in memory (one batch), the rest in the log. A message that cannot be
read is counted and passed over: the worker sends it to the dead-letter topic.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg
import structlog

from connectors.kafka_log import KafkaLog, LogUnavailableError, OutsideLogError, open_log
from connectors.store.batch import RECORDED_TOPICS, Batch, Message
from connectors.store.migrations import check
from connectors.store.offsets import (
    FencedError,
    Gap,
    LogPartition,
    Move,
    begin_offset,
    read_offsets,
    skip_gap,
)
from connectors.store.quarter_store import read_provisional
from connectors.store.registry import register_hub
from connectors.store.tables import TELEMETRY
from connectors.store.writer import Prepared, Stored, Writer, connect
from hub.model import Hub
from infra.settings import Settings

BATCH_ROWS: Final = 10_000
"""A batch is stored when it has so many rows: larger ones gain nothing and cost memory."""
BATCH_AGE_S: Final = 1.0
"""Or when its first message is so old: what a page reads from the tables is no older than this."""
REFRESH_S: Final = 30.0
"""How far the provisional figure of the open quarter may lag."""
STAND_BY_S: Final = 5.0
"""A recorder that stored nothing for so long may be replaced."""
POLL_S: Final = 0.2

_FIRST_WAIT_S: Final = 0.03
_LAST_WAIT_S: Final = 1.0
_CLIENT_ID: Final = "lusbalans-recorder"
_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""The database is down, restarting, full, overloaded or a standby: all pass, and nothing of ours mends them."""

_T = TypeVar("_T")

_logger = structlog.get_logger()


class StoreNotReadyError(Exception):
    """The database does not have this program's schema; one line with the remedy."""


@dataclass(slots=True)
class RecorderProgress:
    """What a recorder has done since it started; it alone writes, metrics may read from another thread."""

    messages: int = 0
    batches: int = 0
    rows_stored: int = 0
    duplicates: int = 0
    """Rows whose key was in the tables already."""
    unreadable: int = 0
    """Messages passed over."""
    skipped_readings: int = 0
    """Readings without a usable name or instant."""
    gaps: int = 0
    """Holes in the log, each with a row in `ingest_gap`."""
    lag_messages: int = 0
    """Messages in the log that have not been read."""
    last_event_us: int = 0
    """Newest `measured_at` in the tables, of those stored since the start."""
    last_stored_monotonic_s: float = 0.0
    last_turn_monotonic_s: float = 0.0
    """When it last looked at the log or tried the database: one that stands still for a minute is stuck."""
    database_away: bool = False
    standing_by: bool = False
    """Another recorder is writing."""
    edition: str = ""


def run(settings: Settings, hub: Hub, stop: threading.Event, progress: RecorderProgress | None = None) -> None:
    """Record until `stop` is set; what was read by then is stored, if the database answers once more.

    Raises:
        StoreNotReadyError: the database has to be migrated first.
    """
    mine = RecorderProgress() if progress is None else progress
    log = _wait_for_log(settings.kafka_bootstrap, stop)
    if log is None:
        return
    with log:
        recorder = Recorder(settings.database_dsn, hub, log, stop=stop, progress=mine)
        try:
            recorder.run()
        finally:
            recorder.close()


class Recorder:
    """One recorder on one log and one database; see the module."""

    def __init__(self, dsn: str, hub: Hub, log: KafkaLog, *, stop: threading.Event, progress: RecorderProgress) -> None:
        self.progress = progress
        self._dsn = dsn
        self._hub = hub
        self._log = log
        self._stop = stop
        self._writer = Writer()
        self._connection: psycopg.Connection | None = None
        self._next: dict[LogPartition, int] = {}
        self._batch = Batch()
        self._batch_began_s = 0.0
        self._refreshed_s = time.monotonic()

    def run(self) -> None:
        """Record until told to stop."""
        self._with_database(self._begin)
        self._find_place()
        while not self._stop.is_set():
            self.progress.last_turn_monotonic_s = time.monotonic()
            try:
                messages = self._log.poll(POLL_S)
            except OutsideLogError:
                self._store()
                self._find_place()
            except LogUnavailableError as error:
                _logger.warning("broker_away", error=str(error))
                self._stop.wait(_LAST_WAIT_S)
            else:
                self._take(messages)
                self._store_what_is_due()
        self._store()
        self._refresh()

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin(self, connection: psycopg.Connection) -> None:
        checked = check(self._dsn)
        if checked.drift:
            raise StoreNotReadyError(f"{checked.drift[0]}: run `lusbalans db migrate`")
        self.progress.edition = str(checked.edition)
        register_hub(connection, self._hub)
        _logger.info("recorder_started", database=str(checked.edition), partitions=len(self._log.partitions))

    def _find_place(self) -> None:
        """Read on from where the database says, or from the start of the log where that is later or unknown."""
        while not self._stop.is_set():
            try:
                placed = self._with_database(self._place)
            except LogUnavailableError as error:
                _logger.warning("broker_away", error=str(error))
                self._stop.wait(_LAST_WAIT_S)
            except FencedError:
                self._wait_until_still()
            else:
                if placed is not None:
                    self._next = placed
                    self._log.seek(placed)
                    self._log.resume()
                return

    def _place(self, connection: psycopg.Connection) -> dict[LogPartition, int]:
        self._writer.quarters.add_stale(read_provisional(connection))
        bounds = self._log.bounds()
        stored = read_offsets(connection, bounds)
        placed: dict[LogPartition, int] = {}
        for partition, (begin, end) in bounds.items():
            at = stored.get(partition)
            if at is None:
                begin_offset(connection, partition, begin)
                placed[partition] = begin
            elif at < begin:
                placed[partition] = self._skip(connection, partition, Gap(at, begin, "dropped"), Move(at, begin))
            elif at > end:
                placed[partition] = self._skip(connection, partition, Gap(end, at, "log cut off"), Move(at, begin))
            else:
                placed[partition] = at
        return placed

    def _skip(self, connection: psycopg.Connection, partition: LogPartition, gap: Gap, move: Move) -> int:
        skip_gap(connection, partition, gap, move)
        self._count_gap(partition, gap)
        return move.following

    def _count_gap(self, partition: LogPartition, gap: Gap) -> None:
        self.progress.gaps += 1
        _logger.error(
            "messages_lost",
            topic=partition.topic,
            partition=partition.partition,
            first_offset=gap.first,
            next_offset=gap.following,
            reason=gap.reason,
        )

    def _take(self, messages: list[Message]) -> None:
        """Add to the batch; a full one is stored between two messages, so that memory stays bounded."""
        for message in messages:
            at = self._next[message.partition]
            if message.offset < at:
                continue  # read already, before a seek
            if not self._batch.moves:
                self._batch_began_s = time.monotonic()
            rejected = self._batch.add(message, expected=at, registry=self._writer.registry)
            if rejected is not None:
                _logger.debug("message_unreadable", topic=message.partition.topic, reason=str(rejected.reason))
            self._next[message.partition] = message.offset + 1
            self.progress.messages += 1
            if self._batch.rows_count >= BATCH_ROWS and not self._store():
                return  # fenced: what follows will be read again from the new place

    def _store_what_is_due(self) -> None:
        now_s = time.monotonic()
        if self._batch.moves and now_s - self._batch_began_s >= BATCH_AGE_S:
            self._store()
        if now_s - self._refreshed_s >= REFRESH_S:
            self._refresh()
        self.progress.lag_messages = self._log.lag()

    def _store(self) -> bool:
        """Store the batch and begin a new one; False when another recorder was there first, or told to stop."""
        batch, self._batch = self._batch, Batch()
        if not batch.moves:
            return True
        try:
            stored = self._with_database(_Attempt(self._writer, batch))
        except FencedError as error:
            _logger.warning("second_recorder", error=str(error))
            self._wait_until_still()
            self._find_place()
            return False
        if stored is None:
            return False
        self._count(batch, stored)
        return True

    def _count(self, batch: Batch, stored: Stored) -> None:
        self.progress.batches += 1
        self.progress.rows_stored += stored.rows
        self.progress.duplicates += stored.duplicates
        self.progress.unreadable += batch.unreadable
        self.progress.skipped_readings += batch.skipped_readings
        for partition, gap in batch.gaps:
            self._count_gap(partition, gap)
        self.progress.last_stored_monotonic_s = time.monotonic()
        telemetry = batch.rows_of(TELEMETRY)
        if telemetry is not None:
            self.progress.last_event_us = max(self.progress.last_event_us, int(telemetry["measured_at"].max()))

    def _refresh(self) -> None:
        self._refreshed_s = time.monotonic()
        self._with_database(self._writer.refresh_quarters)

    def _wait_until_still(self) -> None:
        """Stand by until the other recorder has stored nothing for a while; know nothing of the tables then."""
        self.progress.standing_by = True
        self._writer.forget()
        self._log.pause()
        seen = self._with_database(self._offsets)
        while not self._stop.wait(STAND_BY_S):
            seen, before = self._with_database(self._offsets), seen
            if seen == before:
                break
        self.progress.standing_by = False

    def _offsets(self, connection: psycopg.Connection) -> dict[LogPartition, int]:
        return read_offsets(connection, self._log.partitions)

    def _with_database(self, action: Callable[[psycopg.Connection], _T]) -> _T | None:
        """Do it, however long the database is away; None when told to stop meanwhile. At least one attempt is made."""
        wait_s = _FIRST_WAIT_S
        while True:
            self.progress.last_turn_monotonic_s = time.monotonic()
            try:
                result = action(self._connected())
            except _AWAY as error:
                self._lost(error)
            else:
                self._found()
                return result
            if self._stop.wait(wait_s):
                return None
            wait_s = min(1.5 * wait_s, _LAST_WAIT_S)

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, application_name=_CLIENT_ID)
        return self._connection

    def _lost(self, error: Exception) -> None:
        self.close()
        if not self.progress.database_away:
            self.progress.database_away = True
            _logger.warning("database_away", error=str(error).strip())
            self._log.pause()
        self._keep_alive()

    def _found(self) -> None:
        if self.progress.database_away:
            self.progress.database_away = False
            _logger.info("database_back")
            self._log.resume()

    def _keep_alive(self) -> None:
        """Serve the broker connection; paused, so nothing is read."""
        with suppress(LogUnavailableError, OutsideLogError):  # either comes up again when reading goes on
            self._log.poll(0)


class _Attempt:
    """Stores one batch; called again after a failure, it first asks the database whether the last call succeeded."""

    def __init__(self, writer: Writer, batch: Batch) -> None:
        self._writer = writer
        self._batch = batch
        self._tried: Prepared | None = None

    def __call__(self, connection: psycopg.Connection) -> Stored:
        if self._tried is not None and self._is_stored(connection):
            self._writer.quarters.committed(self._tried.touched)
            return Stored(self._batch.rows_count - self._tried.repeated, self._tried.repeated)
        prepared = self._writer.prepare(connection, self._batch)
        self._tried = prepared
        return self._writer.store(connection, prepared)

    def _is_stored(self, connection: psycopg.Connection) -> bool:
        stored = read_offsets(connection, self._batch.moves)
        return all(stored.get(partition) == move.following for partition, move in self._batch.moves.items())


def _wait_for_log(bootstrap: str, stop: threading.Event) -> KafkaLog | None:
    """Open the log as soon as the broker and all topics are there; None when told to stop first."""
    said = ""
    while not stop.is_set():
        try:
            return open_log(bootstrap, RECORDED_TOPICS, client_id=_CLIENT_ID)
        except LogUnavailableError as error:
            if str(error) != said:
                said = str(error)
                _logger.warning("log_unavailable", error=said)
            stop.wait(_LAST_WAIT_S)
    return None
