import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulator.registers import Registers

POWERS_W = st.lists(st.integers(-10_000_000, 10_000_000), min_size=3, max_size=3)


@given(st.lists(st.tuples(POWERS_W, st.lists(st.integers(1, 900_000_000), min_size=1, max_size=5)), max_size=8))
def test_registers_are_the_same_however_time_is_split(stretches):
    split = whole = Registers.zero(3)
    for power_w, parts_us in stretches:
        for part_us in parts_us:
            split = split.after(np.array(power_w), part_us)
        whole = whole.after(np.array(power_w), sum(parts_us))
    for name in ("import_wh", "export_wh", "import_rest_uws", "export_rest_uws"):
        assert getattr(split, name).tolist() == getattr(whole, name).tolist()


@given(st.lists(POWERS_W, max_size=20))
def test_import_less_export_is_what_flowed(powers_w):
    registers = Registers.zero(3)
    for power_w in powers_w:
        registers = registers.after(np.array(power_w), 1_000_000)
    assert registers.net_uws() == [sum(column) * 1_000_000 for column in zip(*powers_w, strict=True)] or not powers_w


@pytest.mark.parametrize(
    ("power_w", "import_wh", "export_wh"), [(3_600, 1, 0), (-3_600, 0, 1), (3_599, 0, 0)], ids=["in", "out", "not yet"]
)
def test_a_kilowatt_hour_counts_on_the_register_of_its_direction(power_w, import_wh, export_wh):
    after = Registers.zero(1).after(np.array([power_w]), 1_000_000)
    assert (after.import_wh.tolist(), after.export_wh.tolist()) == ([import_wh], [export_wh])
