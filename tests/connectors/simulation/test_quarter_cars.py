"""Cars in steps of a quarter: whatever the sessions and whatever is given, no energy is lost, made or late."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulation.charging import ChargingRecord, jain_index
from connectors.simulation.measured import planned_chargers
from connectors.simulation.quarter_cars import QuarterCars
from connectors.simulation.sessions_file import PlannedSession
from hub.quarters import QUARTER_US

MINUTE_US = 60_000_000
CHARGER = SimpleNamespace(id="charger", max_kw=22.0, min_on_kw=4.14, step_kw=0.69, ramp_kw_per_s=5.0)


@st.composite
def days(draw):
    """Sessions one after the other, each a quarter or longer, with pauses or none; and what share is given when."""
    at_min, sessions = 0, []
    for _ in range(draw(st.integers(1, 8))):
        at_min += draw(st.integers(0, 100))
        stay_min = draw(st.integers(15, 300))
        sessions.append(
            PlannedSession(
                charger="charger",
                arrival_us=at_min * MINUTE_US,
                departure_us=(at_min + stay_min) * MINUTE_US,
                energy_kwh=draw(st.floats(0.5, 80)),
                max_kw=draw(st.floats(3, 50)),
                row=2,
            )
        )
        at_min += stay_min
    quarters = at_min // 15 + 1
    return sessions, draw(st.lists(st.floats(0, 1), min_size=quarters, max_size=quarters))


@given(days())
def test_what_the_charger_gave_is_what_the_cars_took_each_within_its_stay(day):
    sessions, shares = day
    chargers = planned_chargers([CHARGER], sessions)
    cars, given_kwh = QuarterCars(chargers, 0), 0.0
    for quarter, share in enumerate(shares):
        first_kwh, next_kwh = cars.could_kwh(quarter * QUARTER_US, (quarter + 1) * QUARTER_US)
        gives_kwh = (first_kwh + next_kwh) * share
        cars.give(gives_kwh, first_kwh, until_us=(quarter + 1) * QUARTER_US)
        given_kwh += float(gives_kwh[0])
    taken_kwh = cars.taken_kwh[0, : len(sessions)]
    assert taken_kwh.sum() == pytest.approx(given_kwh)
    for one, took_kwh in zip(sessions, taken_kwh, strict=True):
        stay_h = (one.departure_us - one.arrival_us) / 3.6e9
        assert took_kwh <= min(one.energy_kwh, min(one.max_kw, 22.0) * stay_h) + 1e-9
    if set(shares) == {1.0}:
        assert taken_kwh == pytest.approx(
            [min(s.energy_kwh, min(s.max_kw, 22.0) * (s.departure_us - s.arrival_us) / 3.6e9) for s in sessions]
        )


def test_only_sessions_that_come_and_go_within_the_run_are_judged():
    stays = [(0, 30), (40, 80), (90, 200)]
    sessions = [
        PlannedSession(
            charger="charger", arrival_us=a * MINUTE_US, departure_us=d * MINUTE_US, energy_kwh=10, max_kw=22, row=2
        )
        for a, d in stays
    ]
    record = ChargingRecord(planned_chargers([CHARGER], sessions), from_us=20 * MINUTE_US)
    for at, took_kwh in enumerate((10.0, 9.0, 3.0)):
        record.take(np.array([at]), np.array([took_kwh]))
    figures = record.figures(until_us=100 * MINUTE_US)
    assert (figures.sessions, figures.fully_served, figures.asked_kwh, figures.delivered_kwh) == (1, 0, 10.0, 9.0)
    assert (figures.delivered_percent, figures.jain_index) == (90.0, 1.0)


@pytest.mark.parametrize(("shares", "index"), [([1, 1, 1], 1.0), ([1, 0, 0], 1 / 3), ([1, 0.5], 0.9)])
def test_jains_index_is_one_for_equals_and_one_nth_for_one_who_gets_all(shares, index):
    assert jain_index(np.array(shares, np.float64)) == pytest.approx(index)
