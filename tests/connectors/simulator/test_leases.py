import math

import numpy as np
import pytest

from connectors.simulator.leases import fresh_leases, told
from connectors.simulator.wire import Write

INDEX = {"bat": 0, "pv": 1}
REVERSION_KW = np.array([0.0, -10.0])


def obeyed(leases, now_s):
    return leases.obeyed_kw(REVERSION_KW, now_s)[0].tolist()


def test_R13_until_anybody_speaks_devices_are_at_their_reversion_values():  # noqa: N802 - rules are numbered so
    assert obeyed(fresh_leases(2), 0.0) == [0.0, -10.0]


def test_R3_when_its_lease_ends_a_device_goes_to_its_reversion_value():  # noqa: N802 - rules are numbered so
    leases, refused = told(fresh_leases(2), [Write("pv", -40, 15), Write("bat", 20, 21)], index=INDEX, now_s=100)
    assert refused == {}
    assert [obeyed(leases, now_s) for now_s in (114.9, 115, 120.9, 121)] == [[20, -40], [20, -10], [20, -10], [0, -10]]
    assert leases.obeyed_kw(REVERSION_KW, 118)[1].tolist() == [False, True]


BAD = {
    "no such device": Write("stranger", 1, 15),
    "not a number": Write("bat", math.nan, 15),
    "no duration": Write("bat", 1, 0),
}


@pytest.mark.parametrize(("why", "write"), BAD.items(), ids=BAD.keys())
def test_what_a_device_cannot_take_is_refused_and_the_others_take_theirs(why, write):
    leases, refused = told(fresh_leases(2), [write, Write("pv", -40, 15)], index=INDEX, now_s=0)
    assert refused == {write.asset: why}
    assert obeyed(leases, 1) == [0, -40]


def test_R1_a_lease_for_ever_is_refused():  # noqa: N802 - rules are numbered so
    assert told(fresh_leases(2), [Write("bat", 1, math.inf)], index=INDEX, now_s=0)[1] == {"bat": "no duration"}
