"""What the recorder holds between two commits: decoded rows, and how far in each partition they reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from connectors.store.copy_format import count_rows
from connectors.store.offsets import Gap, LogPartition, Move
from connectors.store.registry import Registry
from connectors.store.rows import MAX_NAME_CHARS, result_rows, setpoint_rows, state_rows, telemetry_rows
from connectors.store.tables import LOOP_STATE, SETPOINT, SETPOINT_RESULT, TELEMETRY, Rows, Table
from streams import topics
from streams.codec import Rejected, decode_result, decode_setpoint, decode_state, decode_telemetry
from streams.messages import DeadLetterReason

RECORDED_TOPICS: Final = (
    topics.TELEMETRY.name,
    topics.LOOP_STATE.name,
    topics.SETPOINT.name,
    topics.SETPOINT_RESULT.name,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the log as it came."""

    partition: LogPartition
    offset: int
    key: bytes | None
    value: bytes | None
    appended_us: int = 0
    """When the broker took it, by its clock; whole milliseconds."""


@dataclass(slots=True)
class Batch:
    """Rows by table in order of arrival, with codes for names."""

    rows: dict[str, list[Rows]] = field(default_factory=dict)
    moves: dict[LogPartition, Move] = field(default_factory=dict)
    gaps: list[tuple[LogPartition, Gap]] = field(default_factory=list)
    """Offsets that the log passed over: none of the recorded topics is compacted or transactional, so it lost them."""
    rows_count: int = 0
    skipped_readings: int = 0
    unreadable: int = 0

    def add(self, message: Message, *, expected: int, registry: Registry) -> Rejected | None:
        """Take one message in; `expected` is the next offset of its partition before the batch's first one.

        A message that cannot be read is counted, its reason returned, and it is passed over: the worker sends it to
        the dead-letter topic, and here nothing may stop behind it.
        """
        move = self.moves.get(message.partition, Move(expected, expected))
        if message.offset > move.following:
            self.gaps.append((message.partition, Gap(move.following, message.offset, "missing in the log")))
        self.moves[message.partition] = Move(move.expected, message.offset + 1)
        read = _read(message, registry)
        if isinstance(read, Rejected):
            self.unreadable += 1
            return read
        table, rows, skipped = read
        self.skipped_readings += skipped
        if size := count_rows(rows):
            self.rows.setdefault(table.name, []).append(rows)
            self.rows_count += size
        return None

    def rows_of(self, table: Table) -> Rows | None:
        """All rows of one table in order of arrival; None where there are none."""
        parts = self.rows.get(table.name)
        if not parts:
            return None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


_Read = tuple[Table, Rows, int]


def _read(message: Message, registry: Registry) -> _Read | Rejected:
    """Table, rows and the number of readings left out."""
    hub_id = _hub_of(message.key)
    if hub_id is None:
        return Rejected(DeadLetterReason.WRONG_SHAPE, f"key {message.key!r} does not name a hub")
    return _READERS[message.partition.topic](message.value or b"", hub_id, registry)


def _hub_of(key: bytes | None) -> str | None:
    """The hub of a key `hub/grid_loop`."""
    hub_id, slash, _ = (key or b"").partition(b"/")
    try:
        name = hub_id.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if slash and 0 < len(name) <= MAX_NAME_CHARS and "\0" not in name else None


def _read_telemetry(payload: bytes, hub_id: str, registry: Registry) -> _Read | Rejected:
    frame = decode_telemetry(payload)
    rows = frame if isinstance(frame, Rejected) else telemetry_rows(frame, partial(registry.point, hub_id))
    return rows if isinstance(rows, Rejected) else (TELEMETRY, *rows)


def _read_state(payload: bytes, hub_id: str, registry: Registry) -> _Read | Rejected:
    state = decode_state(payload)
    rows = state if isinstance(state, Rejected) else state_rows(state, partial(registry.point, hub_id), registry.label)
    return rows if isinstance(rows, Rejected) else (LOOP_STATE, *rows)


def _read_setpoint(payload: bytes, hub_id: str, registry: Registry) -> _Read | Rejected:
    frame = decode_setpoint(payload)
    rows = (
        frame if isinstance(frame, Rejected) else setpoint_rows(frame, partial(registry.point, hub_id), registry.label)
    )
    return rows if isinstance(rows, Rejected) else (SETPOINT, *rows)


def _read_result(payload: bytes, hub_id: str, registry: Registry) -> _Read | Rejected:
    result = decode_result(payload)
    rows = (
        result if isinstance(result, Rejected) else result_rows(result, partial(registry.point, hub_id), registry.label)
    )
    return rows if isinstance(rows, Rejected) else (SETPOINT_RESULT, *rows)


_READERS: Final[dict[str, Callable[[bytes, str, Registry], _Read | Rejected]]] = dict(
    zip(RECORDED_TOPICS, (_read_telemetry, _read_state, _read_setpoint, _read_result), strict=True)
)
