"""The starter park with every computer off: its envelope is 52 to 248 kW, its devices fall back to -9 to 15 kW."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.envelope import (
    device_ranges,
    envelope_ranges,
    excesses,
    excesses_anywhere,
    fallback_shortfall_kw,
    refused,
    reversion_range,
    unavoidable_range,
    undeclared,
)
from hub.folder import read_hub
from hub.model import GROUP, PARK, Accepted, Envelope, NodeKind, Position
from hub.tree import build_tree

STARTER = read_hub(Path(__file__).parents[2] / "infra" / "hubs" / "starter")
TREE = build_tree(STARTER)
TODAY, YESTERDAY = date(2026, 11, 24), date(2026, 11, 23)
METAL, COLD_STORE, OFFICES = "871000000000090014", "871000000000090021", "871000000000090038"
ASSETS = {asset.id: asset for asset in STARTER.assets}


def envelope(node, min_kw, max_kw):
    return Envelope(node=node, min_kw=min_kw, max_kw=max_kw, source="invented", stated_on=TODAY)


def with_envelope(*stated):
    """The starter hub with these in place of its own for the same nodes."""
    nodes = {one.node for one in stated}
    return replace(STARTER, envelope=(*stated, *(one for one in STARTER.envelope if one.node not in nodes)))


def with_asset(name, **changed):
    assets = (replace(asset, **changed) if asset.id == name else asset for asset in STARTER.assets)
    return replace(STARTER, assets=tuple(assets))


def accepted(node, kw, *, until=TODAY):
    return Accepted(node=node, import_kw=kw, export_kw=None, accepted_by="A. Jansen", until=until)


def found(hub):
    """Every excess as node, direction, residual and reversion, in kW."""
    return [
        (one.node, "import" if one.imports else "export", round(one.residual_kw, 6), round(one.reversion_kw, 6))
        for one in excesses(hub, build_tree(hub), TODAY)
    ]


RANGES = [
    pytest.param("pv-1", {}, (-9, 0), id="a roof produces at most its reversion value"),
    pytest.param("bat-1", {}, (0, 0), id="a battery rests"),
    pytest.param("bat-1", {"reversion_kw": -5.0}, (-5, 0), id="a battery that discharges may be empty"),
    pytest.param("flex-1", {}, (6, 15), id="a load takes at most its reversion value"),
    pytest.param("charger-1", {}, (0, 0), id="a charger stops"),
    pytest.param("charger-1", {"reversion_kw": 4.14}, (0, 4.14), id="a charger without a car takes nothing"),
    pytest.param("pv-1", {"reversion_tested": None}, (-90, 0), id="an untested roof"),
    pytest.param("bat-1", {"reversion_tested": None}, (-50, 50), id="an untested battery"),
    pytest.param("charger-1", {"reversion_tested": None}, (0, 22), id="an untested charger"),
]


@pytest.mark.parametrize(("name", "changed", "expected"), RANGES)
def test_a_device_falls_back_to_its_reversion_value_or_less_and_untested_to_its_worst(name, changed, expected):
    assert reversion_range(replace(ASSETS[name], **changed)) == expected


def test_ranges_add_up_from_connections_to_the_park():
    assert envelope_ranges(STARTER, TREE)[PARK] == (52, 248)
    assert device_ranges(TREE, reversion_range)[PARK] == (-3, 15)
    assert device_ranges(TREE, unavoidable_range)[PARK] == (6, 6)


def test_a_connection_without_an_envelope_counts_at_its_contracts():
    bare = replace(STARTER, envelope=())
    assert envelope_ranges(bare, TREE)[METAL] == (-90, 120)
    assert undeclared(bare, TREE) == tuple(c.ean for c in STARTER.connections)
    assert undeclared(replace(bare, envelope=(envelope("lus-1-s1", 0, 9),)), TREE) == (OFFICES, "871000000000090045")


def test_the_starter_is_safe_with_every_computer_off():
    assert found(STARTER) == []
    assert undeclared(STARTER, TREE) == ()


WRONG = [
    pytest.param(with_envelope(envelope(PARK, 52, 310)), [(PARK, "import", 16, 9)], id="park envelope above its limit"),
    pytest.param(with_envelope(envelope(PARK, 2, 248)), [(PARK, "export", 0, 1)], id="roofs export a quiet park"),
    pytest.param(
        with_envelope(envelope(PARK, -8, 248)), [(PARK, "export", 2, 9)], id="uncontrolled generation exports"
    ),
    pytest.param(with_envelope(envelope(GROUP, 20, 270)), [(GROUP, "import", 0, 5)], id="the group's contract"),
    pytest.param(
        with_envelope(envelope(OFFICES, 0, 60)), [(OFFICES, "import", 10, 0)], id="a company above its contract"
    ),
    pytest.param(
        with_asset("bat-1", reversion_tested=None),
        [(PARK, "import", 0, 13), (PARK, "export", 0, 1), (GROUP, "import", 0, 33), (COLD_STORE, "import", 0, 45)],
        id="an untested battery",
    ),
    pytest.param(
        with_asset("pv-1", reversion_kw=-90.0),
        [(PARK, "export", 0, 32)],
        id="a roof that falls back to full power",
    ),
]


@pytest.mark.parametrize(("hub", "expected"), WRONG)
def test_R4_a_park_that_is_unsafe_with_every_computer_off_is_named_with_node_and_kw(hub, expected):  # noqa: N802
    assert found(hub) == expected


OVER = with_envelope(envelope(OFFICES, 0, 60))
ACCEPTED = [
    pytest.param((), True, id="nobody"),
    pytest.param((accepted(OFFICES, 10),), False, id="stated and signed for"),
    pytest.param((accepted(OFFICES, 9),), True, id="for less than it is"),
    pytest.param((accepted(OFFICES, 10, until=YESTERDAY),), True, id="no longer"),
    pytest.param((accepted(METAL, 10),), True, id="for another node"),
]


@pytest.mark.parametrize(("signed", "refused"), ACCEPTED)
def test_R4_a_residual_needs_its_kw_a_name_and_a_day(signed, refused):  # noqa: N802
    hub = replace(OVER, accepted=signed)
    (excess,) = excesses(hub, TREE, TODAY)
    assert excess.refused is refused
    assert str(excess).startswith(f"{OFFICES}: with every computer off, import exceeds 50 kW by 10 kW")


def test_R4_reversion_that_adds_to_a_breach_is_refused_whoever_accepts_it():  # noqa: N802
    hub = replace(with_envelope(envelope(PARK, 52, 310)), accepted=(accepted(PARK, 1000),))
    (excess,) = excesses(hub, TREE, TODAY)
    assert excess.refused
    assert "by 9 kW through devices that fall back" in str(excess)


@given(st.floats(0, 400), st.floats(0, 100))
def test_a_wider_envelope_never_exceeds_less(max_kw, more_kw):
    narrow, wide = (found(with_envelope(envelope(METAL, 25, kw))) for kw in (max_kw, max_kw + more_kw))
    over = {(node, way): residual + reversion for node, way, residual, reversion in wide}
    assert all(over[node, way] >= residual + reversion - 1e-5 for node, way, residual, reversion in narrow)


FALLBACK = [
    # fallback_min_kw, fallback_max_kw, shortfall of import and export: limits 300 and 0 kW, margins 10 and 20 kW
    (0, 280, (0, 20)),
    (20, 280, (0, 0)),
    (20, 290, (0, 0)),
    (15, 295, (5, 5)),
]


@pytest.mark.parametrize(("min_kw", "max_kw", "expected"), FALLBACK)
def test_fallback_shares_leave_the_margin_free(min_kw, max_kw, expected):
    (loop,) = STARTER.grid_loops
    hub = replace(STARTER, grid_loops=(replace(loop, fallback_min_kw=min_kw, fallback_max_kw=max_kw),))
    assert fallback_shortfall_kw(hub, TREE) == expected


def test_R4_a_load_that_cannot_be_off_does_not_stand_in_the_way_of_a_residual():  # noqa: N802 - rules are numbered so
    hub = replace(with_asset("flex-1", reversion_kw=6.0), envelope=(envelope(PARK, 52, 310),))
    hub = replace(hub, accepted=(accepted(PARK, 16),))
    (excess,) = (one for one in excesses(hub, build_tree(hub), TODAY) if one.node == PARK)
    assert (excess.residual_kw, excess.reversion_kw, excess.refused) == (16, 0, False)


def test_the_envelope_of_de_koumen_is_stated_for_every_node_and_nowhere_below_its_parts(de_koumen, de_koumen_tree):
    stated = {one.node: one for one in de_koumen.envelope}
    assert stated.keys() == {node.id for node in de_koumen_tree.nodes}
    for node in de_koumen_tree.nodes:
        children = de_koumen_tree.children.get(node.id, ())
        if children and node.kind is not NodeKind.PARK:
            assert stated[node.id].max_kw <= sum(stated[child].max_kw for child in children) + 0.11


def test_in_de_koumen_no_device_that_falls_back_adds_to_what_its_companies_take_and_somebody_answers_for_that(
    de_koumen, de_koumen_tree
):
    over = excesses(de_koumen, de_koumen_tree, TODAY)
    assert {one.node for one in over} == {PARK, GROUP, *(loop.id for loop in de_koumen.grid_loops)}
    assert [one.reversion_kw for one in over] == [0] * len(over)
    assert refused(de_koumen, TODAY) == ()


def test_R4_what_nobody_answers_for_is_refused_in_tree_order():  # noqa: N802 - rules are numbered so
    bare = replace(STARTER, envelope=())
    nodes = [one.node for one in refused(bare, TODAY)]
    assert nodes[0] == PARK
    assert sorted(nodes, key=[node.id for node in TREE.nodes].index) == nodes


def test_a_ring_is_proven_wherever_it_may_be_opened():
    """The starter's second section alone carries its two; the first one would carry all of it with an own limit of 150."""
    ring = STARTER.grid_loops[0]
    at_ends = tuple(
        Position(open_after=at, import_kw=None if at == 1 else 150.0, export_kw=300.0, source="DSO") for at in (1, 2)
    )
    hub = replace(STARTER, grid_loops=(replace(ring, positions=at_ends),))
    before = excesses(hub, build_tree(hub), TODAY)
    elsewhere = [one for one in excesses_anywhere(hub, TODAY) if one not in before]
    assert [(one.node, one.open_after, one.limit_kw, one.refused) for one in elsewhere] == [("lus-1", 2, 150, True)]
    assert str(elsewhere[0]).startswith(
        "lus-1 (open after section 2): with every computer off, import exceeds 150 kW by"
    )
    assert elsewhere[0] in refused(hub, TODAY)


def test_de_koumen_is_proven_in_each_of_its_positions(de_koumen):
    assert len(de_koumen.grid_loops[0].positions) == 4
    assert [one for one in excesses_anywhere(de_koumen, TODAY) if one.open_after is not None] == []
