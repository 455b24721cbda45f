import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.rounding import round_to_steps, spent_kw

STEP, LEAST = 0.69, 6 * 0.69  # 1 A on three phases at 230 V; a charger starts at 6 A


@pytest.mark.parametrize(
    ("power_kw", "price", "expected_kw"),
    [
        pytest.param(10.0, -1.0, 14 * STEP, id="held down rounds down"),
        pytest.param(10.0, 1.0, 15 * STEP, id="pushed up rounds up"),
        pytest.param(10.0, 0.0, 14 * STEP, id="unbound rounds to the nearest"),
        pytest.param(2.0, -1.0, 0.0, id="below the smallest current and held down is off"),
        pytest.param(2.0, 1.0, LEAST, id="below the smallest current and pushed up is on"),
        pytest.param(9 * STEP - 1e-12, -1.0, 9 * STEP, id="a rounding error costs no step"),
        pytest.param(-10.0, -1.0, -15 * STEP, id="discharging and held down discharges more"),
    ],
)
def test_one_setpoint_goes_to_the_safe_step(power_kw, price, expected_kw):
    (rounded,) = round_to_steps(
        np.array([power_kw]),
        np.array([price]),
        step_kw=np.array([STEP]),
        least_kw=np.array([LEAST]),
        min_kw=np.array([-22.08]),
        max_kw=np.array([22.08]),
    )
    assert rounded == pytest.approx(expected_kw)


@given(st.lists(st.floats(0, 22), min_size=1, max_size=20), st.sampled_from([-0.5, 0.5]))
def test_a_binding_limit_keeps_its_room_and_a_device_loses_at_most_one_step(powers, price):
    power_kw, n = np.array(powers), len(powers)
    rounded = round_to_steps(
        power_kw,
        np.full(n, price),
        step_kw=np.full(n, STEP),
        least_kw=np.zeros(n),
        min_kw=np.zeros(n),
        max_kw=np.full(n, 32 * STEP),
    )
    added, taken = spent_kw(power_kw, rounded, np.arange(n))
    assert (added if price < 0 else taken) <= n * STEP * 1e-8
    assert np.all(np.abs(rounded - power_kw) <= STEP * (1 + 1e-8))


def test_a_device_without_steps_keeps_its_setpoint():
    power_kw = np.array([3.3])
    none = np.zeros(1)
    rounded = round_to_steps(power_kw, none, step_kw=none, least_kw=none, min_kw=none, max_kw=np.array([5.0]))
    assert rounded.tolist() == [3.3]
