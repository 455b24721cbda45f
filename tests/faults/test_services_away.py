"""Broker and database go and come back: the balancing goes on or resumes by itself, and the store misses nothing."""

import time

import pytest

from connectors.store.migrations import migrate
from streams.codec import decode_result
from streams.topics import SETPOINT, SETPOINT_RESULT
from tests.faults.judging import (
    assert_dispatch_took_no_older,
    assert_store_is_the_ledger,
    by_loop,
    everybody_since,
    late_frames,
    median_into_tick_s,
    missed_ticks,
    wait_until_stored,
    worst_gap_s,
)
from tests.faults.measured import row

pytestmark = pytest.mark.services

CALM_S = 6.0
"""Balanced so long before each time, to compare with."""

ROUNDS, AGAIN_S = 3, 4.0
"""With the database and without it in turns, so that what else the machine does falls on both; the recorder makes up for
what it missed in between."""

STOPPED_S = 10.0
"""What supervisors wait before they kill."""

MISSED_TICKS = 5
"""Of thirty, on a machine that others use too; none is missed on a free one."""

NOISE_S = 0.25
"""Of a median on a busy machine."""


@pytest.fixture
def loops(hub):
    return {loop.id for loop in hub.grid_loops}


def test_a_database_that_is_away_now_and_again_delays_the_store_and_nothing_else(
    database, roles, gateway, listen, loops
):
    roles.dsn, listener = database.dsn, listen(SETPOINT)
    roles.start("worker")
    recorder = roles.start("recorder")
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    there, away = [], []
    for _ in range(ROUNDS):
        time.sleep(AGAIN_S + CALM_S)
        there.append((time.time() - CALM_S, time.time()))
        database.service.kill()
        time.sleep(database.away_s)
        away.append((there[-1][1], time.time()))
        database.service.start()
    back_s = time.time()
    messages = listener.wait(SETPOINT, everybody_since(back_s + 1, loops), within_s=30)
    gateway.stop()
    wait_until_stored(database.dsn, gateway)
    stored_after_s = time.time() - back_s
    recorder.terminate()
    assert recorder.wait(30) == 0
    before_s, meanwhile_s = median_into_tick_s(messages, there), median_into_tick_s(messages, away)
    missed = sum(missed_ticks(messages, after_s=gone_s, until_s=until_s) for gone_s, until_s in away)
    row(
        f"database ({database.service.edition}) killed {ROUNDS} times for {database.away_s:g} s",
        "the recorder keeps its place and waits; nothing else uses the database",
        ticks_without_setpoints=str(missed),
        setpoints_into_the_tick=f"{before_s:.3f} s with it, {meanwhile_s:.3f} s without (medians), ratio"
        f" {meanwhile_s / before_s:.2f}",
        everything_stored=f"{stored_after_s:.1f} s after it was back",
    )
    assert missed <= MISSED_TICKS
    assert meanwhile_s <= 1.2 * before_s + NOISE_S
    assert_store_is_the_ledger(database.dsn, gateway)


@pytest.mark.parametrize(
    ("kill", "away_s"),
    [pytest.param(False, 0.0, id="stopped and started"), pytest.param(True, 10.0, id="kill -9 and away for a while")],
)
def test_after_a_broker_restart_every_role_goes_on_by_itself(  # noqa: PLR0917 (fixtures)
    kill, away_s, broker, postgres_dsn, roles, gateway, listen, loops
):
    migrate(postgres_dsn)
    roles.dsn, listener = postgres_dsn, listen(SETPOINT, SETPOINT_RESULT)
    processes = [roles.start(role) for role in ("worker", "dispatch", "recorder")]
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    gone_s = time.time()
    broker.kill() if kill else broker.stop()
    time.sleep(away_s)
    broker.start()
    back_s = time.time()
    messages = listener.wait(SETPOINT, everybody_since(back_s, loops), within_s=90)
    listener.wait(SETPOINT_RESULT, lambda results: any(r.at_s > back_s for r in results), within_s=60)
    again_s = max(min(at_s for at_s, _ in frames if at_s > back_s) for frames in by_loop(messages).values()) - back_s
    print(
        f"broker away {back_s - gone_s:.1f} s; setpoints of all loops again {again_s:.1f} s after it was back;"
        f" longest without {worst_gap_s(messages, after_s=gone_s):.1f} s"
    )
    assert [process.poll() for process in processes] == [None, None, None]
    gateway.stop()
    wait_until_stored(postgres_dsn, gateway)
    processes[2].terminate()
    assert processes[2].wait(30) == 0
    assert_store_is_the_ledger(postgres_dsn, gateway)
    assert late_frames(messages) == []
    assert_dispatch_took_no_older([decode_result(m.value) for m in listener.so_far(SETPOINT_RESULT)], messages)


def test_every_role_ends_when_told_to_though_the_broker_is_gone(broker, roles, listen, loops):
    listener = listen(SETPOINT, SETPOINT_RESULT)
    processes = {role: roles.start(role) for role in ("worker", "simulator", "dispatch")}
    listener.wait(SETPOINT, everybody_since(time.time(), loops), within_s=90)
    listener.wait(SETPOINT_RESULT, len, within_s=30)
    broker.kill()
    try:
        time.sleep(2)
        told_s = time.monotonic()
        for process in processes.values():
            process.terminate()
        codes = {role: process.wait(STOPPED_S) for role, process in processes.items()}
        print(f"without a broker all roles had ended {time.monotonic() - told_s:.1f} s after they were told to")
    finally:
        broker.start()
    assert {role: codes[role] for role in ("simulator", "dispatch")} == {"simulator": 0, "dispatch": 0}
    assert [role for role in ("simulator", "dispatch") if "Traceback" in roles.log_of(role).read_text()] == []
