import doctest
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import balancer.apparent_power
import balancer.laxity
import balancer.quarter_law
import balancer.rotation
from balancer.model import InputError
from balancer.quarter_law import quarter_bound_kw

LIMIT_KW = 100.0


def bound_kw(energy_kwh, left_s, **changed):
    arguments = {"instant_kw": 1000.0, "margin_kwh": 0.5, "reaction_s": 10.0} | changed
    return quarter_bound_kw(LIMIT_KW, energy_kwh=energy_kwh, left_s=left_s, **arguments)


@pytest.mark.parametrize(
    ("energy_kwh", "left_s", "expected_kw"),
    [
        pytest.param(0.0, 900.0, 98.0, id="an even quarter, less the margin"),
        pytest.param(0.0, 450.0, 110.0, id="a quiet start may be used, by a tenth"),
        pytest.param(24.5, 60.0, 0.0, id="used up"),
        pytest.param(25.0, 60.0, -30.0, id="used up and into the margin: the direction must reverse"),
        pytest.param(0.0, 10.0, 100.0, id="in the last seconds not above the limit"),
        pytest.param(24.5 - 1 / 36, 1.0, 100.0, id="the last second counts with the next quarter's share"),
        pytest.param(24.5, 1.0, 90.0, id="used up a second too early"),
    ],
)
def test_what_is_left_of_a_quarter(energy_kwh, left_s, expected_kw):
    assert float(bound_kw(energy_kwh, left_s)) == pytest.approx(expected_kw)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 5), st.integers(0, 10**6))
def test_whoever_keeps_to_the_bound_never_passes_the_limit(start_kwh, seed):
    rng = random.Random(seed)
    energy_kwh = start_kwh
    for second in range(900):
        power_kw = max(0.0, float(bound_kw(energy_kwh, 900.0 - second)) * rng.uniform(0.9, 1.0))
        energy_kwh += power_kw / 3600
    assert energy_kwh <= LIMIT_KW / 4


@pytest.mark.parametrize("left_s", [30.0, 10.0, 5.0, 1.0, 0.0])
def test_a_park_that_runs_at_its_limit_is_not_pushed_down_at_the_quarters_end(left_s):
    used_kwh = LIMIT_KW * (900.0 - left_s) / 3600
    assert float(bound_kw(used_kwh, left_s, margin_kwh=0.0)) == pytest.approx(LIMIT_KW)


def test_arrays_are_taken_element_by_element_and_an_infinite_limit_is_none():
    bounds = quarter_bound_kw(
        np.array([100.0, np.inf]),
        energy_kwh=np.array([0.0, 50.0]),
        left_s=900.0,
        instant_kw=np.array([60.0, np.inf]),
        margin_kwh=0.0,
        reaction_s=5.0,
    )
    assert bounds.tolist() == [60.0, np.inf]


@pytest.mark.parametrize(
    "wrong",
    [
        {"energy_kwh": np.nan},
        {"left_s": 901.0},
        {"left_s": np.nan},
        {"instant_kw": -1.0},
        {"margin_kwh": -1.0},
        {"reaction_s": 0.0},
        {"surge": 0.9},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_numbers_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InputError, match=f"quarter: {next(iter(wrong))} must"):
        bound_kw(**({"energy_kwh": 0.0, "left_s": 900.0} | wrong))


@pytest.mark.parametrize(
    "module",
    [balancer.quarter_law, balancer.apparent_power, balancer.laxity, balancer.rotation],
    ids=lambda m: m.__name__,
)
def test_examples_in_the_documentation_hold(module):
    assert doctest.testmod(module).failed == 0
