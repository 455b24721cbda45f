"""Quarter figures from register readings."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.quarter_figures import BOUNDARY_GAP_US, QuarterFigures, RegisterEdges, edges_of, quarter_figures
from hub.quarters import QUARTER_US, RegisterReading

SECOND_US = 1_000_000
START_US = 1_000 * QUARTER_US
NONE = RegisterEdges()


def figures_of(*readings: tuple[float, int]) -> QuarterFigures:
    """Figures of import from (seconds after the quarter's start, register in Wh)."""
    series = [RegisterReading(START_US + int(at_s * SECOND_US), register_wh) for at_s, register_wh in readings]
    return quarter_figures(START_US, edges_of(START_US, series), NONE)


@pytest.mark.parametrize(
    ("readings", "energy_wh", "coverage_ratio", "complete"),
    [
        pytest.param([(0, 100), (900, 350)], 250, 1.0, True, id="readings on both boundaries"),
        pytest.param([(-10, 100), (10, 120), (890, 300), (910, 340)], 210, 1.0, True, id="boundaries interpolated"),
        pytest.param([(-100, 0), (1000, 1100)], 900, 1.0, True, id="slow meter, nothing read inside"),
        pytest.param([(-10, 100), (10, 120), (460, 300)], 190, 460 / 900, False, id="quarter still open"),
        pytest.param([(450, 100), (910, 560)], 450, 0.5, False, id="meter began half way"),
        pytest.param([(450, 100), (675, 200)], 100, 0.25, False, id="read only inside"),
        pytest.param([(-1300, 0), (450, 100), (900, 200)], 100, 0.5, False, id="gap too long to interpolate"),
        pytest.param([(450, 100)], None, 0.0, False, id="one reading is no energy"),
        pytest.param([(-500, 0), (1000, 900)], None, 0.0, False, id="gap over the whole quarter"),
        pytest.param([(0, 100)], None, 0.0, False, id="only the start"),
        pytest.param([], None, 0.0, False, id="no register"),
    ],
)
def test_energy_is_the_register_difference_between_boundaries(readings, energy_wh, coverage_ratio, complete):
    figures = figures_of(*readings)
    assert (figures.energy_import_wh, figures.complete) == (energy_wh, complete)
    assert figures.coverage_ratio == pytest.approx(coverage_ratio)
    assert figures.energy_export_wh is None


def test_register_that_went_back_is_flagged_and_gives_no_energy():
    figures = figures_of((0, 5000), (400, 5100), (500, 3), (900, 20))
    assert figures.register_went_back
    assert figures.energy_import_wh is None


def test_other_register_keeps_its_figure_when_one_went_back():
    back = edges_of(START_US, [RegisterReading(START_US, 50), RegisterReading(START_US + QUARTER_US, 0)])
    fine = edges_of(START_US, [RegisterReading(START_US, 50), RegisterReading(START_US + QUARTER_US, 90)])
    figures = quarter_figures(START_US, back, fine)
    assert (figures.energy_import_wh, figures.energy_export_wh, figures.register_went_back) == (None, 40, True)


def test_coverage_is_that_of_the_register_that_spans_less():
    whole = edges_of(START_US, [RegisterReading(START_US, 0), RegisterReading(START_US + QUARTER_US, 9)])
    half = edges_of(START_US, [RegisterReading(START_US, 0), RegisterReading(START_US + QUARTER_US // 2, 5)])
    figures = quarter_figures(START_US, whole, half)
    assert (figures.coverage_ratio, figures.complete, figures.energy_import_wh) == (0.5, False, 9)


@given(
    gaps_s=st.lists(st.integers(1, BOUNDARY_GAP_US // SECOND_US), min_size=30, max_size=60),
    gains_wh=st.lists(st.integers(0, 100_000), min_size=60, max_size=60),
)
def test_complete_quarters_add_up_to_the_register_difference(gaps_s, gains_wh):
    readings = [RegisterReading(START_US, 0)]
    for gap_s, gain_wh in zip(gaps_s, gains_wh, strict=False):
        readings.append(RegisterReading(readings[-1].at_us + gap_s * SECOND_US, readings[-1].register_wh + gain_wh))
    end_us = readings[-1].at_us // QUARTER_US * QUARTER_US
    figures = [quarter_figures(at, edges_of(at, readings), NONE) for at in range(START_US, end_us, QUARTER_US)]
    assert all(figure.complete for figure in figures)
    before, after = next(pair for pair in pairwise([*readings, readings[-1]]) if pair[1].at_us >= end_us)
    total_wh = sum(figure.energy_import_wh or 0 for figure in figures)
    assert before.register_wh <= total_wh <= after.register_wh
