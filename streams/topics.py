"""The topics, their keys and their partitions, as one table.

Telemetry, state, offers, budgets, claims and setpoints are co-partitioned: one partition count and murmur2 of the
key, so that one worker owns everything about a grid loop. Another count is a new topic version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hub.model import STATION

PARTITIONS: Final = 8
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic as the broker must have it."""

    name: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int
    retention_bytes: int
    """Per partition."""
    partitions: int = PARTITIONS
    signed: bool = False
    """Whether its messages carry a signature where keys are configured (`streams.signature`)."""


TELEMETRY: Final = Topic(name="hub.telemetry.v1", retention_ms=7 * _DAY_MS, retention_bytes=64 * _MIB)
LOOP_STATE: Final = Topic(name="hub.loop.state.v1", retention_ms=7 * _DAY_MS, retention_bytes=48 * _MIB)
LOOP_OFFER: Final = Topic(name="hub.loop.offer.v1", retention_ms=_HOUR_MS, retention_bytes=16 * _MIB)
LOOP_BUDGET: Final = Topic(name="hub.loop.budget.v1", retention_ms=_HOUR_MS, retention_bytes=16 * _MIB)
CLAIM: Final = Topic(name="hub.claim.v1", cleanup="compact", retention_ms=-1, retention_bytes=-1)
SETPOINT: Final = Topic(name="hub.setpoint.v1", retention_ms=30 * _DAY_MS, retention_bytes=48 * _MIB, signed=True)
SETPOINT_RESULT: Final = Topic(name="hub.setpoint.result.v1", retention_ms=30 * _DAY_MS, retention_bytes=16 * _MIB)
REVERT: Final = Topic(name="hub.revert.v1", retention_ms=30 * _DAY_MS, retention_bytes=2 * _MIB, signed=True)
LIMIT: Final = Topic(
    name="hub.limit.v1", cleanup="compact", retention_ms=-1, retention_bytes=-1, partitions=1, signed=True
)
"""One partition: few messages, read whole by every worker, in one order."""
OVERRIDE: Final = Topic(
    name="hub.override.v1", cleanup="compact", retention_ms=-1, retention_bytes=-1, partitions=1, signed=True
)
"""Likewise."""
TOPOLOGY: Final = Topic(
    name="hub.topology.v1", cleanup="compact", retention_ms=-1, retention_bytes=-1, partitions=1, signed=True
)
"""Likewise."""
CONDITION: Final = Topic(name="hub.condition.v1", retention_ms=30 * _DAY_MS, retention_bytes=2 * _MIB)


def dead_letter(source: Topic) -> Topic:
    """Where what cannot be decoded from `source` goes, bytes untouched."""
    kept_bytes = 2 * _MIB if source.cleanup == "compact" else min(8 * _MIB, source.retention_bytes)
    return Topic(name=f"{source.name}.dlq", retention_ms=30 * _DAY_MS, retention_bytes=kept_bytes)


def dead_letter_headers(
    source: Topic, *, partition: int, offset: int, at_us: int, reason: str, rows: Sequence[int] = ()
) -> tuple[tuple[str, bytes], ...]:
    """Where a message came from, when, and why it was not used; `rows` are those of a frame that was used in part."""
    headers = {
        "source_topic": source.name,
        "source_partition": str(partition),
        "source_offset": str(offset),
        "reason": str(reason),
        "at_us": str(at_us),
    } | ({"row": ",".join(map(str, rows))} if rows else {})
    return tuple((name, text.encode()) for name, text in headers.items())


TOPICS: Final = (
    TELEMETRY,
    LOOP_STATE,
    LOOP_OFFER,
    LOOP_BUDGET,
    CLAIM,
    SETPOINT,
    SETPOINT_RESULT,
    REVERT,
    LIMIT,
    OVERRIDE,
    TOPOLOGY,
    CONDITION,
    *(
        dead_letter(topic)
        for topic in (TELEMETRY, LOOP_OFFER, LOOP_BUDGET, SETPOINT, REVERT, LIMIT, OVERRIDE, TOPOLOGY)
    ),
)


def key_of(hub_id: str, grid_loop: str) -> bytes:
    """Message key of everything about one grid loop.

    >>> key_of("de-koumen", "lus-1")
    b'de-koumen/lus-1'
    """
    return f"{hub_id}/{grid_loop}".encode()


def condition_key(hub_id: str, condition_id: str) -> bytes:
    """Message key of a condition: what is said of one keeps its order.

    >>> condition_key("de-koumen", "controller_silent/lus-1")
    b'de-koumen/controller_silent/lus-1'
    """
    return f"{hub_id}/{condition_id}".encode()


def station_key(hub_id: str) -> bytes:
    """Message key of boundary and group meters, of offers and of the hub agent's own state.

    Offers share it with the station's telemetry, so that one worker owns all the hub agent needs.
    """
    return key_of(hub_id, STATION)


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """Partition of a key as the Java client chooses it: murmur2 with seed 0x9747b28c, made positive."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return murmur2 as Kafka's Java client computes it, as an unsigned 32-bit integer.

    Source: org.apache.kafka.common.utils.Utils.murmur2; librdkafka's default partitioner differs.
    """
    mix, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    whole = length - length % 4
    state = (0x9747B28C ^ length) & mask
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * mix & mask
        word = (word ^ word >> 24) * mix & mask
        state = (state * mix & mask) ^ word
    if whole < length:
        state = (state ^ int.from_bytes(data[whole:], "little")) * mix & mask
    state = (state ^ state >> 13) * mix & mask
    return state ^ state >> 15
