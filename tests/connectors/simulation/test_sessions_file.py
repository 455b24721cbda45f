"""Files of charging sessions: read sorted, refused with row, column and remedy, all at once."""

import pytest

from connectors.simulation.sessions_file import read_sessions
from hub.errors import HubErrors
from tests.connectors.simulation.profile_words import MINUTE_US, NOON_US, written
from tests.streams.small_park import small_hub

HEADER = "charger,arrival,departure,energy_kwh,max_kw"
GOOD = "charger,2026-06-21T12:00Z,2026-06-21T13:00Z,10,11"

REFUSED = {
    "another charger": ("chargr,2026-06-21T12:00Z,2026-06-21T13:00Z,10,11", "row 2, charger: there is no 'chargr'; did you mean 'charger'?"),
    "a battery": ("battery,2026-06-21T12:00Z,2026-06-21T13:00Z,10,11", "row 2, charger: there is no 'battery'"),
    "no zone": ("charger,2026-06-21T12:00,2026-06-21T13:00Z,10,11", "row 2, arrival: '2026-06-21T12:00' is no time that says its zone"),
    "backwards": ("charger,2026-06-21T13:00Z,2026-06-21T12:00Z,10,11", "row 2, departure: is not later than the arrival"),
    "no energy": ("charger,2026-06-21T12:00Z,2026-06-21T13:00Z,0,11", "row 2, energy_kwh: 0 is too small; write more than 0"),
    "no power": ("charger,2026-06-21T12:00Z,2026-06-21T13:00Z,10,", "row 2, max_kw: is missing"),
    "two at once": (f"{GOOD}\ncharger,2026-06-21T12:59Z,2026-06-21T14:00Z,5,11", "row 3, arrival: a car arrives at charger while that of row 2 is there"),
}  # fmt: skip


def test_sessions_are_read_in_order_whatever_the_order_of_rows_and_columns(tmp_path):
    rows = ["11,5,2026-06-21T15:00Z,2026-06-21T16:00Z,charger", "22,10,2026-06-21T12:00Z,2026-06-21T13:00Z,charger"]
    path = written(tmp_path / "s.csv", "max_kw,energy_kwh,arrival,departure,charger", rows)
    first, second = read_sessions(path, small_hub())
    assert (first.arrival_us, first.energy_kwh, first.max_kw, first.row) == (NOON_US, 10.0, 22.0, 3)
    assert second.departure_us - second.arrival_us == 60 * MINUTE_US


@pytest.mark.parametrize(("row", "said"), REFUSED.values(), ids=REFUSED)
def test_a_session_that_cannot_be_is_refused_with_its_place(tmp_path, row, said):
    with pytest.raises(HubErrors) as refused:
        read_sessions(written(tmp_path / "s.csv", HEADER, [row]), small_hub())
    assert said in str(refused.value)


def test_all_errors_are_told_and_a_missing_column_or_file_too(tmp_path):
    rows = [REFUSED["another charger"][0], REFUSED["no energy"][0]]
    with pytest.raises(HubErrors) as refused:
        read_sessions(written(tmp_path / "s.csv", HEADER, rows), small_hub())
    assert len(refused.value.errors) == 2
    with pytest.raises(HubErrors, match="the columns are charger, arrival; write charger,arrival,departure"):
        read_sessions(written(tmp_path / "s.csv", "charger,arrival", []), small_hub())
    with pytest.raises(HubErrors, match="cannot be read"):
        read_sessions(tmp_path / "nowhere.csv", small_hub())
