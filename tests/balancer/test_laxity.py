import numpy as np
import pytest

from balancer.laxity import choose_chargers, laxity_s
from balancer.model import InputError


def chosen(laxity, *, waited=None, room_kw=8.0, charging=None, keep_s=0.0, least_kw=4.0):
    n = len(laxity)
    return np.flatnonzero(
        choose_chargers(
            np.array(laxity, dtype=float),
            np.array(waited or [0.0] * n),
            least_kw=np.full(n, least_kw),
            room_kw=room_kw,
            charging=np.array(charging or [False] * n),
            keep_s=keep_s,
        )
    ).tolist()


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param({"laxity": [900, -60, 300]}, [1, 2], id="the most urgent first"),
        pytest.param({"laxity": [100, 100, 100], "waited": [0, 30, 60]}, [1, 2], id="then who waited longest"),
        pytest.param({"laxity": [100, 100, 100]}, [0, 1], id="then the first in the list"),
        pytest.param({"laxity": [np.inf, 100, np.inf]}, [1], id="who needs nothing stays off"),
        pytest.param({"laxity": [100, 90], "room_kw": 4, "charging": [True, False], "keep_s": 60}, [0], id="no swap"),
        pytest.param({"laxity": [100, 10], "room_kw": 4, "charging": [True, False], "keep_s": 60}, [1], id="swap"),
        pytest.param({"laxity": [1, 2], "room_kw": 3.9}, [], id="no room for anyone"),
    ],
)
def test_who_charges(case, expected):
    assert chosen(**case) == expected


def test_waiting_rotates_among_equals():
    waited, turns = np.zeros(3), []
    for _ in range(6):
        on = chosen([100, 100, 100], waited=waited.tolist(), room_kw=4.0)
        turns += on
        waited += 60.0
        waited[on] = 0.0
    assert sorted(turns) == [0, 0, 1, 1, 2, 2]


def test_a_charger_without_power_is_refused():
    with pytest.raises(InputError, match="max_kw must be positive"):
        laxity_s(np.array([1.0]), np.array([0.0]), np.array([60.0]))
