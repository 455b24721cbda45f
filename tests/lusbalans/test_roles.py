from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.folder import read_hub
from lusbalans.roles import say_whether_proven

STARTER = read_hub(Path(__file__).parents[2] / "infra/hubs/starter")
TODAY = date(2026, 11, 24)

PARKS = [
    pytest.param(STARTER, [], id="proven"),
    pytest.param(
        replace(STARTER, envelope=()), [("warning", "my-park", "park: with every computer off")], id="unproven"
    ),
]


@pytest.mark.parametrize(("hub", "expected"), PARKS)
def test_R4_a_worker_warns_of_a_park_that_is_not_safe_with_every_computer_off(hub, expected):  # noqa: N802
    with capture_logs() as logs:
        say_whether_proven(hub, today=TODAY)
    assert [(log["log_level"], log["hub"], log["first"][:29]) for log in logs] == expected
