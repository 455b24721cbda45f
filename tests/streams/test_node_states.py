"""What the world is told of each node: a limit is the tightest, a mean is over what registers cover, nothing is guessed."""

import numpy as np
import pytest

from balancer.model import Layer
from streams.bounds import BoundRows, Bounds
from streams.estimate import Span
from streams.node_states import node_states
from tests.streams.small_park import QUARTER_START_US, SECOND_US


def bounds_of(*, imports=True, node=0):
    return Bounds(node=node, layer=Layer.CONTRACT, imports=imports, instant_kw=np.inf, quarter_kw=np.inf)


def told(
    *,
    passed_s=450.0,
    low_kw=60.0,
    high_kw=60.0,
    import_kwh=0.0,
    export_kwh=0.0,
    uncovered_s=0.0,
    bounds=(),
    bounds_kw=(),
):
    """Every column of one node, by name."""
    states = node_states(
        ["node"],
        bounds=BoundRows(bounds),
        bounds_kw=np.array(bounds_kw),
        power=Span(low_kw=np.array([low_kw]), high_kw=np.array([high_kw])),
        energy_kwh=np.array([[import_kwh, export_kwh]]),
        uncovered_s=np.array([uncovered_s]),
        fresh=np.array([True]),
        binding=[""],
        now_us=QUARTER_START_US + round(passed_s * SECOND_US),
    )
    return {name: getattr(states, name)[0] for name in states.__struct_fields__}


@pytest.mark.parametrize(
    ("given", "mean_kw", "projected_kw", "coverage"),
    [
        pytest.param({"import_kwh": 5.0}, 40, 50, 1, id="half a quarter at 40, the rest at 60"),
        pytest.param({"import_kwh": 2.5, "uncovered_s": 225}, 40, 50, 0.5, id="what is not covered was as what is"),
        pytest.param({"import_kwh": 0.0, "uncovered_s": 450}, None, 60, 0, id="nothing covered: as it is now"),
        pytest.param({"import_kwh": 5.0, "low_kw": 0.0, "high_kw": 100.0}, 40, 70, 1, id="stale: the unfavourable end"),
        pytest.param({"import_kwh": 5.0, "low_kw": -60.0, "high_kw": -60.0}, 40, 20, 1, id="export is no credit"),
        pytest.param({"passed_s": 0.0}, None, 60, 1, id="the very start"),
        pytest.param({"passed_s": 0.5}, None, 60, 1, id="half a second tells no mean, yet all of it is covered"),
        pytest.param({"passed_s": 899.0, "import_kwh": 9.0}, 36.04, 36.067, 1, id="at the end hardly anything changes it"),
    ],
)  # fmt: skip
def test_a_quarters_mean_so_far_and_where_it_goes(given, mean_kw, projected_kw, coverage):
    node = told(**given)
    assert node["quarter_import_kw"] == (None if mean_kw is None else pytest.approx(mean_kw, abs=0.01))
    assert node["projected_import_kw"] == pytest.approx(projected_kw, abs=0.01)
    assert node["coverage_ratio"] == coverage


def test_what_was_fed_in_is_told_as_a_magnitude_beside_what_was_drawn():
    node = told(low_kw=-20.0, high_kw=-20.0, import_kwh=5.0, export_kwh=2.5)
    assert (node["quarter_import_kw"], node["quarter_export_kw"]) == (40, 20)
    assert (node["projected_import_kw"], node["projected_export_kw"]) == (20, 20)


def test_headroom_is_to_the_tightest_limit_from_the_unfavourable_end():
    bounds = (bounds_of(), bounds_of(), bounds_of(imports=False))
    node = told(low_kw=-10.0, high_kw=70.0, bounds=bounds, bounds_kw=(100.0, 90.0, 5.0))
    assert (node["power_kw"], node["limit_import_kw"], node["limit_export_kw"]) == (30, 90, 5)
    assert (node["headroom_import_kw"], node["headroom_export_kw"]) == (20, -5)


def test_a_margin_may_ask_for_import_and_then_the_limit_on_export_is_negative():
    node = told(bounds=(bounds_of(imports=False),), bounds_kw=(-25.0,))
    assert (node["limit_export_kw"], node["headroom_export_kw"]) == (-25, 35)


def test_without_a_limit_there_is_none_and_no_headroom_either():
    node = told()
    columns = ("limit_import_kw", "limit_export_kw", "headroom_import_kw", "headroom_export_kw")
    assert [node[name] for name in columns] == [None] * 4


def test_a_power_nobody_knows_is_missing_and_not_nought():
    node = told(low_kw=np.nan, high_kw=np.nan, bounds=(bounds_of(),), bounds_kw=(100.0,))
    assert (node["power_kw"], node["headroom_import_kw"], node["projected_import_kw"]) == (None, None, None)
    assert node["limit_import_kw"] == 100


def test_nought_is_never_written_as_minus_nought():
    assert str(told(low_kw=-1e-9, high_kw=-1e-9)["power_kw"]) == "0.0"
