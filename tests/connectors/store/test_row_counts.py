from uuid import UUID

import psycopg
import pytest

from connectors.store.migrations import migrate
from connectors.store.offsets import LogPartition, begin_offset
from connectors.store.row_counts import count_rows, is_stored

pytestmark = pytest.mark.services

PARTITION = LogPartition("cluster", UUID(int=1), "hub.telemetry.v1", 0)


@pytest.fixture
def connection(postgres_dsn):
    migrate(postgres_dsn)
    with psycopg.connect(postgres_dsn, autocommit=True) as opened:
        yield opened


def test_rows_count_from_the_instant_on(connection):
    connection.execute("select ensure_days(array['2026-03-29'::date])")
    for second in (0, 1, 2):
        connection.execute(
            "insert into telemetry (measured_at, point_id, quality) values (to_timestamp(%s), 1, 0)",
            (1_774_742_400 + second,),
        )
    counts = count_rows(connection, since_us=1_774_742_401_000_000)
    assert counts == {"telemetry": 2, "loop_state": 0, "setpoint": 0, "setpoint_result": 0}


@pytest.mark.parametrize(
    ("stored", "end", "complete"),
    [
        pytest.param(None, 5, False, id="never stored"),
        pytest.param(4, 5, False, id="one missing"),
        pytest.param(5, 5, True, id="all"),
        pytest.param(None, 0, True, id="an empty log"),
    ],
)
def test_a_log_is_stored_when_no_partition_is_behind(connection, stored, end, complete):
    if stored is not None:
        begin_offset(connection, PARTITION, stored)
    assert is_stored(connection, {PARTITION: end}) is complete
