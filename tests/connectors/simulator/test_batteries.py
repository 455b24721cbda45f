import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.batteries import Batteries
from connectors.simulator.registers import Registers

BATTERY = Batteries(
    capacity_kwh=np.array([200.0]),
    efficiency_ratio=np.array([0.95]),
    min_kw=np.array([-100.0]),
    max_kw=np.array([100.0]),
    ramp_kw_per_s=np.array([25.0]),
)


def step(stored_kwh: float, power_kw: float, *, wanted_kw: float, dt_s: float = 1.0):
    stored, moved = BATTERY.step(
        np.array([stored_kwh]), np.array([power_kw]), wanted_kw=np.array([wanted_kw]), dt_s=dt_s
    )
    return float(stored[0]), moved


def test_it_ramps_to_what_is_wanted():
    powers_kw, stored_kwh, power_kw = [], 100.0, 0.0
    for _ in range(6):
        stored_kwh, moved = step(stored_kwh, power_kw, wanted_kw=90)
        power_kw = float(moved.power_w[0]) / 1000
        powers_kw.append(power_kw)
    assert powers_kw == [25, 50, 75, 90, 90, 90]


def test_the_bms_of_a_battery_that_is_nearly_full_is_quicker_than_its_ramp():
    assert step(200 * 0.975, 100.0, wanted_kw=100)[1].power_w.tolist() == [50_000]


@pytest.mark.parametrize(
    ("soc_ratio", "least_kw", "most_kw"),
    [(0, 0, 100), (0.025, -50, 100), (0.5, -100, 100), (0.975, -100, 50), (1, -100, 0)],
)
def test_near_full_and_empty_the_bms_allows_less(soc_ratio, least_kw, most_kw):
    least, most = BATTERY.range_kw(np.array([200.0 * soc_ratio]))
    assert (float(least[0]), float(most[0])) == pytest.approx((least_kw, most_kw))


@given(
    st.floats(0, 200),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from([1.0, 7.0, 60.0, 900.0])), max_size=30),
)
def test_stored_energy_is_the_registers_less_the_losses_and_stays_within_its_bounds(start_kwh, orders):
    stored_kwh, power_kw, registers = start_kwh, 0.0, Registers.zero(1)
    for wanted_kw, dt_s in orders:
        stored_kwh, moved = step(stored_kwh, power_kw, wanted_kw=wanted_kw, dt_s=dt_s)
        power_kw = float(moved.power_w[0]) / 1000
        registers = registers.after(moved.power_w, round(dt_s * 1e6))
        assert -1e-6 <= stored_kwh <= 200 + 1e-6
        assert -100 <= power_kw <= 100
    charged_kwh = (int(registers.import_wh[0]) + int(registers.import_rest_uws[0]) / 3.6e9) / 1000
    discharged_kwh = (int(registers.export_wh[0]) + int(registers.export_rest_uws[0]) / 3.6e9) / 1000
    assert stored_kwh - start_kwh == pytest.approx(charged_kwh * 0.95 - discharged_kwh / 0.95, abs=1e-9)
