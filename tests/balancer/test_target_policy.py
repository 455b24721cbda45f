"""Where a battery would be: room before surplus, reserve before peaks, and nothing that feeds in."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.target_policy import INTO_IMPORT_RATIO, SURE_RATIO, Band, Batteries, Fleet, band, target_kw

NIGHT, NOON = 0, 48  # quarters of a day, UTC


def one(kw):
    return np.array([float(kw)])


FLEET = Fleet(capacity_kwh=one(200), power_kw=one(100), efficiency_ratio=one(1), import_kw=one(300), export_kw=one(0))
SURE_KW = SURE_RATIO * 300  # what is counted on of it
BATTERY = Batteries(capacity_kwh=one(200), efficiency_ratio=one(1), min_kw=one(-100), max_kw=one(100))
RESTS = Band(one(0.2), one(0.6))


def day(*, net_kw=0.0, from_quarter=48, until_quarter=48, else_kw=0.0):
    net = np.full((96, 1), float(else_kw))
    net[from_quarter:until_quarter] = net_kw
    return net


def first(found):
    return round(float(found.low_ratio[0, 0]), 6), round(float(found.high_ratio[0, 0]), 6)


@pytest.mark.parametrize(
    ("net_kw", "expected"),
    [
        pytest.param(day(else_kw=50), (0, 1), id="winter: neither surplus nor peak, anything goes"),
        pytest.param(day(net_kw=-40, until_quarter=58), (0, 0.5), id="room for 100 of 200 kWh"),
        pytest.param(
            day(net_kw=-500, until_quarter=68), (0, 0), id="more surplus than the battery takes: all its room"
        ),
        pytest.param(
            day(net_kw=SURE_KW + 40, until_quarter=53), (0.25, 1), id="reserve for 50 of 200 kWh, no time to refill"
        ),
        pytest.param(
            day(net_kw=-40, until_quarter=58, else_kw=10), (0, 0.8), id="half of what may leave before counts"
        ),
    ],
)
def test_the_band_follows_from_the_next_day(net_kw, expected):
    if expected[0]:
        net_kw = np.maximum(net_kw, SURE_KW)  # no headroom before the peak
    assert first(band(FLEET, net_kw, quarter=NIGHT)) == expected


def test_losses_make_a_battery_need_less_room_and_more_reserve():
    lossy = replace(FLEET, efficiency_ratio=one(0.8))
    assert first(band(lossy, day(net_kw=-40, until_quarter=58), quarter=NIGHT))[1] == 0.6
    assert first(band(lossy, day(net_kw=SURE_KW + 40, until_quarter=53, else_kw=SURE_KW), quarter=NIGHT))[0] == 0.3125


def test_a_day_that_comes_near_what_a_node_may_draw_makes_a_reserve_for_one_that_passes_it():
    near, far = (first(band(FLEET, day(else_kw=kw), quarter=NIGHT))[0] for kw in (290, 150))
    assert near > 0
    assert far == 0


def test_room_comes_back_as_the_surplus_passes():
    high = band(FLEET, day(net_kw=-40, until_quarter=58), quarter=NIGHT).high_ratio[:, 0]
    np.testing.assert_allclose(high[[0, 48, 53, 58, 95]], [0.5, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize(("quarter", "expected"), [(NIGHT, (0.2, 0.8)), (NOON, (0.2, 1.0))])
def test_without_a_forecast_the_time_of_day_decides(quarter, expected):
    unknown = day(net_kw=np.nan, from_quarter=90, until_quarter=91)
    assert first(band(FLEET, unknown, quarter=quarter)) == expected


def test_reserve_wins_where_a_battery_has_a_group_that_wants_room():
    found = Band(np.array([[0.0, 0.7]]), np.array([[0.3, 1.0]])).at(0, np.array([[True, True], [True, False]]))
    np.testing.assert_array_equal(found.low_ratio, [0.7, 0.0])
    np.testing.assert_array_equal(found.high_ratio, [0.7, 0.3])


@pytest.mark.parametrize(
    ("soc", "import_kw", "headroom_kw", "expected_kw"),
    [
        pytest.param(0.4, 500, 500, 0, id="within the band it rests"),
        pytest.param(0.605, 500, 500, 0, id="so near it rests too"),
        pytest.param(0.85, 500, 500, -64, id="above it, into import"),
        pytest.param(0.85, 50, 500, -45, id="no more than nine tenths of what is drawn"),
        pytest.param(0.85, 0, 500, 0, id="nothing is drawn: nothing leaves"),
        pytest.param(0.85, -80, 500, 0, id="never into export"),
        pytest.param(1.0, 500, 500, -100, id="not beyond its power"),
        pytest.param(0.1, 500, 500, 24, id="below it, from headroom"),
        pytest.param(0.1, 500, 10, 9, id="no more than there is"),
        pytest.param(0.1, 500, -10, 0, id="no headroom: nothing is charged"),
        pytest.param(np.nan, 500, 500, 0, id="its charge is not known"),
        pytest.param(0.85, np.nan, 500, 0, id="import is not known"),
        pytest.param(0.1, 500, np.nan, 0, id="headroom is not known"),
    ],
)
def test_a_battery_goes_to_its_band(soc, import_kw, headroom_kw, expected_kw):
    told = target_kw(BATTERY, RESTS, one(soc), import_kw=import_kw, headroom_kw=headroom_kw)
    assert told[0] == pytest.approx(expected_kw)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"capacity_kwh": one(0)}, id="no capacity"),
        pytest.param({"min_kw": one(0), "max_kw": one(0)}, id="dead"),
    ],
)
@pytest.mark.parametrize("soc", [0.0, 1.0])
def test_a_battery_that_can_do_nothing_is_asked_nothing(changes, soc):
    told = target_kw(replace(BATTERY, **changes), RESTS, one(soc), import_kw=500, headroom_kw=500)
    assert told[0] == 0
    assert np.isfinite(band(replace(FLEET, capacity_kwh=one(0)), day(net_kw=-40), quarter=NIGHT).high_ratio).all()


def test_losses_cost_on_both_ways():
    lossy = replace(BATTERY, efficiency_ratio=one(0.8))
    out, into = (target_kw(lossy, RESTS, one(soc), import_kw=500, headroom_kw=500)[0] for soc in (0.85, 0.1))
    assert (out, into) == (pytest.approx(-64 * 0.8), pytest.approx(24 / 0.8))


def test_left_alone_it_comes_to_its_band_without_overshoot():
    soc, past = 1.0, []
    for _ in range(6 * 3600):
        power_kw = target_kw(BATTERY, RESTS, one(soc), import_kw=40.0, headroom_kw=0.0)[0]
        soc += power_kw / 3600 / 200
        past.append(power_kw)
    assert 0.6 <= soc < 0.62
    assert (np.diff(past) >= -1e-9).all()  # discharges ever less, never turns


@given(
    soc=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    import_kw=st.floats(-1e4, 1e4),
    headroom_kw=st.floats(-1e4, 1e4),
)
def test_together_they_never_use_more_than_was_measured(soc, ends, import_kw, headroom_kw):
    three = Batteries(
        capacity_kwh=np.array([1000, 200, 0.5]), efficiency_ratio=np.array([0.9, 0.95, 1]),
        min_kw=np.array([-500, -100, -1]), max_kw=np.array([500, 100, 1]),
    )  # fmt: skip
    within = Band(np.full(3, min(ends)), np.full(3, max(ends)))
    told = target_kw(three, within, np.array(soc), import_kw=import_kw, headroom_kw=headroom_kw)
    assert -told.clip(max=0).sum() <= INTO_IMPORT_RATIO * max(import_kw, 0.0) + 1e-9
    assert told.clip(min=0).sum() <= INTO_IMPORT_RATIO * max(headroom_kw, 0.0) + 1e-9
    assert ((told >= three.min_kw) & (told <= three.max_kw)).all()
