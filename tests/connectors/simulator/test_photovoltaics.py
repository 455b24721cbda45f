import numpy as np
import pytest

from connectors.simulator.photovoltaics import Inverters

ROOF = Inverters(rated_kw=np.array([100.0]), largest_kw=np.array([80.0]), ramp_kw_per_s=np.array([10.0]))


def step(power_kw: float, *, wanted_kw: float, available_kw: float) -> float:
    moved = ROOF.step(
        np.array([power_kw]), wanted_kw=np.array([wanted_kw]), available_kw=np.array([available_kw]), dt_s=1.0
    )
    assert moved.min_kw[0] == -available_kw
    assert moved.max_kw[0] == 0
    return float(moved.power_w[0]) / 1000


CASES = {
    "curtailment is ramped": (-60, -30, 60, -50),
    "release is ramped": (-30, -60, 60, -40),
    "a floor above the sun changes nothing": (-60, -90, 60, -60),
    "a cloud is immediate": (-60, -90, 20, -20),
    "a setpoint to consume means to stop": (-5, 30, 60, 0),
}


@pytest.mark.parametrize(("power_kw", "wanted_kw", "available_kw", "after_kw"), CASES.values(), ids=CASES.keys())
def test_an_inverter_in_one_second(power_kw, wanted_kw, available_kw, after_kw):
    assert step(power_kw, wanted_kw=wanted_kw, available_kw=available_kw) == after_kw


def test_R15_its_own_static_limit_is_never_exceeded():  # noqa: N802 - rules are numbered so
    assert ROOF.available_kw(np.array([1.0]), np.array([1.0])).tolist() == [80.0]
