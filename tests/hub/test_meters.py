"""How much longer a slow or late meter is believed."""

from dataclasses import replace

import pytest

from hub.meters import longest_patience_s, patience_s
from tests.streams.small_park import small_hub


@pytest.mark.parametrize(
    ("cadence_s", "lateness_s", "expected_s"),
    [
        pytest.param(None, None, 0.0, id="the hub's"),
        pytest.param(60.0, None, 59.0, id="slower than the hub's second"),
        pytest.param(60.0, 15.0, 59.0 + 14.5, id="and later than its half a second"),
        pytest.param(0.5, 0.1, 0.0, id="quicker is not trusted for less"),
        pytest.param(0.5, 15.0, 14.5, id="quicker makes up for no lateness"),
    ],
)
def test_a_meter_is_believed_for_as_much_longer_as_it_is_slower_and_later(cadence_s, lateness_s, expected_s):
    hub = small_hub()
    slow = replace(hub.connections[1], meter_cadence_s=cadence_s, meter_lateness_s=lateness_s)
    assert patience_s(hub.timing, slow) == expected_s
    assert longest_patience_s(replace(hub, connections=(hub.connections[0], slow))) == expected_s
