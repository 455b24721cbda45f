"""The reference tells every column there is, with the unit that its name says, and no other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hub import model, schema

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "hub-folder.md"
UNITS = {"kw": "kW", "kva": "kVA", "kwh": "kWh", "a": "A", "m2": "m2", "s": "s", "kw_per_s": "kW/s", "per_s": "1/s"}

TABLES = [
    pytest.param("connections.csv", schema.CONNECTIONS, model.Connection, (), id="connections"),
    pytest.param("assets.csv", schema.ASSETS, model.Asset, (), id="assets"),
    pytest.param("envelope.csv", schema.ENVELOPE, model.Envelope, (), id="envelope"),
    pytest.param("`[[accepted]]`", schema.ACCEPTED, model.Accepted, (), id="accepted"),
    pytest.param("`[timing]`", schema.TIMING, model.Timing, (), id="timing"),
    pytest.param("`[margin]`", schema.MARGIN, model.Margin, (), id="margin"),
    pytest.param("`[[steps]]`", schema.STEPS, model.Step, (), id="steps"),
    pytest.param("`[[grid_loops]]`", schema.GRID_LOOPS, model.GridLoop, ("sections", "positions"), id="grid_loops"),
    pytest.param("`grid_loops.positions`", schema.POSITIONS, model.Position, (), id="positions"),
    pytest.param("`grid_loops.sections`", schema.SECTIONS, model.Section, (), id="sections"),
    pytest.param("`[[limits]]`", schema.LIMITS, model.NodeLimit, (), id="limits"),
    pytest.param("`[profiles]`", schema.PROFILES, model.ProfileFiles, ("sectors",), id="profiles"),
]


def documented(title):
    """Name and unit of each row of the table below a title."""
    _, _, below = DOCUMENT.read_text(encoding="utf-8").partition(f"# {title}\n")
    section = re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ?([^|]*?) ?\|", section, flags=re.MULTILINE))


@pytest.mark.parametrize(("title", "columns", "kind", "also"), TABLES)
def test_the_reference_names_the_columns_of_the_schema(title, columns, kind, also):
    assert list(documented(title)) == [*(column.name for column in columns), *also]


@pytest.mark.parametrize(("title", "columns", "kind", "also"), TABLES)
def test_a_column_is_a_field_of_the_model(title, columns, kind, also):
    assert {column.name for column in columns} | set(also) == {field.name for field in fields(kind)}


@pytest.mark.parametrize("title", [table.values[0] for table in TABLES])
def test_the_unit_in_the_reference_is_the_last_token_of_the_name(title):
    for name, unit in documented(title).items():
        ending = next((end for end in sorted(UNITS, key=len, reverse=True) if name.endswith(f"_{end}")), None)
        assert unit == UNITS.get(ending, ""), name
