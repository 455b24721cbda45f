"""Files of profiles: what is read, and that everything wrong is told at once with its place and a remedy."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from connectors.simulation.powers import step_means_w
from connectors.simulation.profile_file import read_table
from hub.errors import HubErrors
from tests.connectors.simulation.profile_words import MINUTE_US, NOON_US, checked, minutes, written
from tests.streams.small_park import BAKERY, FACTORY

REFUSALS = {
    "an unknown column, with the nearest": (f"time_utc,{FACTORY},roofs", ["1", "0"], "row 1, roofs: there is no 'roofs' in hub small; did you mean 'roof'?"),
    "a column twice": (f"time_utc,{FACTORY},{FACTORY}", ["1", "1"], "the column is there twice"),
    "a battery": ("time_utc,battery", ["1"], "battery: is a battery, which follows its setpoints; leave the column out"),
    "a load below zero": (f"time_utc,{BAKERY}", ["-1"], f"row 2, {BAKERY}: -1 is negative, but nothing here can produce"),
    "PV above zero": ("time_utc,roof", ["30"], "roof: 30 is positive, but PV takes no power; so are 5 more of the column; production is negative"),
    "watts": (f"time_utc,{FACTORY}", ["80000"], f"{FACTORY}: 80000 is beyond 800 kW, twice what the connection carries"),
    "an empty cell": (f"time_utc,{FACTORY},roof", ["", "0"], f"row 2, {FACTORY}: is empty; fill it in: a gap has no power"),
    "a decimal comma": (f"time_utc,{FACTORY}", ['"1,5"'], "has a decimal comma; write 1.5"),
    "not a number": (f"time_utc,{FACTORY}", ["nan"], f"row 2, {FACTORY}: nan is not a finite number"),
    "infinity": (f"time_utc,{FACTORY}", ["inf"], f"row 2, {FACTORY}: inf is not a finite number"),
    "a cell too many": (f"time_utc,{FACTORY}", ["1", "5"], "there are 3 cells under 2 columns"),
    "no time": (f"time,{FACTORY}", ["1"], "row 1, time_utc: the first column is 'time'"),
    "semicolons": (f"time_utc;{FACTORY}", ["1"], "the columns are separated by semicolons"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "cells", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_column_or_value_that_cannot_be_is_refused_with_its_place(tmp_path, header, cells, said):
    with pytest.raises(HubErrors) as refused:
        checked(written(tmp_path / "p.csv", header, minutes(6, cells=cells)))
    assert said in str(refused.value)


ROWS = minutes(6)
TIMES = {
    "without a zone": ([ROWS[0].replace("Z", ""), *ROWS[1:]], "row 2, time_utc: '2026-06-21T12:00:00' is no time that says its zone"),
    "a gap": ([*ROWS[:2], *ROWS[4:]], "row 4, time_utc: there is a gap: 2 rows are missing between"),
    "backwards": ([ROWS[0], ROWS[2], ROWS[1], *ROWS[3:]], "2026-06-21T12:01:00Z is not later than 2026-06-21T12:02:00Z"),
    "uneven": ([*ROWS[:2], ROWS[2].replace("02:00Z", "02:07Z"), *ROWS[3:]], "is not a step of 60 s like the others"),
    "a single row": (ROWS[:1], "there are fewer than two rows"),
    "too short": (ROWS[:4], "the values cover 2026-06-21T12:00:00Z to 2026-06-21T12:04:00Z"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), TIMES.values(), ids=TIMES)
def test_a_time_axis_with_holes_is_refused_with_its_row(tmp_path, rows, said):
    with pytest.raises(HubErrors) as refused:
        checked(written(tmp_path / "p.csv", f"time_utc,{FACTORY}", rows))
    assert said in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    rows = [*minutes(3, cells=("x", "1")), *minutes(2, cells=("1", "1"), at_us=NOON_US + 5 * MINUTE_US)]
    with pytest.raises(HubErrors) as refused:
        checked(written(tmp_path / "p.csv", "time_utc,baker,roof", rows))
    said = str(refused.value)
    assert [word in said for word in ("there is no 'baker'", "'x' is not a number", "gap", "PV takes no power")] == [
        True
    ] * 4


def test_the_same_powers_are_read_from_text_compressed_text_and_parquet(tmp_path):
    rows = minutes(6, cells=("80.5", "-20"))
    plain = written(tmp_path / "p.csv", f"time_utc,{FACTORY},roof", rows)
    packed = tmp_path / "p.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    at_us = pa.array([NOON_US + at * MINUTE_US for at in range(6)], pa.timestamp("us", tz="UTC"))
    columns = {"time_utc": at_us, FACTORY: [80.5] * 6, "roof": [-20] * 6}
    parquet.write_table(pa.table(columns), tmp_path / "p.parquet")
    read = [read_table(path) for path in (plain, packed, tmp_path / "p.parquet")]
    assert {table.names for table in read} == {(FACTORY, "roof")}
    for table in read[1:]:
        np.testing.assert_array_equal(table.at_us, read[0].at_us)
        np.testing.assert_array_equal(table.power_kw, read[0].power_kw)


def test_parquet_with_a_hole_or_without_a_zone_is_refused(tmp_path):
    at_us = [NOON_US + at * MINUTE_US for at in range(6)]
    for name, kind, power in (("hole", pa.timestamp("us", tz="UTC"), None), ("naive", pa.timestamp("us"), 1.0)):
        table = pa.table({"time_utc": pa.array(at_us, kind), FACTORY: pa.array([1.0, power] * 3, pa.float64())})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    with pytest.raises(HubErrors, match=r"row 2, .*: has no value in 3 rows"):
        checked(tmp_path / "hole.parquet")
    with pytest.raises(HubErrors, match="a timestamp with a time zone"):
        checked(tmp_path / "naive.parquet")


@given(
    st.lists(st.floats(-5000, 5000), min_size=3, max_size=40),
    st.sampled_from([1, 60, 300, 900, 1800]),
    st.sampled_from([1, 60, 900]),
)
def test_means_keep_the_energy_to_half_a_watt_times_a_step_however_long(powers_kw, data_s, step_s):
    count = len(powers_kw) * data_s // step_s
    if count == 0:
        return
    means_w = step_means_w(np.array(powers_kw)[:, None], np.arange(count + 1) * (step_s / data_s))
    held_kw = np.repeat(powers_kw, data_s)[: count * step_s]
    assert abs(means_w.sum() * step_s - held_kw.sum() * 1000) <= 0.51 * step_s
