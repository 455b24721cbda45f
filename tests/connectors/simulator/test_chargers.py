import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.chargers import Chargers
from hub.profiles import Session

HOUR_US = 3_600_000_000
SECOND_US = 1_000_000


def chargers(*sessions: Session) -> Chargers:
    rows = [*sessions, Session(2**62, 2**62, 0.0)]
    return Chargers(
        max_kw=np.array([22.0]),
        min_on_kw=np.array([4.14]),
        step_kw=np.array([0.69]),
        ramp_kw_per_s=np.array([4.4]),
        arrival_us=np.array([[row.arrival_us for row in rows]]),
        departure_us=np.array([[row.departure_us for row in rows]]),
        energy_kwh=np.array([[row.energy_kwh for row in rows]]),
        car_kw=np.array([[11.0] * len(rows)]),
    )


def drive(plaza: Chargers, wanted_kw: list[float], *, from_us: int) -> list[float]:
    """Power after each second, with these ceilings."""
    state, power_kw, powers_kw = plaza.start(from_us), 0.0, []
    for at, ceiling_kw in enumerate(wanted_kw, start=1):
        state, moved = plaza.step(
            state,
            np.array([power_kw]),
            wanted_kw=np.array([ceiling_kw]),
            at_us=from_us + at * SECOND_US,
            dt_s=1.0,
        )
        power_kw = float(moved.power_w[0]) / 1000
        powers_kw.append(power_kw)
    return powers_kw


HERE_ALL_DAY = Session(0, 10 * HOUR_US, 500.0)


def test_a_car_takes_what_it_can_within_seconds():
    assert drive(chargers(HERE_ALL_DAY), [22.0] * 4, from_us=0) == [4.4, 8.8, 10.35, 10.35]


@pytest.mark.parametrize(
    ("ceiling_kw", "rest_kw"),
    [(22, 10.35), (8, 7.59), (8.2, 7.59), (8.3, 8.28), (4.14, 4.14), (4.13, 0), (0, 0), (-5, 0)],
)
def test_current_comes_in_whole_amperes_below_the_ceiling_and_not_under_six(ceiling_kw, rest_kw):
    assert drive(chargers(HERE_ALL_DAY), [22.0] * 4 + [ceiling_kw] * 6, from_us=0)[-1] == pytest.approx(rest_kw)


@given(st.lists(st.floats(-5, 30), min_size=1, max_size=6))
def test_at_rest_it_is_off_or_above_its_least_current(ceilings_kw):
    held = [ceiling_kw for ceiling_kw in ceilings_kw for _ in range(6)]
    powers_kw = drive(chargers(HERE_ALL_DAY), held, from_us=0)
    for at, ceiling_kw in enumerate(ceilings_kw):
        rest_kw = powers_kw[at * 6 + 5]
        assert rest_kw == 0 or 4.14 <= rest_kw <= max(ceiling_kw, 0)


def test_a_car_that_leaves_takes_nothing_and_the_next_one_starts_afresh():
    plaza = chargers(Session(0, HOUR_US, 30.0), Session(HOUR_US + 5 * SECOND_US, 3 * HOUR_US, 20.0))
    powers_kw = drive(plaza, [22.0] * 20, from_us=HOUR_US - 6 * SECOND_US)
    assert powers_kw[4] > 0
    assert powers_kw[5:10] == [0] * 5
    assert powers_kw[-1] == 10.35


def test_a_car_takes_no_more_than_it_came_for():
    plaza = chargers(Session(0, HOUR_US, 0.05))
    powers_kw = drive(plaza, [22.0] * 60, from_us=0)
    assert sum(powers_kw) / 3600 == pytest.approx(0.05, abs=0.002)
    assert powers_kw[-1] == 0


def test_a_long_step_does_not_overfill_a_car():
    plaza = chargers(Session(0, HOUR_US, 0.5))
    state, moved = plaza.step(
        plaza.start(0), np.array([11.0]), wanted_kw=np.array([22.0]), at_us=900 * SECOND_US, dt_s=900.0
    )
    assert float(moved.power_w[0]) / 4000 <= 0.5
    assert float(state.taken_kwh[0]) <= 0.5


def test_measured_sessions_never_overlap_at_one_charger(park):
    cars = park.chargers
    there = cars.departure_us < 2**62
    assert np.all((cars.arrival_us[:, 1:] >= cars.departure_us[:, :-1])[there[:, 1:]])
    assert there.sum() > 7_000
    assert np.all(there.sum(axis=1) > 50)
