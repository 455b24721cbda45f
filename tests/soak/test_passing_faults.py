"""Every link lost in every way, every role and the broker frozen, and five minutes of workers that come and go.

Collected by the whole soak only: in `make test` a choice of it runs (`tests/faults/test_passing_faults.py`).
"""

import time

import psycopg
import pytest

from tests.connectors.dispatch.test_forged_setpoints import assert_none_is_applied
from tests.connectors.dispatch.worker_double import eventually
from tests.faults.passing import LINK_FAULTS, freeze, full_disk, lose_link, passing, storm
from tests.faults.stand import ROLES, frozen, standing
from tests.faults.test_virtual_faults import live_through_a_blackout

pytestmark = [pytest.mark.services, pytest.mark.soak]

FORGED = 100_000
STORM_S = 300.0
BROKER_FROZEN_S = 20.0
ENDS_S = 60.0
SLOW_S = 0.05
BLACKOUT_S = 3 * 3600


@pytest.fixture(scope="module")
def stand(services_folder, tmp_path_factory, kernel_cache):
    with standing(tmp_path_factory.mktemp("stand"), services_folder, kernel_cache) as made:
        yield made


@pytest.mark.parametrize("fault", LINK_FAULTS)
@pytest.mark.parametrize("end", [*ROLES, "database"])
def test_each_link_lost_in_each_way_for_ten_seconds(stand, end, fault):
    lose_link(stand, end, fault)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_frozen_for_half_a_minute(stand, role):
    freeze(stand, role)


def test_a_broker_that_stands_still_for_twenty_seconds(stand):
    fault = f"broker frozen (SIGSTOP) for {BROKER_FROZEN_S:.0f} s"
    with passing(stand, fault, "leases end (R1); clients try again"), frozen(stand.broker.pid):
        time.sleep(BROKER_FROZEN_S)


def test_a_broker_whose_disk_is_full_ends_and_has_lost_nothing_when_it_is_started_with_room(stand):
    fault = "disk of the broker full: it ends, and is started again"
    with passing(stand, fault, "what it acknowledged is on its disk"):
        with full_disk(stand.broker.pid):
            assert eventually(lambda: not stand.broker.running, ENDS_S)
        stand.broker.start()


def test_a_slow_database_that_is_killed_during_a_copy_stores_everything_once(stand):
    stand.database.delay(SLOW_S)
    with passing(
        stand,
        f"database slow ({SLOW_S} s each way), killed (`kill -9`) during a COPY",
        "offset and rows in one transaction",
    ):
        with psycopg.connect(stand.dsn, autocommit=True) as connection:
            copying = "select count(*) from pg_stat_activity where state = 'active' and query ilike 'copy%%'"
            assert eventually(lambda: connection.execute(copying).fetchone()[0], 30)
            stand.database_service.kill()
        stand.database_service.start()
        stand.database.join()


def test_R8_five_minutes_of_workers_that_come_and_go(stand):  # noqa: N802
    storm(stand, STORM_S)


def test_a_blackout_of_three_hours_in_virtual_time():
    live_through_a_blackout(BLACKOUT_S)


def test_R8_R9_of_a_hundred_thousand_replayed_forged_flipped_and_old_setpoints_none_is_applied():  # noqa: N802
    assert_none_is_applied(FORGED)
