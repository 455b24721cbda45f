import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ean import check_digit, is_ean18

bodies = st.text("0123456789", min_size=17, max_size=17)


@pytest.mark.parametrize(
    ("body", "digit"),
    [
        pytest.param("871242301402", 2, id="Enexis, EAN-13"),
        pytest.param("400638133393", 1, id="GS1's own example, EAN-13"),
        pytest.param("9638507", 4, id="an EAN-8"),
        pytest.param("37610425002123456", 9, id="GS1's own example, SSCC of 18 digits"),
    ],
)
def test_check_digit_of_known_numbers(body, digit):
    assert check_digit(body) == digit


@given(bodies)
def test_exactly_one_last_digit_is_right(body):
    assert [last for last in "0123456789" if is_ean18(body + last)] == [str(check_digit(body))]


@given(bodies, st.integers(0, 17), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(body, at, by):
    ean = body + str(check_digit(body))
    wrong = ean[:at] + str((int(ean[at]) + by) % 10) + ean[at + 1 :]
    assert not is_ean18(wrong)


@pytest.mark.parametrize(
    "text", ["", "87100000000000001", "8710000000000000130", "87100000000000001x", "٨" * 18, " " * 18]
)
def test_what_is_not_eighteen_ascii_digits_is_none(text):
    assert not is_ean18(text)


def test_a_check_digit_of_something_else_than_digits_is_our_own_bug():
    with pytest.raises(ValueError, match="digits only"):
        check_digit("8710-0000")
