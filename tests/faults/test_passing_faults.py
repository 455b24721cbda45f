"""Links that are lost, processes that stand still and workers that come and go, on one park, one after the other."""

import random
import time

import psycopg
import pytest

from tests.faults.judging import readings_of
from tests.faults.park import SECOND_US
from tests.faults.passing import freeze, full_disk, lose_link, passing, storm
from tests.faults.stand import standing

pytestmark = pytest.mark.services

STORM_S = 60.0
STILL_S = 1.5
"""Half of the session that a worker is lost after."""

FULL_S = 5.0
TIMES = 10


@pytest.fixture(scope="module")
def stand(services_folder, tmp_path_factory, kernel_cache):
    with standing(tmp_path_factory.mktemp("stand"), services_folder, kernel_cache) as made:
        yield made


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        pytest.param("worker", "held", id="worker and broker, held"),
        pytest.param("dispatch", "deaf", id="dispatch and broker, nothing comes"),
    ],
)
def test_a_link_that_is_lost_for_ten_seconds_leaves_nothing_old_lost_or_doubled(stand, end, fault):
    lose_link(stand, end, fault)


def test_R1_R3_dispatch_watchdog_and_recorder_may_all_stand_still_for_half_a_minute(stand):  # noqa: N802
    freeze(stand, "dispatch", "watchdog", "recorder")


def test_a_worker_whose_event_loop_stands_still_for_less_than_its_session_keeps_its_loops(stand):
    generation = stand.setpoints.generation()
    freeze(stand, "worker", seconds=STILL_S)
    assert stand.setpoints.generation() == generation


def test_R17_without_a_watchdog_the_park_goes_on_and_a_new_one_reverts_nothing(stand):  # noqa: N802
    began_s = time.time()
    with passing(stand, "watchdog killed (`kill -9`) and started again", "nothing waits for it"):
        watchdog = stand.processes["watchdog"]
        watchdog.kill()
        watchdog.wait(10)
        time.sleep(3)
        stand.start("watchdog")
    assert stand.reverts(since_s=began_s) == 0


def test_R8_a_second_worker_that_comes_and_goes_for_a_minute_stops_nothing(stand):  # noqa: N802
    storm(stand, STORM_S)


def test_a_full_disk_of_all_roles_stops_no_setpoint_and_ends_nobody(stand):
    with passing(
        stand,
        f"disk of all roles full for {FULL_S:.0f} s, database away meanwhile",
        "marks and logs are not saved, said and gone on",
    ):
        began_s = time.time()
        with full_disk(*(process.pid for process in stand.processes.values())):
            stand.database.cut()
            time.sleep(FULL_S)
            stand.database.join()
            assert stand.applied_since(began_s + FULL_S / 2)


def test_a_database_that_says_its_disk_is_full_is_tried_again_until_there_is_room(stand):
    """PostgreSQL's own error, but by a trigger: a test cannot fill a disk."""
    with (
        passing(stand, f"disk of the database full for {FULL_S:.0f} s", "the recorder keeps its batch and its place"),
        psycopg.connect(stand.dsn, autocommit=True) as connection,
    ):
        connection.execute(
            "create function full_disk() returns trigger language plpgsql as"
            " $$ begin raise exception 'no space left on device' using errcode = 'disk_full'; end $$;"
            "create trigger full_disk before insert on telemetry for each statement execute function full_disk()"
        )
        time.sleep(FULL_S)
        connection.execute("drop trigger full_disk on telemetry; drop function full_disk")


def test_R5_telemetry_that_comes_ten_times_in_any_order_or_an_hour_late_changes_nothing(stand):  # noqa: N802
    gateway, now_s = stand.gateway, int(time.time())
    instants = [now_s - back for back in range(1, 61)] * TIMES
    random.Random(5).shuffle(instants)
    late_us = (now_s - 3600) * SECOND_US
    fault = f"telemetry of a minute {TIMES} times in any order, and some of an hour ago"
    with passing(stand, fault, "arrival decides nothing; a key is stored once (R5)"):
        for loop in gateway.tree.meters:
            gateway.write(loop, late_us)
        for at_s in instants:
            gateway.send(at_s * SECOND_US)
    stored = readings_of(stand.dsn, gateway.hub.id)
    assert {(point, late_us) for point in gateway.points} <= set(stored)
    print(f"{len(instants)} frames of each gateway sent again")
