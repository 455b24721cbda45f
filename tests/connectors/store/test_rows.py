"""Messages to rows."""

import msgspec
import numpy as np
import pytest

from connectors.store.registry import Interner
from connectors.store.rows import (
    MAX_AGE_US,
    MAX_NAME_CHARS,
    MAX_REGISTER_WH,
    result_rows,
    setpoint_rows,
    state_rows,
    telemetry_rows,
)
from connectors.store.tables import LOOP_STATE, MISSING, SETPOINT, SETPOINT_RESULT, TELEMETRY
from streams.codec import Rejected
from streams.messages import DeadLetterReason
from tests.connectors.store.messages import SECOND_US, START_US, frame, result, setpoint, state

DAY_US = 86_400 * SECOND_US


def codes():
    return Interner[str]().code


def test_missing_values_and_absent_columns_become_nulls():
    rows, skipped = telemetry_rows(frame(0, {"a": 7, "b": None}, soc_ratio=[0.5, None]), codes())
    assert skipped == 0
    assert rows["energy_import_wh"].tolist() == [7, MISSING]
    assert np.isnan(rows["soc_ratio"]).tolist() == [False, True]
    assert np.isnan(rows["min_kw"]).all()


@pytest.mark.parametrize(
    ("rows", "table"),
    [
        pytest.param(telemetry_rows(frame(0, {"a": 1}), codes()), TELEMETRY, id="telemetry"),
        pytest.param(state_rows(state(0), codes(), codes()), LOOP_STATE, id="loop state"),
        pytest.param(setpoint_rows(setpoint(1), codes(), codes()), SETPOINT, id="setpoint"),
        pytest.param(result_rows(result(1), codes(), codes()), SETPOINT_RESULT, id="setpoint result"),
    ],
)
def test_rows_have_the_columns_of_their_table(rows, table):
    assert set(rows[0]) == {column.name for column in table.columns}


def test_words_of_quality_become_the_documented_codes():
    given = frame(0, dict.fromkeys("abcde", 1), quality=["good", "estimated", "bad", "other", "brand new"])
    assert telemetry_rows(given, codes())[0]["quality"].tolist() == [0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"power_kw": [1.0]}, DeadLetterReason.UNEQUAL_COLUMNS, id="power short"),
        pytest.param({"measured_at_us": []}, DeadLetterReason.UNEQUAL_COLUMNS, id="no instants"),
        pytest.param({"quality": ["good"]}, DeadLetterReason.UNEQUAL_COLUMNS, id="quality short"),
        pytest.param({"energy_import_wh": [1, 2**63]}, DeadLetterReason.ABSURD_VALUE, id="register over 64 bits"),
    ],
)
def test_telemetry_that_does_not_fit_the_tables_is_rejected_whole(changes, reason):
    rejected = telemetry_rows(msgspec.structs.replace(frame(0, {"a": 1, "b": 2}), **changes), codes())
    assert isinstance(rejected, Rejected)
    assert rejected.reason is reason


@pytest.mark.parametrize(
    ("name", "behind_us", "kept"),
    [
        pytest.param("a", 0, True, id="now"),
        pytest.param("a", 300 * DAY_US, True, id="delivered late"),
        pytest.param("a", MAX_AGE_US + 1, False, id="too late to be true"),
        pytest.param("a", -60 * SECOND_US, True, id="a minute ahead"),
        pytest.param("a", -DAY_US, False, id="a day ahead"),
        pytest.param("a", START_US, False, id="clock at 1970"),
        pytest.param("a\0b", 0, False, id="name with NUL"),
        pytest.param("a" * (MAX_NAME_CHARS + 1), 0, False, id="name too long"),
    ],
)
def test_reading_without_a_usable_name_or_instant_is_left_out_and_counted(name, behind_us, kept):
    given = msgspec.structs.replace(frame(0, {name: 1, "b": 2}), measured_at_us=[START_US - behind_us, START_US])
    rows, skipped = telemetry_rows(given, codes())
    assert (len(rows["point_id"]), skipped) == ((2, 0) if kept else (1, 1))


@pytest.mark.parametrize("register_wh", [-1, MAX_REGISTER_WH + 1], ids=["negative", "beyond any meter"])
def test_register_that_no_meter_can_show_is_null_and_counted(register_wh):
    given = msgspec.structs.replace(frame(0, {"a": 0, "b": 4}), energy_import_wh=[register_wh, 4])
    rows, skipped = telemetry_rows(given, codes())
    assert (rows["energy_import_wh"].tolist(), rows["energy_export_wh"].tolist(), skipped) == ([MISSING, 4], [0, 2], 1)


def test_renewal_has_no_rows():
    renewal = msgspec.structs.replace(setpoint(2), full=False, ids=[], power_kw=[], bound=[], reason=[], binding=[])
    rows, skipped = setpoint_rows(renewal, codes(), codes())
    assert (len(rows["point_id"]), skipped) == (0, 0)


@pytest.mark.parametrize("changes", [{"sequence": 2**64}, {"issued_at_us": 0}, {"ids": ["x", "y"]}], ids=str)
def test_setpoint_frame_that_does_not_fit_the_tables_is_rejected(changes):
    assert isinstance(setpoint_rows(msgspec.structs.replace(setpoint(1), **changes), codes(), codes()), Rejected)


def test_result_for_a_whole_frame_is_a_row_of_its_grid_loop():
    point = codes()
    rows, _ = result_rows(result(1), point, codes())
    assert rows["point_id"].tolist() == rows["grid_loop_id"].tolist() == [point("lus-1")]
    rows, _ = result_rows(result(1, ids=["x", "y"]), point, codes())
    assert rows["point_id"].tolist() == [point("x"), point("y")]
