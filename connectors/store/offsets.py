"""How far each partition has been stored: read, compared and set in the transaction that stores the rows.

The comparison is the fence: of two recorders on one partition only one can move the offset from where both read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import psycopg


class FencedError(Exception):
    """Another recorder moved the offset of a partition: what we hold is stored already, or never will be by us."""


@dataclass(frozen=True, slots=True, order=True)
class LogPartition:
    """One partition of one topic of one cluster; a re-created topic or cluster is another one."""

    cluster_id: str
    topic_id: UUID
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Move:
    """From the offset that the database must have to the one it gets; both are next offsets."""

    expected: int
    following: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages from `first` up to, not including, `following` that were never stored."""

    first: int
    following: int
    reason: str


def read_offsets(connection: psycopg.Connection, partitions: Iterable[LogPartition]) -> dict[LogPartition, int]:
    """Next offset of each partition; one without a row has never been stored and is left out."""
    rows = connection.execute(
        "select cluster_id, topic_id, partition, next_offset from ingest_offset where topic_id = any(%s)",
        ([each.topic_id for each in partitions],),
    ).fetchall()
    known = {(cluster_id, topic_id, partition): following for cluster_id, topic_id, partition, following in rows}
    found = {each: known.get((each.cluster_id, each.topic_id, each.partition)) for each in partitions}
    return {each: following for each, following in found.items() if following is not None}


def begin_offset(connection: psycopg.Connection, partition: LogPartition, following: int) -> None:
    """Create the row of a partition that has none; one that another recorder made meanwhile stays as it is."""
    connection.execute(
        """
        insert into ingest_offset (cluster_id, topic_id, partition, topic, next_offset)
        values (%s, %s, %s, %s, %s) on conflict do nothing
        """,
        (partition.cluster_id, partition.topic_id, partition.partition, partition.topic, following),
    )


def move_offsets(connection: psycopg.Connection, moves: Mapping[LogPartition, Move]) -> None:
    """Compare and set, inside the caller's transaction, in one order for all recorders.

    Raises:
        FencedError: an offset is not what was expected; the caller's transaction must be rolled back.
    """
    with connection.cursor() as cursor:
        cursor.executemany(  # one answer is waited for, not one per partition
            """
            update ingest_offset set next_offset = %s, updated_at = now()
            where cluster_id = %s and topic_id = %s and partition = %s and next_offset = %s
            """,
            [
                (move.following, each.cluster_id, each.topic_id, each.partition, move.expected)
                for each, move in sorted(moves.items())
            ],
        )
        if cursor.rowcount != len(moves):
            expected = ", ".join(f"{each.topic}/{each.partition} {move.expected}" for each, move in moves.items())
            raise FencedError(f"{len(moves) - cursor.rowcount} of these offsets are not what they were: {expected}")


def skip_gap(connection: psycopg.Connection, partition: LogPartition, gap: Gap, move: Move) -> None:
    """Record a gap and move the offset past it, in one transaction.

    Raises:
        FencedError: the offset is not what was expected.
    """
    with connection.transaction():
        move_offsets(connection, {partition: move})
        record_gap(connection, partition, gap)


def record_gap(connection: psycopg.Connection, partition: LogPartition, gap: Gap) -> None:
    """Record a gap, in the transaction that moves the offset past it."""
    connection.execute(
        """
        insert into ingest_gap (cluster_id, topic_id, partition, topic, first_offset, next_offset, reason)
        values (%s, %s, %s, %s, %s, %s, %s)
        """,
        (
            *(partition.cluster_id, partition.topic_id, partition.partition, partition.topic),
            *(gap.first, gap.following, gap.reason),
        ),
    )
