import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from hub.folder import read_hub
from hub.model import ProfileFiles
from hub.profiles import ProfileError, Session, read_profiles

DE_KOUMEN = Path(__file__).parents[2] / "infra" / "hubs" / "de-koumen"
LOAD = "time_utc,a,b\n2016-01-01T00:00Z,1,0.5\n2016-01-01T00:15Z,1,1.5\n"
PV = "time_utc,roof\n2016-01-01T00:00Z,0\n2016-01-01T00:15Z,0.4\n"
SESSIONS = (
    "arrival_utc,departure_utc,energy_kwh\n"
    "2016-01-01T09:00:05Z,2016-01-01T17:00Z,12.5\n2016-01-01T08:00Z,2016-01-01T09:00Z,3\n"
)


@pytest.fixture
def hub(folder):
    """The starter hub with profile files of two quarters."""
    for name, text in (("load.csv", LOAD), ("pv.csv", PV), ("sessions.csv", SESSIONS)):
        (folder / name).write_text(text, encoding="utf-8")
    files = ProfileFiles(load="load.csv", pv="pv.csv", sessions="sessions.csv", sectors={"metal": "b", "office": "a"})
    return replace(read_hub(folder), profiles=files)


@pytest.fixture(scope="module")
def measured(de_koumen):
    return read_profiles(DE_KOUMEN, de_koumen)


def test_shapes_are_found_by_their_name_and_loads_by_sector(folder, hub):
    profiles = read_profiles(folder, hub)
    assert (profiles.start_us, profiles.step_us, profiles.count) == (1_451_606_400_000_000, 900_000_000, 2)
    assert profiles.load_ratio("b").tolist() == profiles.load_ratio("metal").tolist() == [0.5, 1.5]
    assert profiles.pv_kw_per_kwp("roof").tolist() == [0.0, 0.4]


def test_the_load_of_a_connection_adds_up_to_its_yearly_use(folder, hub):
    profiles = read_profiles(folder, hub)
    metal = hub.connections[0]
    assert np.sum(profiles.load_kw(metal)) * 0.25 == pytest.approx(metal.yearly_use_kwh)
    assert profiles.load_kw(replace(metal, yearly_use_kwh=None)).tolist() == [0.0, 0.0]


def test_sessions_come_in_order_of_arrival(folder, hub):
    first, second = read_profiles(folder, hub).sessions
    assert first == Session(1_451_635_200_000_000, 1_451_638_800_000_000, 3.0)
    assert second.energy_kwh == 12.5


def test_the_year_repeats_before_and_after_itself(folder, hub):
    profiles = read_profiles(folder, hub)
    instants = [profiles.start_us + at * profiles.step_us for at in (-1, 0, 1, 2, 3)]
    assert [profiles.index(at_us) for at_us in instants] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        pytest.param("load.csv", "00:15Z", "00:15", "does not say that it is UTC", id="no time zone"),
        pytest.param("load.csv", "2016-01-01T00:15Z", "2015-01-01T00:15Z", "not evenly spaced", id="going back"),
        pytest.param("load.csv", "1.5", "-1.5", "negative", id="negative"),
        pytest.param("load.csv", "1.5", "nan", "not a number", id="NaN"),
        pytest.param("load.csv", ",1.5", "", "load.csv", id="a cell too few"),
        pytest.param("load.csv", ",b", ",c", "sector 'metal' uses", id="column that a sector uses"),
        pytest.param("pv.csv", "T00", "T01", "times differ", id="other times"),
        pytest.param("pv.csv", "time_utc", "time", "wants a column time_utc", id="other header"),
        pytest.param("sessions.csv", "energy_kwh", "energy", "wants the columns", id="other session columns"),
        pytest.param("sessions.csv", "T17", "T07", "ends before it begins", id="session of no time"),
        pytest.param("sessions.csv", "12.5", "0", "takes no energy", id="session of no energy"),
    ],
)
def test_a_profile_that_is_not_what_it_should_be_is_refused(folder, hub, file, old, new, problem):  # noqa: PLR0917
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ProfileError, match=problem):
        read_profiles(folder, hub)


def test_a_broken_or_missing_file_is_named(folder, hub):
    (folder / "load.csv.gz").write_bytes(gzip.compress(LOAD.encode())[:-9])
    for name in ("load.csv.gz", "nowhere.csv"):
        with pytest.raises(ProfileError, match=name):
            read_profiles(folder, replace(hub, profiles=replace(hub.profiles, load=name)))


def test_a_park_without_profiles_cannot_be_simulated(folder, hub):
    with pytest.raises(ProfileError, match=r"no \[profiles\]"):
        read_profiles(folder, replace(hub, profiles=None))


def test_an_unknown_shape_is_named_with_those_there_are(folder, hub):
    profiles = read_profiles(folder, hub)
    with pytest.raises(ProfileError, match="there are a, b"):
        profiles.load_ratio("c")
    with pytest.raises(ProfileError, match="there are roof"):
        profiles.pv_kw_per_kwp("c")


def test_the_measured_year_is_2016_in_dutch_wall_time(measured):
    assert measured.start_us == int(datetime(2015, 12, 31, 23, tzinfo=UTC).timestamp()) * 1_000_000
    assert (measured.count, measured.step_us) == (366 * 96, 900_000_000)


def test_measured_loads_have_mean_one_and_roofs_yield_nine_hundred_hours(measured):
    assert [np.mean(load) for load in measured.load.values()] == pytest.approx([1.0] * 12, abs=1e-3)
    assert [np.sum(pv) / 4 for pv in measured.pv.values()] == pytest.approx([900.0] * 4, abs=0.5)


def test_the_measured_sun_stands_highest_around_noon_and_never_shines_at_night(measured):
    south = measured.pv_kw_per_kwp("south").reshape(366, 96)  # days begin at 23:00 UTC
    assert np.argmax(south.mean(axis=0)) in range(48, 56)  # 11:00 to 13:00 UTC
    assert np.all(south[:, :12] == 0)
    assert np.all(south[:, 92:] == 0)
