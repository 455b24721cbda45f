from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import row_checks
from hub.model import AssetKind
from hub.rows import Row

RULES = [
    rule
    for rules in (
        row_checks.CONNECTION_RULES,
        row_checks.ASSET_RULES,
        row_checks.TIMING_RULES,
        row_checks.GRID_LOOP_RULES,
        row_checks.LIMIT_RULES,
    )
    for rule in rules
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.problem)
def test_a_rule_looks_only_at_the_cells_it_names(rule):
    """A row with one refused cell is still checked by the rules that do not need that cell."""
    only = {column: AssetKind.CHARGER if column == "kind" else 1.0 for column in rule.columns}
    rule.broken(only)
    for text in (rule.problem, rule.remedy):
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= set(rule.columns)


@pytest.mark.parametrize("missing", ["min_kw", "max_kw", "reversion_kw"])
def test_a_rule_waits_for_all_its_cells(missing):
    values = {"min_kw": -10.0, "max_kw": 10.0, "reversion_kw": 99.0}
    del values[missing]
    rule = next(rule for rule in row_checks.ASSET_RULES if "outside the range" in rule.problem)
    row = Row(file="assets.csv", number=2, written=values, values=values)
    assert list(row_checks.check_rows([row], (rule,))) == []


@given(amperes=st.floats(1, 2000), ratio=st.floats(0.96, 1.04), voltage_kv=st.sampled_from([0.4, 10.0, 20.0]))
def test_kva_that_fit_the_amperes_at_a_usual_voltage_pass(amperes, ratio, voltage_kv):
    kva = 3**0.5 * voltage_kv * amperes * ratio
    assert not row_checks.CONNECTION_RULES[0].broken({"capacity_a": amperes, "capacity_kva": kva})


@given(amperes=st.floats(1, 2000))
def test_amperes_times_phases_are_not_kilowatts(amperes):
    assert row_checks.CONNECTION_RULES[0].broken({"capacity_a": amperes, "capacity_kva": 3 * amperes})
