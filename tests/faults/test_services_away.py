"""Broker and database go and come back: the balancing goes on or resumes by itself, and the store misses nothing."""

import time

import psycopg
import pytest

from connectors.store.migrations import migrate
from hub.quarters import QUARTER_US
from infra.services import embedded_database
from streams.codec import decode_setpoint
from streams.topics import SETPOINT, SETPOINT_RESULT
from tests.faults.test_worker_faults import by_loop, everybody_since, worst_gap_s

pytestmark = pytest.mark.services

AWAY_S = 30.0

QUARTERS = """
select p.name, (extract(epoch from q.quarter_start) * 1000000)::bigint, q.energy_import_wh
from quarter q join point p using (point_id) join hub h using (hub_id) where h.name = %s
"""
READINGS = """
select p.name, (extract(epoch from t.measured_at) * 1000000)::bigint
from telemetry t join point p using (point_id) join hub h using (hub_id) where h.name = %s
"""


@pytest.fixture(params=["postgresql", "timescaledb"])
def database(request, services_folder, tmp_path):
    if request.param == "timescaledb":
        request.getfixturevalue("timescaledb")  # tells whether it can be had
    with embedded_database(services_folder / "faults", edition=request.param, on_progress=print) as service:
        name = "faults_" + tmp_path.name.replace("-", "_").lower()[-40:]
        service.dsn_for_test = service.create_database(name)
        migrate(service.dsn_for_test)
        yield service


def rows_of(dsn, query, gateway):
    """The recorder stores every hub of the broker; only this test's counts."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(query, [gateway.hub.id]).fetchall()


def assert_store_is_the_ledger(dsn, gateway):
    """Each acknowledged reading once, nothing else twice, and the last whole quarter to the watt-hour."""
    readings = rows_of(dsn, READINGS, gateway)
    assert len(readings) == len(set(readings))
    acknowledged = {
        (point, at_us)
        for loop, ids in gateway.tree.meters.items()
        for point in ids
        for at_us in gateway.acknowledged[loop]
    }
    assert acknowledged <= set(readings)
    whole_us = (time.time_ns() // 1000 // QUARTER_US - 1) * QUARTER_US
    stored = {(node, start_us): wh for node, start_us, wh in rows_of(dsn, QUARTERS, gateway)}
    for node, wh_per_s in gateway.wh_per_s.items():
        if (node, whole_us) in stored:
            assert stored[node, whole_us] == 900 * wh_per_s, node
    assert sum((node, whole_us) in stored for node in gateway.wh_per_s) >= 100


def test_a_database_that_is_away_for_half_a_minute_delays_the_store_and_nothing_else(database, roles, gateway, listen):
    roles.dsn = database.dsn_for_test
    listener, loops = listen(SETPOINT), {loop.id for loop in gateway.hub.grid_loops}
    roles.start("worker")
    recorder = roles.start("recorder")
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    gone_s = time.time()
    database.kill()
    time.sleep(AWAY_S)
    messages = listener.so_far(SETPOINT)
    gap_s = worst_gap_s(messages, after_s=gone_s)
    database.start()
    time.sleep(3)
    gateway.stop()
    wait_until_stored(database.dsn_for_test, gateway)
    recorder.terminate()
    assert recorder.wait(30) == 0
    print(f"{database.edition}: away {AWAY_S} s; longest time without setpoints meanwhile {gap_s:.2f} s")
    assert gap_s < 5
    assert_store_is_the_ledger(database.dsn_for_test, gateway)


def wait_until_stored(dsn, gateway, *, within_s=60):
    last_us = max(max(instants) for instants in gateway.acknowledged.values())
    deadline_s = time.monotonic() + within_s
    while max((at_us for _, at_us in rows_of(dsn, READINGS, gateway)), default=0) < last_us:
        assert time.monotonic() < deadline_s, "the recorder did not catch up"
        time.sleep(0.5)


@pytest.mark.parametrize("kill", [pytest.param(False, id="stopped and started"), pytest.param(True, id="kill -9")])
def test_after_a_broker_restart_every_role_goes_on_by_itself(  # noqa: PLR0917 (fixtures)
    kill, broker, postgres_dsn, roles, gateway, listen
):
    migrate(postgres_dsn)
    roles.dsn = postgres_dsn
    listener, loops = listen(SETPOINT, SETPOINT_RESULT), {loop.id for loop in gateway.hub.grid_loops}
    processes = [roles.start(role) for role in ("worker", "dispatch", "recorder")]
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    gone_s = time.time()
    if kill:
        broker.kill()
        broker.start()
    else:
        broker.restart()
    back_s = time.time()
    messages = listener.wait(SETPOINT, everybody_since(back_s, loops), within_s=90)
    answered = listener.wait(SETPOINT_RESULT, lambda results: any(r.at_s > back_s for r in results), within_s=60)
    print(
        f"broker away {back_s - gone_s:.1f} s; longest without setpoints {worst_gap_s(messages, after_s=gone_s):.1f} s"
    )
    assert answered
    assert [process.poll() for process in processes] == [None, None, None]
    gateway.stop()
    wait_until_stored(postgres_dsn, gateway)
    processes[2].terminate()
    assert processes[2].wait(30) == 0
    assert_store_is_the_ledger(postgres_dsn, gateway)
    epochs = {loop: [frame.epoch for _, frame in frames] for loop, frames in by_loop(messages).items()}
    assert all(each == sorted(each) for each in epochs.values())
    assert decode_setpoint(messages[-1].value).valid_for_ms > 0
