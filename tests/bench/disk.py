"""Disk per asset: what a minute and a half of De Koumen, simulated on a sunny noon, leaves in topics and tables.

Topics are written gzipped by their senders and keep so; a topic's figure is what its segments grew by. A table's figure
has its indexes in it, not the write-ahead log, which the server reuses. Days and years are that growth, multiplied.
"""

import time
from collections.abc import Iterator

import psycopg

from connectors.store.tables import TABLES
from hub.folder import read_hub
from streams.topics import LOOP_BUDGET, LOOP_OFFER, LOOP_STATE, SETPOINT, SETPOINT_RESULT, TELEMETRY, Topic
from tests.bench.big_hub import DE_KOUMEN
from tests.bench.figure import Figure
from tests.bench.stand import Stand, stand

ROLES = ("simulator", "dispatch", "recorder", "worker")
TOPICS = (TELEMETRY, LOOP_STATE, SETPOINT, SETPOINT_RESULT, LOOP_OFFER, LOOP_BUDGET)
SETTLE_S = 20.0
MEASURED_S = 90.0
DAY_S = 86_400
MEGA, GIGA = 1e6, 1e9


def figures() -> Iterator[Figure]:
    n_assets = len(read_hub(DE_KOUMEN).assets)
    with stand(DE_KOUMEN) as system:
        system.start(*ROLES)
        system.wait_until_ready(*ROLES)
        time.sleep(SETTLE_S)
        before, began_s = grown(system), time.monotonic()
        time.sleep(MEASURED_S)
        after, passed_s = grown(system), time.monotonic() - began_s
        per_reading = bytes_per_reading(system)
    per_day = {name: (after[name] - before[name]) / passed_s * DAY_S / n_assets for name in after}
    for name, size in per_day.items():
        yield Figure(f"{name}, per asset and day", size / MEGA, "MB", "lower")
    stored = sum(size for name, size in per_day.items() if name.startswith("table"))
    yield Figure("all tables, per asset and year", stored * 365 / GIGA, "GB", "lower")
    yield Figure("all tables, a park of 1,000 assets and a year", stored * 365 * 1000 / GIGA, "GB", "lower")
    yield Figure("table telemetry, with its index, per reading", per_reading, "bytes", "lower")


def grown(system: Stand) -> dict[str, float]:
    """Bytes of each topic and table now."""
    sizes = {f"topic {topic.name}": float(_topic_bytes(system, topic)) for topic in TOPICS}
    with psycopg.connect(system.settings.database_dsn, autocommit=True) as connection:
        return sizes | {f"table {table.name}": float(_table_bytes(connection, table.name)) for table in TABLES}


def _topic_bytes(system: Stand, topic: Topic) -> int:
    data = system.environment.kafka.folder / "data"
    return sum(file.stat().st_size for file in data.glob(f"{topic.name}-*/*.log"))


def _table_bytes(connection: psycopg.Connection, table: str) -> int:
    """Of all its day partitions."""
    query = "select sum(pg_total_relation_size(relid)) from pg_partition_tree(%s::regclass)"
    row = connection.execute(query, (table,)).fetchone()
    return int(row[0]) if row is not None else 0


def bytes_per_reading(system: Stand) -> float:
    with psycopg.connect(system.settings.database_dsn, autocommit=True) as connection:
        count = connection.execute("select count(*) from telemetry").fetchone()
        return _table_bytes(connection, "telemetry") / count[0]
