"""What a gateway said, without what cannot be true: one bad reading is masked and named, the good ones stay."""

import numpy as np
import pytest

from hub.quarter_figures import BOUNDARY_GAP_US
from streams.codec import Rejected, decode_telemetry, encode
from streams.columns import LATE_US, Points, check_columns
from streams.messages import DeadLetterReason, TelemetryFrame

NOW_US = 1_782_900_000_000_000
HOUR_US = 3_600_000_000
POINTS = Points(("meter", "battery"), np.array([1000.0, 100.0]))


PAYLOAD = encode(
    TelemetryFrame(gateway="gw", sequence=1, sent_at_us=1, ids=["meter"], measured_at_us=[NOW_US], power_kw=[1.5])
)


def check(**columns):
    given = {"ids": ["meter", "battery"], "measured_at_us": [NOW_US, NOW_US], "power_kw": [10.0, 5.0]} | columns
    frame = TelemetryFrame(gateway="gw", sequence=1, sent_at_us=NOW_US, **given)
    return check_columns(frame, points=POINTS, index=POINTS.index(), received_at_us=NOW_US)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        pytest.param({"ids": ["meter", "stranger"]}, DeadLetterReason.UNKNOWN_POINT, id="a point nobody knows"),
        pytest.param({"measured_at_us": [NOW_US, NOW_US + 3_000_000]}, DeadLetterReason.FROM_THE_FUTURE, id="future"),
        pytest.param({"measured_at_us": [NOW_US, NOW_US + HOUR_US]}, DeadLetterReason.FROM_THE_FUTURE, id="clock +1 h"),
        pytest.param({"measured_at_us": [NOW_US, NOW_US - HOUR_US]}, DeadLetterReason.TOO_LATE, id="clock -1 h"),
        pytest.param({"measured_at_us": [NOW_US, 1]}, DeadLetterReason.TOO_LATE, id="a clock that begins in 1970"),
        pytest.param({"measured_at_us": [NOW_US, -5]}, DeadLetterReason.ABSURD_VALUE, id="before 1970"),
        pytest.param({"power_kw": [10.0, 101.0]}, DeadLetterReason.ABSURD_VALUE, id="more than it can carry"),
        pytest.param({"power_kw": [10.0, -101.0]}, DeadLetterReason.ABSURD_VALUE, id="less than it can carry"),
        pytest.param({"energy_import_wh": [1, -1]}, DeadLetterReason.ABSURD_VALUE, id="a negative register"),
        pytest.param({"energy_export_wh": [1, 10**30]}, DeadLetterReason.ABSURD_VALUE, id="a register beyond all"),
        pytest.param(
            {"energy_import_wh": [1, 2**53 + 1]}, DeadLetterReason.ABSURD_VALUE, id="the first a float changes"
        ),
        pytest.param({"energy_import_wh": [1, 10**320]}, DeadLetterReason.ABSURD_VALUE, id="beyond any float"),
        pytest.param({"measured_at_us": [NOW_US, 10**320]}, DeadLetterReason.FROM_THE_FUTURE, id="after all time"),
        pytest.param({"measured_at_us": [NOW_US, -(10**320)]}, DeadLetterReason.ABSURD_VALUE, id="before all time"),
    ],
)
def test_a_reading_that_cannot_be_true_is_masked_and_named_and_the_other_stays(columns, reason):
    checked = check(**columns)
    assert [(bad.row, bad.reason) for bad in checked.bad] == [(1, reason)]
    assert checked.point.tolist() == [0]
    assert checked.power_kw.tolist() == [10.0]


@pytest.mark.parametrize("column", ["measured_at_us", "power_kw", "soc_ratio", "quality", "energy_import_wh", "min_kw"])
def test_columns_of_unequal_length_refuse_the_frame_by_name(column):
    refused = check(**{column: ["good"] * 3 if column == "quality" else [1] * 3})
    assert isinstance(refused, Rejected)
    assert (refused.reason, column in refused.detail) == (DeadLetterReason.UNEQUAL_COLUMNS, True)


def test_a_device_clock_may_run_ahead_by_two_seconds():
    checked = check(measured_at_us=[NOW_US, NOW_US + 2_000_000])
    assert (checked.point.tolist(), checked.bad) == ([0, 1], ())


def test_what_a_gateway_kept_for_45_minutes_still_tells_its_quarter():
    checked = check(measured_at_us=[NOW_US, NOW_US - LATE_US])
    assert (checked.point.tolist(), checked.bad) == ([0, 1], ())
    assert LATE_US > BOUNDARY_GAP_US


def test_missing_values_are_missing_not_zero():
    checked = check(power_kw=[None, 5.0], energy_import_wh=[None, 7])
    assert np.isnan(checked.power_kw[0])
    assert checked.import_wh.tolist() == [-1, 7]
    assert np.isnan(checked.soc_ratio).all()
    assert checked.bad == ()


def test_a_reading_the_gateway_calls_bad_counts_as_missing_and_is_no_error():
    checked = check(quality=["good", "bad"])
    assert (checked.point.tolist(), checked.bad) == ([0], ())


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(b"1e999", id="beyond any float"),
        pytest.param(b"1" + b"0" * 309, id="of 310 digits"),
        pytest.param(b"NaN", id="no number"),
        pytest.param(b"-Infinity", id="without end"),
    ],
)
def test_a_power_that_no_float_holds_refuses_the_frame_where_it_is_decoded(number):
    refused = decode_telemetry(PAYLOAD.replace(b"1.5", number))
    assert isinstance(refused, Rejected)
    assert refused.reason in {DeadLetterReason.WRONG_SHAPE, DeadLetterReason.NOT_JSON}


@pytest.mark.parametrize("number", [b"1e308", b"1" + b"0" * 308, b"-1e308"])
def test_the_largest_powers_a_float_holds_are_absurd_and_masked(number):
    frame = decode_telemetry(PAYLOAD.replace(b"1.5", number))
    checked = check_columns(frame, points=POINTS, index=POINTS.index(), received_at_us=NOW_US)
    assert [(bad.row, bad.reason) for bad in checked.bad] == [(0, DeadLetterReason.ABSURD_VALUE)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_not_a_number_counts_as_missing_should_a_gateway_in_this_process_give_one(number):
    checked = check(power_kw=[number, 5.0], min_kw=[number, -1.0])
    assert (np.isnan(checked.power_kw).tolist(), np.isnan(checked.min_kw).tolist()) == ([True, False], [True, False])
