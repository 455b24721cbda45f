"""What cannot be a limit is refused before it counts, with the remedy (R14)."""

from dataclasses import replace
from datetime import date

import pytest

from hub.limit_checks import MOST_BLOCKS, check_limit
from hub.limits import Effect, Reference, StatedLimit
from hub.model import Judged, LimitLayer
from hub.time_blocks import TimeBlock

BLOCK = TimeBlock(import_kw=245.0, export_kw=None)
LIMIT = StatedLimit(
    node="lus-1", id="cap-1", layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT, blocks=(BLOCK,), from_us=1_000,
    until_us=None, who="els", why="works on the cable", source="letter 12",
)  # fmt: skip
CONTRACT = {"layer": LimitLayer.CONTRACT, "judged": Judged.QUARTER, "effect": Effect.RIGHT}


def problems(limit, hub, tree):
    return "; ".join(check_limit(limit, hub, tree))


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(LIMIT, id="a cap"),
        pytest.param(replace(LIMIT, node="lus-1-s2", reference=Reference.RING), id="along the ring"),
        pytest.param(replace(LIMIT, blocks=(replace(BLOCK, import_kw=0.0),)), id="nothing at all may pass"),
        pytest.param(replace(LIMIT, node="group", **CONTRACT), id="a right on top of the group's contract"),
    ],
)
def test_a_sound_limit_has_no_problems(limit, de_koumen, de_koumen_tree):
    assert problems(limit, de_koumen, de_koumen_tree) == ""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(replace(LIMIT, node="lus1"), "did you mean lus-1", id="a node that is not there"),
        pytest.param(replace(LIMIT, node="?"), "hub show", id="nothing like it"),
        pytest.param(replace(LIMIT, reference=Reference.RING), "no section", id="the ring's direction of a loop"),
        pytest.param(replace(LIMIT, id="a/b"), "id 'a/b'", id="an id that breaks keys"),
        pytest.param(replace(LIMIT, id=""), "id ''", id="no id"),
        pytest.param(replace(LIMIT, why=" "), "why must", id="no reason"),
        pytest.param(replace(LIMIT, who="x" * 201), "who must", id="too long a name"),
        pytest.param(replace(LIMIT, until_us=1_000), "later than from", id="it ends before it begins"),
        pytest.param(replace(LIMIT, from_us=-1), "1970", id="before 1970"),
        pytest.param(replace(LIMIT, until_us=2**60), "2100", id="nanoseconds"),
        pytest.param(replace(LIMIT, blocks=()), "1 to 96 blocks", id="no block"),
        pytest.param(replace(LIMIT, blocks=(BLOCK,) * (MOST_BLOCKS + 1)), "there are 97", id="too many"),
        pytest.param(replace(LIMIT, effect=Effect.RIGHT), "layer contract", id="a right of the grid operator"),
        pytest.param(replace(LIMIT, **CONTRACT), "no contract for import", id="nothing to add a right to"),
    ],
)
def test_r14_a_limit_that_means_nothing_says_why(limit, expected, de_koumen, de_koumen_tree):
    assert expected in problems(limit, de_koumen, de_koumen_tree)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"import_kw": None}, "at least one"),
        ({"import_kw": -1.0}, "kW must be"),
        ({"import_kw": float("nan")}, "kW must be"),
        ({"import_kw": float("inf")}, "kW must be"),
        ({"export_kw": 1e8}, "kW must be"),
        ({"begins_minute": 1440}, "a block begins"),
        ({"ends_minute": 0}, "a block begins"),
        ({"weekdays": frozenset()}, "weekdays"),
        ({"weekdays": frozenset({0})}, "weekdays"),
        ({"season": ((2, 30), (3, 1))}, "season"),
        ({"first_day": date(2026, 2, 1), "last_day": date(2026, 1, 1)}, "last effective day"),
    ],
)
def test_r14_a_block_that_means_nothing_says_why(block, expected, de_koumen, de_koumen_tree):
    spoilt = replace(LIMIT, blocks=(BLOCK, replace(BLOCK, **block)))
    assert problems(spoilt, de_koumen, de_koumen_tree).startswith("block 2: ")
    assert expected in problems(spoilt, de_koumen, de_koumen_tree)
