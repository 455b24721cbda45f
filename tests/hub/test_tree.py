from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.folder import read_hub
from hub.model import GROUP, PARK, STATION, Measured, NodeKind
from hub.tree import build_tree


def reopened(hub, after):
    """The same hub with the open point of its first loop moved."""
    return replace(hub, grid_loops=(replace(hub.grid_loops[0], open_after=after), *hub.grid_loops[1:]))


def test_parents_stand_before_their_children(de_koumen_tree):
    seen = {None}
    for node in de_koumen_tree.nodes:
        assert node.parent in seen
        seen.add(node.id)


@given(after=st.integers(0, 7))
def test_a_segment_carries_all_that_lies_between_it_and_the_open_point(de_koumen, after):
    tree = build_tree(reopened(de_koumen, after))
    sections = [section.id for section in de_koumen.grid_loops[0].sections]
    for at, section in enumerate(sections):
        downstream = sections[at:after] if at < after else sections[after : at + 1]
        expected = {c.ean for c in de_koumen.connections if c.section in downstream}
        assert set(tree.connections_below(section)) == expected


@given(after=st.integers(0, 7))
def test_the_two_arms_share_out_the_loop_wherever_it_is_open(de_koumen, after):
    tree = build_tree(reopened(de_koumen, after))
    arm_a, arm_b = (set(tree.connections_below(f"lus-1/{arm}")) for arm in "ab")
    assert not arm_a & arm_b
    assert arm_a | arm_b == {c.ean for c in de_koumen.connections if c.grid_loop == "lus-1"}


@pytest.mark.parametrize(
    ("after", "path"),
    [
        pytest.param(1, ("lus-1-s2", "lus-1/b", "lus-1"), id="first of feeder b"),
        pytest.param(2, ("lus-1-s2", "lus-1-s1", "lus-1/a", "lus-1"), id="whole ring on feeder a"),
        pytest.param(0, ("lus-1-s2", "lus-1/b", "lus-1"), id="whole ring on feeder b"),
    ],
)
def test_an_arm_is_a_chain_from_its_feeder(folder, after, path):
    tree = build_tree(reopened(read_hub(folder), after))
    assert tree.path("lus-1-s2") == (*path, GROUP, PARK)
    assert ("lus-1/b" in tree.children) == (after < 2)


def test_a_micro_group_lies_between_its_segment_and_its_connections(folder):
    tree = build_tree(read_hub(folder))
    assert tree.path("871000000000090021")[:3] == ("871000000000090021", "pair-1", "lus-1-s1")
    assert tree.by_id["pair-1"].kind is NodeKind.MICRO_GROUP


def test_what_has_a_meter_is_expected_from_its_gateway(folder):
    tree = build_tree(read_hub(folder))
    assert tree.meters[STATION] == (PARK, GROUP)
    assert set(tree.meters["lus-1"]) == {
        *("lus-1/a", "lus-1/b"),
        *(f"8710000000000900{end}" for end in (14, 21, 38, 45)),
        *("pv-1", "bat-1", "charger-1", "charger-2", "flex-1"),
    }


def test_a_grid_loop_is_the_sum_of_its_metered_arms(de_koumen_tree):
    by_id = de_koumen_tree.by_id
    assert by_id["lus-2"].measured is Measured.SUM
    assert {by_id[arm].measured for arm in de_koumen_tree.children["lus-2"]} == {Measured.METER}


def test_the_subtrees_of_all_loops_are_the_tree_below_the_group(de_koumen, de_koumen_tree):
    subtrees = [de_koumen_tree.subtree(grid_loop.id) for grid_loop in de_koumen.grid_loops]
    assert [tree.root.parent for tree in subtrees] == [None] * 5
    assert {n.id for tree in subtrees for n in tree.nodes} == set(de_koumen_tree.by_id) - {PARK, GROUP}
    assert sum(len(assets) for tree in subtrees for assets in tree.assets.values()) == len(de_koumen.assets)
    assert frozenset().union(*(tree.members for tree in subtrees)) == de_koumen_tree.members
    assert all(set(tree.limits) <= set(tree.by_id) for tree in subtrees)


def test_an_unchecked_hub_whose_limits_are_no_tree_is_our_own_bug(folder):
    hub = read_hub(folder)
    astray = replace(hub.connections[0], section="lus-1-s2")  # its micro group now crosses sections
    with pytest.raises(ValueError, match="no tree"):
        build_tree(replace(hub, connections=(astray, *hub.connections[1:])))
    lost = replace(hub.connections[2], section="lus-9-s9")
    with pytest.raises(ValueError, match="in no section"):
        build_tree(replace(hub, connections=(*hub.connections[:2], lost, hub.connections[3])))
