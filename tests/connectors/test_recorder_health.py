import time

import pytest

from connectors.recorder import RecorderProgress
from connectors.recorder_health import STUCK_S, health_of


def progress(*, turned_ago_s=0.5, **changes):
    known = {"last_turn_monotonic_s": time.monotonic() - turned_ago_s, "edition": "PostgreSQL"}
    return RecorderProgress(**known | changes)


@pytest.mark.parametrize(
    ("seen", "healthy", "ready"),
    [
        pytest.param({}, True, True, id="recording"),
        pytest.param({"last_turn_monotonic_s": 0.0, "edition": ""}, True, False, id="just started"),
        pytest.param({"database_away": True}, True, False, id="database away: not stuck, not ready"),
        pytest.param({"standing_by": True}, True, False, id="another recorder writes"),
        pytest.param({"turned_ago_s": STUCK_S + 1}, False, False, id="stuck"),
    ],
)
def test_a_recorder_is_healthy_while_it_turns_and_ready_while_it_stores(seen, healthy, ready):
    health = health_of(progress(**seen))()
    assert (health.healthy, health.ready) == (healthy, ready)
