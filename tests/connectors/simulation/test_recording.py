"""What was recorded of one run is what the next one plays: loads and sun, whatever setpoints made of them."""

from dataclasses import replace

import numpy as np
import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.instants import as_utc
from connectors.simulation.recording import Recorded, points_of, recorded_powers
from connectors.simulation.second_run import park_of
from hub.errors import HubErrors
from tests.connectors.simulation.simulated import NOON_US, plan_of, session
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA, small_hub

SECOND_US = 1_000_000
LIVED_S = 60
COLUMNS = {FACTORY: np.linspace(5, 15, LIVED_S * 2), OFFICE: 10.0, PLAZA: 12.0, BAKERY: 20.0, "roof": -95.0}


@pytest.fixture(scope="module")
def recorded():
    """A minute with more sun than the battery may take: by point, as a database gives it back."""
    cars = [session("charger", from_min=-1, to_min=60, kwh=20, max_kw=30)]
    plan = plan_of(
        COLUMNS, minutes=2, step_us=SECOND_US, sessions=cars, faults=[f"device-ignores:battery@{as_utc(NOON_US)}/5min"]
    )
    loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
    frames = [heard.frame for _ in range(LIVED_S + 1) for heard in loop.turn().heard]
    return {point: of(point, frames) for point in points_of(plan.hub)}


def of(point, frames):
    rows = [(frame, frame.ids.index(point)) for frame in frames if point in frame.ids]
    columns = {
        name: np.array([getattr(frame, name)[row] for frame, row in rows], np.float64)
        for name in ("power_kw", "min_kw", "max_kw")
    }
    return Recorded(at_us=np.array([frame.measured_at_us[row] for frame, row in rows]), **columns)


def played(recorded, *, from_s=5, until_s=55):
    return recorded_powers(
        recorded, small_hub(), from_us=NOON_US + from_s * SECOND_US, until_us=NOON_US + until_s * SECOND_US
    )


def test_loads_come_back_without_their_assets_and_the_sun_as_it_could_have_been(recorded):
    powers = played(recorded)
    assert (powers.start_us, powers.step_us, len(powers.power_kw)) == (NOON_US + 5 * SECOND_US, SECOND_US, 50)
    assert recorded["roof"].power_kw[-1] > -95  # it was curtailed
    columns = dict(zip(powers.names, powers.power_kw.T, strict=True))
    assert columns.keys() == {FACTORY, OFFICE, PLAZA, BAKERY, "roof", "charger"}
    for point, kw in COLUMNS.items():
        expected = np.broadcast_to(kw, LIVED_S * 2)[5:55]
        np.testing.assert_allclose(columns[point], expected, atol=0.1)
    assert set(columns["charger"]) == {30.0}  # what the car could take, not what it was allowed


def without(recorded, point, from_s, until_s):
    own = recorded[point]
    left = (own.at_us < NOON_US + from_s * SECOND_US) | (own.at_us >= NOON_US + until_s * SECOND_US)
    kept = replace(own, **{name: getattr(own, name)[left] for name in ("at_us", "power_kw", "min_kw", "max_kw")})
    return recorded | {point: kept}


def test_a_silence_as_long_as_readings_are_trusted_is_bridged(recorded):
    bridged, whole = played(without(recorded, BAKERY, 20, 25)), played(recorded)
    np.testing.assert_allclose(bridged.power_kw, whole.power_kw)


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        (
            lambda recorded: without(recorded, "roof", 20, 40),
            "the recording, roof: has no reading for 15 seconds, from",
        ),
        (lambda recorded: without(recorded, FACTORY, 0, 100), f"the recording, {FACTORY}: nothing was recorded"),
        (lambda recorded: {k: v for k, v in recorded.items() if k != "charger"}, "charger: nothing was recorded"),
    ],
    ids=["a long silence", "no reading", "no such point"],
)
def test_a_hole_is_refused_by_name(recorded, lacks, said):
    with pytest.raises(HubErrors) as refused:
        played(lacks(recorded))
    assert said in str(refused.value)
