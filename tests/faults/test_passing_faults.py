"""Links that are lost, processes that stand still and workers that come and go, on one park, one after the other."""

import time

import pytest

from tests.faults.passing import freeze, lose_link, passing, storm
from tests.faults.stand import standing

pytestmark = pytest.mark.services

STORM_S = 60.0


@pytest.fixture(scope="module")
def stand(services_folder, tmp_path_factory, kernel_cache):
    with standing(tmp_path_factory.mktemp("stand"), services_folder, kernel_cache) as made:
        yield made


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        pytest.param("worker", "held", id="worker and broker, held"),
        pytest.param("dispatch", "deaf", id="dispatch and broker, nothing comes"),
        pytest.param("database", "deaf", id="recorder and database, nothing comes"),
    ],
)
def test_a_link_that_is_lost_for_ten_seconds_leaves_nothing_old_lost_or_doubled(stand, end, fault):
    lose_link(stand, end, fault)


def test_R1_R3_dispatch_watchdog_and_recorder_may_all_stand_still_for_half_a_minute(stand):  # noqa: N802
    freeze(stand, "dispatch", "watchdog", "recorder")


def test_a_worker_whose_event_loop_stands_still_for_two_seconds_keeps_its_loops(stand):
    generation = stand.setpoints.generation()
    freeze(stand, "worker", seconds=2.0)
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
