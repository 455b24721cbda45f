import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cells import ABSURD, Refused, ean, identifier, number, one_of, text, timezone, whole, yes_no
from hub.model import AssetKind

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)
kinds = st.sampled_from([text, identifier, ean, yes_no, timezone, one_of(AssetKind), number(at_least=0), whole()])


@given(kinds, anything)
def test_a_cell_is_read_or_refused_with_a_remedy_whatever_it_holds(kind, cell):
    value = kind(cell)
    assert not isinstance(value, Refused) or (value.problem and value.remedy)


@given(st.floats(-ABSURD, ABSURD))
def test_a_number_reads_the_same_from_a_spreadsheet_and_from_toml(value):
    assert number()(str(value)) == number()(value) == value


@pytest.mark.parametrize(
    ("cell", "problem", "remedy"),
    [
        pytest.param("3,5", "decimal comma", "write 3.5", id="decimal comma"),
        pytest.param("1.234,5", "decimal comma", "write 1234.5", id="thousands mark"),
        pytest.param("-0,69", "decimal comma", "write -0.69", id="negative decimal comma"),
        pytest.param("400 kW", "not a number alone", "leave the unit out", id="unit in the cell"),
        pytest.param("nan", "not a finite number", "write a number", id="NaN"),
        pytest.param("-inf", "not a finite number", "write a number", id="infinity"),
        pytest.param(float("nan"), "not a finite number", "write a number", id="TOML NaN"),
        pytest.param("1e400", "not a finite number", "write a number", id="overflow"),
        pytest.param(10**400, "too large", "smaller", id="TOML integer beyond a float"),
        pytest.param(True, "not a number", "write a number", id="TOML true"),
        pytest.param("a dozen", "not a number", "write a number", id="words"),
        pytest.param("-0.1", "too small", "write 0 or more", id="negative magnitude"),
        pytest.param("1e9", "too large", "mind the unit", id="watts for kilowatts"),
    ],
)
def test_a_number_is_refused_with_the_way_out(cell, problem, remedy):
    refused = number(at_least=0)(cell)
    assert isinstance(refused, Refused)
    assert problem in refused.problem
    assert remedy in refused.remedy


def test_an_ean_that_a_spreadsheet_rounded_says_so():
    assert "spreadsheet" in ean("8.71E+17").problem


def test_a_wrong_check_digit_names_the_right_one():
    assert "after 87100000000000001 comes 3" in ean("871000000000000011").remedy


@pytest.mark.parametrize("cell", ["a/b", "@station", "", " ", "-x", "a b", "é"])
def test_an_id_has_nothing_that_a_key_or_an_arm_uses(cell):
    assert isinstance(identifier(cell), Refused)


@pytest.mark.parametrize("cell", ["Europe/Utrecht", "", "../etc/passwd", "Europe", "/etc", 3])
def test_a_time_zone_that_does_not_exist_is_refused(cell):
    assert isinstance(timezone(cell), Refused)
