"""Every spoilt starter hub is refused, naming file, row and column, with a remedy."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import HubErrors
from hub.folder import read_hub
from hub.model import Judged, LimitLayer

TOML, CONNECTIONS, ASSETS, ENVELOPE = "hub.toml", "connections.csv", "assets.csv", "envelope.csv"


def errors_of(folder):
    with pytest.raises(HubErrors) as caught:
        read_hub(folder)
    return caught.value.errors


def assert_told(folder, place, problem, remedy):
    """One of the errors is at `place` (file, row, column) and says both."""
    errors = errors_of(folder)
    told = [e for e in errors if (e.file, e.row, e.column) == place and problem in e.problem and remedy in e.remedy]
    assert told, "\n".join(map(str, errors))


def spoil(folder, file, old, new):
    """Replace the first `old`; its line."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def with_cell(folder, file, number, column, value):
    """Write one cell of a CSV file; `number` counts as a spreadsheet does."""
    path = folder / file
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    rows[number - 1][rows[0].index(column)] = value
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")


CELLS = [
    # file, row, column, value, part of the problem, part of the remedy
    (CONNECTIONS, 2, "ean", "871000000000090015", "wrong check digit", "comes 4"),
    (CONNECTIONS, 2, "ean", "", "is missing", "fill it in"),
    (CONNECTIONS, 3, "ean", "871000000000090014", "is there already", "its own id"),
    (CONNECTIONS, 3, "company", " ", "is missing", "fill it in"),
    (CONNECTIONS, 4, "grid_loop", "lus-2", "there is no 'lus-2'", "did you mean 'lus-1'"),
    (CONNECTIONS, 4, "section", "lus-1-s9", "there is no 'lus-1-s9'", "did you mean 'lus-1-s"),
    (CONNECTIONS, 4, "micro_group", "pair-1", "crosses sections", "one per section"),
    (CONNECTIONS, 4, "micro_group", "lus-1-s1", "is there already", "its own id"),
    (CONNECTIONS, 2, "member", "maybe", "neither yes nor no", "yes or no"),
    (CONNECTIONS, 5, "capacity_a", "0", "too small", "more than 0"),
    (CONNECTIONS, 5, "capacity_kva", "150", "not what 50 A carry", "0.693 kVA per ampere"),
    (CONNECTIONS, 5, "contract_import_kw", "35", "above the physical capacity", "compare"),
    (CONNECTIONS, 5, "contract_export_kw", "35", "above the physical capacity", "compare"),
    (CONNECTIONS, 5, "contract_import_kw", "-1", "too small", "0 or more"),
    (CONNECTIONS, 5, "contract_import_kw", "nan", "not a finite number", "write a number"),
    (CONNECTIONS, 5, "contract_import_kw", "12,5", "decimal comma", "write 12.5"),
    (CONNECTIONS, 5, "roof_area_m2", "big", "not a number", "write a number"),
    (ASSETS, 2, "id", "lus-1", "is there already", "its own id"),
    (ASSETS, 3, "id", "pv-1", "is there already: assets.csv row 2", "its own id"),
    (ASSETS, 3, "id", "park", "is there already", "its own id"),
    (ASSETS, 2, "ean", "871000000000000013", "no connection 871000000000000013", "add the connection"),
    (ASSETS, 2, "ean", "871000000000090045", "not a member", "make the connection a member"),
    (ASSETS, 2, "kind", "solar", "not known", "pv"),
    (ASSETS, 2, "rated_kw", "80", "below the range", "largest absolute power"),
    (ASSETS, 2, "max_kw", "5", "does not consume", "negative"),
    (ENVELOPE, 2, "node", "871000000000090015", "there is no", "did you mean"),
    (ENVELOPE, 3, "node", "871000000000090014", "stated already", "remove one"),
    (ENVELOPE, 2, "min_kw", "106", "above max_kw 105", "swap them"),
    (ENVELOPE, 2, "max_kw", "nan", "not a finite number", "a number"),
    (ENVELOPE, 2, "source", "", "is missing", "fill it in"),
    (ENVELOPE, 2, "stated_on", "24-11-2026", "not a day", "2027-12-31"),
    (ASSETS, 2, "reversion_tested", "yes", "not a day", "2027-12-31"),
    (ASSETS, 2, "reversion_kw", "-95", "outside the range", "lease ends"),
    (ASSETS, 2, "ramp_kw_per_s", "", "needs a ramp", "kW per second"),
    (ASSETS, 2, "driver", "", "needs a driver", "simulator"),
    (ASSETS, 3, "energy_kwh", "", "needs its usable energy", "kWh"),
    (ASSETS, 3, "efficiency_ratio", "", "one-way efficiency", "0.95"),
    (ASSETS, 3, "efficiency_ratio", "95", "too large", "1 at most"),
    (ASSETS, 3, "min_kw", "10", "cannot rest", "negative in min_kw"),
    (ASSETS, 3, "min_on_kw", "5", "has no least power", "leave it empty"),
    (ASSETS, 3, "weight", "0", "too small", "more than 0"),
    (ASSETS, 4, "min_kw", "30", "above max_kw", "swap"),
    (ASSETS, 4, "min_kw", "2", "without a car", "min_on_kw"),
    (ASSETS, 4, "min_on_kw", "23", "could never be on", "4.14"),
    (ASSETS, 4, "step_kw", "30", "above rated_kw", "least change"),
    (ASSETS, 4, "reversion_kw", "2", "below min_on_kw", "0, or 4.14"),
    (ASSETS, 4, "order_down", "1.5", "not a whole number", "whole"),
    (ASSETS, 4, "order_up", "-1", "too small", "0 or more"),
    (ASSETS, 6, "min_kw", "-6", "does not produce", "positive"),
]


@pytest.mark.parametrize("case", CELLS, ids=[f"{c[0]}-{c[1]}-{c[2]}-{c[3] or 'empty'}" for c in CELLS])
def test_a_spoilt_cell_is_refused_where_it_stands(folder, case):
    file, row, column, value, problem, remedy = case
    with_cell(folder, file, row, column, value)
    assert_told(folder, (file, row, column), problem, remedy)


LINES = [
    # line that is spoilt, what it becomes, dotted column, part of the problem, part of the remedy
    ('id = "my-park"', 'id = "my/park"', "hub.id", "not an id", "letters, digits"),
    ('id = "my-park"', "id = 7", "hub.id", "not a text", "quotes"),
    ('timezone = "Europe/Amsterdam"', 'timezone = "Europe/Heerlen"', "hub.timezone", "no time zone", "IANA"),
    ('station = "Station"', 'statoin = "Station"', "hub.statoin", "there is no 'statoin'", "did you mean 'station'"),
    ("tick_s = 1", "tick_s = 0", "timing.tick_s", "too small", "more than 0"),
    ("stale_after_s = 5", "stale_after_s = 1", "timing.stale_after_s", "every reading would be stale", "a few"),
    ("setpoint_valid_s = 10", "setpoint_valid_s = 1", "timing.setpoint_valid_s", "would end before", "a few ticks"),
    ("device_lease_s = 15", "device_lease_s = 0.5", "timing.device_lease_s", "would end before", "a few ticks"),
    ("budget_lease_s = 10", "budget_lease_s = 1", "timing.budget_lease_s", "would end before", "a few ticks"),
    ("budget_lease_s = 10", "budget_lease_s = nan", "timing.budget_lease_s", "not a finite number", "a number"),
    ("[margin]", "[margins]", "margins", "there is no 'margins'", "did you mean 'margin'"),
    ("import_kw = 10", "import_kw = -10", "margin.import_kw", "too small", "0 or more"),
    ("actuator_s = 2", "actuator_s = 0", "timing.actuator_s", "too small", "more than 0"),
    ("per_s = 0.02", "per_s = 2", "margin.cloud_ramp_ratio_per_s", "too large", "1 at most"),
    ("[[steps]]", "[steps]", "steps", "not a list of tables", "[[steps]]"),
    ("open_after = 1", "open_after = 3", "grid_loops.open_after", "more than the 2 sections", "0 to 2"),
    ("open_after = 1", "open_after = 1.5", "grid_loops.open_after", "not a whole number", "whole"),
    ("fallback_max_kw = 280", "fallback_max_kw = 301", "grid_loops.fallback_max_kw", "sum up to 301 kW", "closer to 0"),
    ("fallback_min_kw = 20", "fallback_min_kw = -1", "grid_loops.fallback_min_kw", "sum up to 1 kW", "closer to 0"),
    ("fallback_min_kw = 20", "fallback_min_kw = 281", "grid_loops.fallback_min_kw", "above fallback_max_kw", "swap"),
    (
        '{ id = "lus-1-s2", import_kw = 3600',
        '{ id = "lus-1-s2", import_kw = -1',
        "grid_loops.sections.import_kw",
        "too small",
        "0",
    ),
    ('{ id = "lus-1-s2"', '{ id = "lus-1-s1"', "grid_loops.sections.id", "is there already", "its own id"),
    ('node = "group"', 'node = "groep"', "limits.node", "there is no 'groep'", "did you mean 'group'"),
    ('judged = "instant"', 'judged = "hour"', "limits.judged", "not known", "instant, quarter"),
    ('layer = "contract"', 'layer = "gto"', "limits.layer", "not known", "protection, dso_cap"),
    ("import_kw = 330", "import_kw = inf", "limits.import_kw", "not a finite number", "a number"),
]


@pytest.mark.parametrize("case", LINES, ids=[f"{c[2]}-{c[1]}" for c in LINES])
def test_a_spoilt_line_is_refused_where_it_stands(folder, case):
    old, new, column, problem, remedy = case
    line = spoil(folder, TOML, old, new)
    assert_told(folder, (TOML, line, column), problem, remedy)


ADDED = [
    # line, what is added below it, dotted column, lines further down, part of the problem, part of the remedy
    ("per_s = 0.02", 'until = "31-12-2027"', "margin.until", 1, "not a day", "2027-12-31"),
    ("per_s = 0.02", "until = 2027-12-31", "margin.accepted_by", -4, "one of the two", "both"),
    ("per_s = 0.02", 'accepted_by = "me"', "margin.accepted_by", 1, "one of the two", "both"),
    (
        "per_s = 0.02",
        '[[accepted]]\nnode = "parc"\naccepted_by = "me"\nuntil = 2027-12-31',
        "accepted.node",
        2,
        "there is no 'parc'",
        "'park'",
    ),
    (
        "open_after = 1",
        'positions = [\n  { open_after = 1, import_kw = 100, source = "x" },\n]',
        "grid_loops.positions.import_kw",
        2,
        "below the loop's fallback share of 280",
        "bring fallback_max_kw closer",
    ),
    (
        "open_after = 1",
        'positions = [\n  { open_after = 3, source = "x" },\n]',
        "grid_loops.positions.open_after",
        2,
        "more than the 2 sections",
        "0 to 2",
    ),
    (
        "open_after = 1",
        'positions = [\n  { open_after = 1, source = "x" },\n  { open_after = 2, import_kw = 9, source = "x" },\n]',
        "grid_loops.positions.export_kw",
        3,
        "one feeder without a limit",
        "grid operator",
    ),
    (
        "open_after = 1",
        'positions = [{ open_after = 0, import_kw = 9, export_kw = 9, source = "x" }]',
        "grid_loops.open_after",
        0,
        "none of the positions",
        "add { open_after = 1",
    ),
    ("[[steps]]", 'node = "parc"\nsource = "x"\n[[steps]]', "steps.node", 1, "there is no 'parc'", "'park'"),
    ("[[steps]]", 'node = "park"\nsource = "x"\n[[steps]]', "steps.node", 4, "stated already", "remove one"),
]


@pytest.mark.parametrize("case", ADDED, ids=[f"{c[2]}-{c[1]}" for c in ADDED])
def test_an_added_line_is_refused_where_it_stands(folder, case):
    old, added, column, further, problem, remedy = case
    line = spoil(folder, TOML, old, f"{old}  #\n{added}")
    assert_told(folder, (TOML, line + further, column), problem, remedy)


def test_a_limit_stated_twice_is_refused_at_the_second(folder):
    line = spoil(folder, TOML, 'judged = "instant"', 'judged = "quarter"')
    assert_told(folder, (TOML, line - 2, "limits.node"), "stated already in line", "remove one")


def test_a_limit_that_limits_nothing_is_refused_at_its_table(folder):
    line = spoil(folder, TOML, "import_kw = 280\n", "")
    assert_told(folder, (TOML, line - 4, "limits.import_kw"), "limits nothing", "or remove it")


def test_a_controllable_asset_of_a_company_that_is_no_member_is_refused(folder):
    with_cell(folder, CONNECTIONS, 2, "member", "no")
    assert_told(folder, (ASSETS, 2, "ean"), "a pv of a connection that is not a member", "make the connection a member")


FILES = [
    # file, change to its text, row, part of the problem, part of the remedy
    (CONNECTIONS, lambda t: t.replace(",", ";"), 1, "separated by semicolons", "separated by commas"),
    (ASSETS, lambda t: t.replace(",", "\t"), 1, "separated by tabs", "separated by commas"),
    (CONNECTIONS, lambda _: "", 1, "is empty", "ean,company"),
    (ASSETS, lambda t: t.replace("-90,0,", "-90,5,0,"), 2, "19 cells under 18 columns", "decimal point"),
    (ASSETS, lambda t: t.replace(",simulator,pv-1", ""), 2, "16 cells under 18 columns", "after 'driver'"),
    (ASSETS, lambda t: t.replace("rated_kw", "rated_power_kw"), 1, "there is no 'rated_power_kw'", "'rated_kw'"),
    (ASSETS, lambda t: t.replace(",max_kw,", ",min_kw,"), 1, "is there twice", "remove one"),
    (CONNECTIONS, lambda t: t.replace("member", "lid"), 1, "the column is missing", "add it"),
    (CONNECTIONS, lambda t: t.replace('"Offices', '"Offices"x'), None, "not comma-separated text", "save it as"),
    (TOML, lambda t: t.replace("[hub]", "[hub"), 11, "is not TOML", "hub init"),
    (TOML, lambda t: t.replace("[timing]", "[[timing]]"), None, "is not a table", "[timing]"),
    (TOML, lambda t: t.replace('node = "park"', 'node = "lus-1"'), None, "the park has no such limit", "[[limits]]"),
    (TOML, lambda t: t[: t.index("[[grid_loops]]")], None, "there is none", "[[grid_loops]]"),
]


@pytest.mark.parametrize("case", FILES, ids=[case[3] for case in FILES])
def test_a_spoilt_file_is_refused_with_the_way_out(folder, case):
    file, change, row, problem, remedy = case
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(change(text), encoding="utf-8")
    errors = errors_of(folder)
    told = [e for e in errors if e.file == file and problem in e.problem and remedy in e.remedy]
    assert told, "\n".join(map(str, errors))
    assert row is None or told[0].row == row


@pytest.mark.parametrize("file", [TOML, CONNECTIONS, ASSETS])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    assert [(e.file, e.problem) for e in errors_of(folder)] == [(file, "the file is missing")]


@pytest.mark.parametrize("file", [TOML, CONNECTIONS, ASSETS])
def test_a_file_that_is_not_utf8_is_refused_with_its_row(folder, file):
    path = folder / file
    path.write_bytes(path.read_bytes() + b"\xe9\n")
    (error,) = errors_of(folder)
    assert (error.file, error.problem) == (file, "is not UTF-8")
    assert error.row == path.read_bytes().count(b"\n")


@pytest.mark.parametrize("file", [TOML, CONNECTIONS, ASSETS])
def test_a_byte_order_mark_and_windows_lines_are_accepted(folder, file):
    path = folder / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_hub(folder).assets) == 5


def test_all_errors_of_all_files_are_told_at_once_in_order(folder):
    with_cell(folder, ASSETS, 4, "min_on_kw", "23")
    with_cell(folder, ASSETS, 2, "ean", "871000000000000013")
    with_cell(folder, CONNECTIONS, 5, "contract_import_kw", "35")
    line = spoil(folder, TOML, "tick_s = 1", "tick_s = -1")
    errors = errors_of(folder)
    assert [(e.file, e.row) for e in errors] == [(ASSETS, 2), (ASSETS, 4), (CONNECTIONS, 5), (TOML, line)]
    assert len(str(HubErrors(errors)).splitlines()) == 4


def test_one_slip_in_an_ean_is_not_reported_again_at_its_assets(folder):
    for file in (CONNECTIONS, ASSETS, ENVELOPE):
        path = folder / file
        path.write_text(path.read_text(encoding="utf-8").replace("871000000000090014", "871000000000090019"))
    assert {e.problem for e in errors_of(folder)} == {"871000000000090019 has a wrong check digit"}


def test_a_sector_without_a_profile_is_refused_where_profiles_are_given(folder):
    path = folder / TOML
    path.write_text(path.read_text().replace("# [", "[").replace("# load", "load").replace("# pv", "pv")
                    .replace("# sessions", "sessions").replace("# metal", "metal"))  # fmt: skip
    errors = errors_of(folder)
    assert {(e.row, e.column) for e in errors if e.file == CONNECTIONS} == {(3, "sector"), (4, "sector"), (5, "sector")}
    assert {e.column for e in errors if e.file == TOML} == {"profiles.load", "profiles.pv", "profiles.sessions"}


def test_limits_of_sections_and_connections_follow_from_their_rows(folder):
    hub = read_hub(folder)
    of_garage = {(li.layer, li.judged, li.import_kw, li.export_kw) for li in hub.limits if li.node.endswith("90045")}
    assert of_garage == {
        (LimitLayer.PROTECTION, Judged.INSTANT, 34.6, 34.6),
        (LimitLayer.CONTRACT, Judged.QUARTER, 30.0, 0.0),
    }
    assert [li.import_kw for li in hub.limits if li.node == "lus-1-s2"] == [3600.0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from([TOML, CONNECTIONS, ASSETS]),
    at=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 12),
    junk=st.binary(max_size=6),
)
def test_whatever_is_done_to_a_file_it_is_read_or_refused(folder, file, at, length, junk):
    path = folder / file
    intact = path.read_bytes()
    start = int(at * len(intact))
    path.write_bytes(intact[:start] + junk + intact[start + length :])
    try:
        read_hub(folder)
    except HubErrors as errors:
        assert all(e.problem and e.remedy for e in errors.errors)  # noqa: PT017  (either is fine)
        assert len(str(errors).splitlines()) == len(errors.errors)  # noqa: PT017
    finally:
        path.write_bytes(intact)
