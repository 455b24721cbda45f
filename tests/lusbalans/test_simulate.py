"""`lusbalans simulate` from a terminal: files in, summary and trace out, exit codes, errors all at once."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.simulation.instants import as_utc, instant_us
from hub.folder import read_hub
from lusbalans.cli import main

STARTER = Path(__file__).parents[2] / "infra/hubs/starter"
NOON_US = instant_us("2026-06-21T12:00Z")
MINUTE_US = 60_000_000
FROM = ("--from", "2026-06-21T12:00Z")
HOUR = (*FROM, "--to", "2026-06-21T13:00Z", "--step", "15min")
METAL, COLD, OFFICES, GARAGE = (connection.ean for connection in read_hub(STARTER).connections)


@pytest.fixture
def hub_dir(tmp_path):
    return shutil.copytree(STARTER, tmp_path / "hub")


@pytest.fixture
def run(monkeypatch, hub_dir):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)

    def simulate(profiles, *arguments):
        words = ["simulate", hub_dir, "--profiles", profiles, *arguments]
        return CliRunner().invoke(main, [str(word) for word in words])

    return simulate


@pytest.fixture
def profiles(tmp_path):
    """Writes a file of profiles: kW by column, the same for every minute."""

    def write(columns_kw, *, minutes=60, name="profiles.csv"):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["time_utc", *columns_kw])
            rows.writerows([as_utc(NOON_US + at * MINUTE_US), *columns_kw.values()] for at in range(minutes))
        return tmp_path / name

    return write


def test_an_hour_of_quarters_becomes_a_summary_on_stdout_and_nothing_else(run, profiles):
    done = run(profiles({METAL: 60, COLD: 40, OFFICES: 20, GARAGE: 10, "pv-1": -30, "flex-1": 10}), *HOUR, "--json")
    summary = json.loads(done.stdout)
    assert (done.exit_code, done.stderr.strip()) == (0, f"no limit breached ({len(summary['limits'])} watched)")
    assert (summary["imported_kwh"], summary["exported_kwh"], summary["finished"]) == (110.0, 0.0, True)
    assert summary["not_assessed"] == ["leases", "instantaneous limits"]
    assert summary["without_profile"] == ["charger-1", "charger-2"]


def test_for_people_it_says_what_was_not_assessed_and_who_had_no_profile(run, profiles):
    done = run(profiles({METAL: 60}), *HOUR)
    assert done.exit_code == 0
    for said in ("no limit breached", "not assessed with steps of 900 s: leases, instantaneous limits", GARAGE):
        assert said in done.stdout


@pytest.mark.parametrize(
    ("period", "step"), [(HOUR[:4], "15min"), ((*FROM, "--to", "2026-06-21T12:02Z"), "1s")], ids=["quarters", "seconds"]
)
def test_compare_tells_what_would_be_with_nobody_balancing(run, profiles, period, step):
    sunny = profiles({METAL: 10, GARAGE: 5, "pv-1": -85})
    done = run(sunny, *period, "--step", step, "--compare", "--json")
    summary = json.loads(done.stdout)
    hours = 1 if step == "15min" else 2 / 60
    assert summary["unbalanced"]["exported_kwh"] == pytest.approx((85 - 15 - 6) * hours, rel=0.1)  # flex-1 takes 6 kW
    assert summary["unbalanced"]["curtailed_kwh"] < 0.1  # while the inverter ramps up, in seconds
    assert summary["unbalanced"]["charged_kwh"] == 0
    assert summary["unbalanced"]["limits_breached"] > summary["limits_breached"]
    assert summary["exported_kwh"] < 0.3
    assert summary["charged_kwh"] > 0


def test_for_people_a_comparison_is_in_words_and_says_only_what_the_steps_tell(run, profiles):
    said = run(profiles({METAL: 10, GARAGE: 5, "pv-1": -85}), *HOUR, "--compare").stdout
    assert "1 h 0 min of readings" in said
    assert "with nobody balancing: 64.0 instead of 0.0 kWh exported" in said
    for service in ("rows stored", "tick to setpoint", "no answers", "crossings"):
        assert service not in said


def test_a_breached_limit_is_exit_code_4(run, profiles):
    done = run(profiles({GARAGE: 33}), *HOUR, "--json")
    assert done.exit_code == 4
    assert f"BREACHED: {GARAGE} import per quarter" in done.stderr


def test_the_same_files_and_seed_give_the_same_bytes_in_fresh_processes(tmp_path, profiles, hub_dir):
    file = profiles({METAL: 60, GARAGE: 20, "pv-1": -80}, minutes=2)
    outputs = []
    for name in ("one.csv", "other.csv"):
        words = ["simulate", hub_dir, "--profiles", file, *FROM, "--to", "2026-06-21T12:01Z", "--json"]
        words += ["--trace", tmp_path / name, "--loss", "0.05", "--delay-ms", "80", "--seed", "5"]
        words += ["--fault", "device-ignores:bat-1@2026-06-21T12:00:20Z/20s"]
        done = subprocess.run(
            [sys.executable, "-m", "lusbalans", *map(str, words)], capture_output=True, check=True, timeout=200
        )
        outputs.append((done.stdout, (tmp_path / name).read_bytes()))
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0][0])["seed"] == 5
    assert len(outputs[0][1].splitlines()) == 61


def test_a_trace_in_parquet_holds_what_that_in_csv_holds(tmp_path, run, profiles):
    from pyarrow import parquet  # noqa: PLC0415

    file = profiles({METAL: 60, "pv-1": -30})
    assert run(file, *HOUR, "--trace", tmp_path / "t.csv").exit_code == 0
    assert run(file, *HOUR, "--trace", tmp_path / "t.parquet").exit_code == 0
    table = parquet.read_table(tmp_path / "t.parquet")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    assert table.column_names == header
    assert [as_utc(at.value) for at in table.column("time_utc")] == [row[0] for row in rows]
    assert table.column("park").to_pylist() == [float(row[1]) for row in rows]


def test_everything_that_makes_no_sense_is_told_at_once(tmp_path, run, profiles):
    sessions = tmp_path / "sessions.csv"
    sessions.write_text("charger,arrival,departure,energy_kwh,max_kw\nbat-1,2026-06-21T12:00Z,2026-06-21T13:00Z,5,11\n")
    done = run(
        profiles({METAL: -1, "pv-2": -3}), "--from", "2026-06-21T12:00", "--to", "2026-06-21T13:05Z", "--step", "15min",
        "--sessions", sessions, "--fault", "worker-gap@noon/3s",
    )  # fmt: skip
    assert (done.exit_code, done.stdout) == (2, "")
    for said in (
        "--from 2026-06-21T12:00: write an ISO 8601 time with its zone",
        "--to 2026-06-21T13:05Z: is not a whole quarter-hour",
        "fault 'worker-gap@noon/3s': wants a time with its zone",
        "--fault, --loss and --delay-ms happen within seconds: use --step 1s",
        "sessions.csv, row 2, charger: there is no 'bat-1'",
        "profiles.csv, row 1, pv-2: there is no 'pv-2' in hub my-park; did you mean 'pv-1'?",
    ):
        assert said in done.stderr


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (("--from", "2026-06-21T12:00Z", "--to", "2026-06-21T13:15Z"), "the values cover 2026-06-21T12:00:00Z to"),
        (("--from", "2026-06-21T12:30Z", "--to", "2026-06-21T12:15Z"), "is not later than --from"),
    ],
    ids=["longer than the data", "backwards"],
)
def test_a_period_that_cannot_be_is_refused(run, profiles, period, said):
    done = run(profiles({METAL: 50}), *period, "--step", "15min")
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_trace_that_cannot_be_written_is_exit_code_1_and_one_line(tmp_path, run, profiles):
    done = run(profiles({METAL: 50}), *HOUR, "--trace", tmp_path / "nowhere" / "t.csv")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_a_hub_or_file_that_is_not_there(run, profiles, tmp_path):
    assert CliRunner().invoke(main, ["simulate", "/nope", "--profiles", "x", *HOUR]).exit_code == 3
    done = run(tmp_path / "nope.csv", *HOUR)
    assert (done.exit_code, done.stderr) == (2, "nope.csv: the file is missing; check the path\n")


def test_without_pyarrow_parquet_is_refused_with_the_remedy(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run(tmp_path / "p.parquet", *HOUR)
    assert done.exit_code == 2
    assert "pip install 'lusbalans[simulate]', or use a .csv file" in done.stderr


def test_ctrl_c_gives_the_summary_of_what_was_done(profiles, hub_dir):
    file = profiles({METAL: 60, "pv-1": -80}, minutes=24 * 60)
    words = ["simulate", hub_dir, "--profiles", file, *FROM, "--to", "2026-06-22T12:00Z", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "lusbalans", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "2026-06-21T" in process.stderr.readline()  # it says how far it is
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    summary = json.loads(stdout)
    assert (process.returncode, summary["finished"]) == (0, False)
    assert NOON_US < summary["until_us"] < NOON_US + 24 * 60 * MINUTE_US
    assert summary["ticks"] == (summary["until_us"] - NOON_US) // 1_000_000


def test_for_people_crossings_and_charging_are_told_line_by_line(run, profiles, tmp_path):
    sessions = tmp_path / "sessions.csv"
    sessions.write_text(
        "charger,arrival,departure,energy_kwh,max_kw\n"
        "charger-1,2026-06-21T12:00:05Z,2026-06-21T12:00:55Z,0.1,11\n"
        "charger-2,2026-06-21T12:00:05Z,2026-06-21T12:00:55Z,5,11\n"
    )
    period = (*FROM, "--to", "2026-06-21T12:01Z")
    done = run(profiles({GARAGE: 38, METAL: 20}, minutes=2), *period, "--sessions", sessions)
    assert done.exit_code == 4
    for said in (
        "crossings of the tolerance curve: 2",
        f"2026-06-21T12:00:00Z {GARAGE} import: above 1.067 x 34.6 kW for 60 s, up to 38 kW; the run began above the limit",
        "charging: 2 sessions, 1 fully served",
    ):
        assert said in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --profiles FILE or --from-recording"),
        (("--from-recording",), "no database to read a recording from: set LUSBALANS_DATABASE_DSN"),
        (("--from-recording", "--profiles", "x.csv"), "give either --profiles FILE or --from-recording"),
    ],
    ids=["nothing to play", "no database", "both"],
)
def test_profiles_or_a_recording_but_one_of_them(hub_dir, monkeypatch, arguments, said):
    monkeypatch.delenv("LUSBALANS_DATABASE_DSN", raising=False)
    done = CliRunner().invoke(main, ["simulate", str(hub_dir), *arguments, *HOUR])
    assert (done.exit_code, done.stderr.strip()) == (2, said)


def test_a_database_that_is_not_there_is_exit_code_1_and_one_line(hub_dir):
    env = {"LUSBALANS_DATABASE_DSN": "host=127.0.0.1 port=1 dbname=nowhere"}
    done = CliRunner(env=env).invoke(main, ["simulate", str(hub_dir), "--from-recording", *HOUR])
    assert done.exit_code == 1
    assert done.stderr.startswith("the database cannot be read: ")
    assert done.stderr.count("\n") == 1
