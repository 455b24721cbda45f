"""Where a ring may be open: what hangs on which feeder, and limits that hold whichever it is.

The ring of the tables has four sections whose connections can carry 100, 100, 200 and 100 kVA.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import Reference, effective_limit, limit_book
from hub.model import Certainty, Judged, LimitLayer, NodeLimit, OpenPoint, Position, Section
from hub.open_point import (
    as_confirmed,
    carried,
    contested,
    open_point_of,
    permitted,
    placed,
    position_limits,
    possible,
    share_out,
    stated_point,
)
from hub.tree import build_tree
from tests.hub.test_limits import NOON_US, block, stated
from tests.streams.small_park import FACTORY, small_hub

CAPACITY_KVA = (100.0, 100.0, 200.0, 100.0)
SECTIONS = tuple(f"s{number}" for number in range(1, 5))


def ring(*positions):
    loop = replace(
        small_hub().grid_loops[0],
        id="ring",
        sections=tuple(Section(id=name, import_kw=500.0, export_kw=500.0, source="") for name in SECTIONS),
        open_after=2,
    )
    return replace(
        loop, positions=tuple(Position(open_after=at, import_kw=None, export_kw=None, source="") for at in positions)
    )


def park(loop):
    connection = next(each for each in small_hub().connections if each.ean == FACTORY)
    connections = tuple(
        replace(connection, ean=f"ean-{name}", grid_loop="ring", section=name, capacity_kva=kva)
        for name, kva in zip(SECTIONS, CAPACITY_KVA, strict=True)
    )
    return replace(small_hub(), grid_loops=(loop,), connections=connections, assets=(), limits=())


def unsure(*positions):
    return OpenPoint(certainty=Certainty.SWITCHING, open_after=positions[0], positions=tuple(sorted(positions)))


def limit(node, import_kw, export_kw=None, layer=LimitLayer.PROTECTION, **more):
    return NodeLimit(
        node=node, layer=layer, judged=Judged.INSTANT, import_kw=import_kw, export_kw=export_kw, source="", **more
    )


@pytest.mark.parametrize(
    ("positions", "permitted_there", "possible_there"),
    [
        pytest.param((), (2,), (0, 1, 2, 3, 4), id="nothing stated: it stays, and is anywhere when in doubt"),
        pytest.param((3, 2), (2, 3), (2, 3), id="two positions"),
        pytest.param((4, 2, 0), (0, 2, 4), (0, 2, 4), id="the whole ring on either feeder"),
    ],
)
def test_a_ring_is_moved_only_where_it_is_permitted(positions, permitted_there, possible_there):
    assert (permitted(ring(*positions)), possible(ring(*positions))) == (permitted_there, possible_there)


@pytest.mark.parametrize(
    ("open_after", "arm_a", "arm_b"),
    [
        pytest.param(0, (), ("s4", "s3", "s2", "s1"), id="whole ring on feeder b"),
        pytest.param(1, ("s1",), ("s4", "s3", "s2"), id="between"),
        pytest.param(4, ("s1", "s2", "s3", "s4"), (), id="whole ring on feeder a"),
    ],
)
def test_members_of_an_arm_follow_from_the_position(open_after, arm_a, arm_b):
    found = carried(ring(), open_after)
    assert (found["ring/a"], found["ring/b"]) == (arm_a, arm_b)


@given(open_after=st.integers(0, 4))
def test_what_a_node_carries_is_what_the_tree_of_a_moved_hub_says(open_after):
    moved = placed(park(ring()), {"ring": replace(unsure(open_after), certainty=Certainty.CONFIRMED)})
    tree = build_tree(moved)
    for node, sections in carried(ring(), open_after).items():
        assert set(tree.connections_below(node)) == {f"ean-{section}" for section in sections}


def test_while_it_is_moved_contested_sections_stand_alone_below_the_loop():
    tree = build_tree(placed(park(ring()), {"ring": unsure(1, 3)}))
    assert [tree.by_id[name].parent for name in SECTIONS] == ["ring/a", "ring", "ring", "ring/b"]
    assert tree.connections_below("ring/a") == ("ean-s1",)
    assert [section.id for section in contested(ring(), unsure(1, 3))] == ["s2", "s3"]


SHARES = [
    # limits, positions, fixed shares of import of s2 and s3, what is kept free at ring/a (both None: nothing)
    pytest.param([], (1, 3), {}, None, id="no limit, no share"),
    pytest.param([limit("ring/a", 900.0)], (1, 3), {"s2": 100, "s3": 200}, 300, id="a wide limit: all they can carry"),
    pytest.param([limit("ring/a", 200.0)], (1, 3), {"s2": 50, "s3": 100}, 150, id="a tight one: all the same part"),
    pytest.param([limit("ring/b", 200.0)], (1, 3), {"s2": 50, "s3": 100}, None, id="of the other feeder"),
    pytest.param([limit("s3", 150.0)], (1, 3), {"s2": 50, "s3": 100}, None, id="a contested cable, as fed from b"),
    pytest.param([limit("s3", 150.0)], (2, 3), {"s3": 150}, None, id="one section is contested only"),
    pytest.param([limit("s1", 90.0)], (1, 2), {"s2": 45}, None, id="a cable before it"),
    pytest.param([limit("ring/a", 400.0, apparent=True)], (1, 3), {"s2": 80, "s3": 160}, 240, id="kVA at 0.8"),
    pytest.param([limit("ring", 10.0), limit("ean-s2", 10.0)], (1, 3), {}, None, id="loop and connection stay"),
    pytest.param([limit("ring/a", 200.0)], (2, 2), {}, None, id="it does not move at all"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "positions", "shares", "kept"), SHARES)
def test_contested_sections_get_fixed_shares_of_what_they_may_lie_under(limits, positions, shares, kept):
    shared = share_out(replace(park(ring()), cos_phi_ratio=0.8), ring(), unsure(*positions), limits)
    fixed = {one.node: one.import_kw for one in shared.limits if one.node in {"s2", "s3"} and one not in limits}
    assert fixed == pytest.approx(shares)
    assert shared.reserved_kw.get(("ring/a", LimitLayer.PROTECTION, True)) == (kept and pytest.approx(kept))
    assert set(limits) - {one for one in limits if one.node in shares} <= set(shared.limits)


limits_of_the_ring = st.lists(
    st.builds(
        limit, st.sampled_from(["ring/a", "ring/b", *SECTIONS]), st.none() | st.floats(0, 900),
        st.none() | st.floats(0, 900), st.sampled_from(list(LimitLayer)),
    ), max_size=8,
)  # fmt: skip


@given(limits=limits_of_the_ring, positions=st.sets(st.integers(0, 4), min_size=1, max_size=3), part=st.floats(0, 1))
def test_whoever_keeps_the_shared_limits_keeps_every_limit_in_every_position(limits, positions, part):
    point = unsure(*sorted(positions))
    shared = share_out(park(ring()), ring(), point, limits)
    names = {section.id for section in contested(ring(), point)}
    share_kw = {(one.node, one.layer, way): kw for one in shared.limits if one.node in names
                for way, kw in ((True, one.import_kw), (False, one.export_kw)) if kw is not None}  # fmt: skip
    for one in limits:
        for way, limit_kw in ((True, one.import_kw), (False, one.export_kw)):
            for position in point.positions if limit_kw is not None else ():
                below = carried(ring(), position)[one.node]
                contested_kw = sum(share_kw[name, one.layer, way] for name in names.intersection(below))
                # the certain ones take part of what their node leaves them, the contested ones all they may
                left_kw = limit_kw - shared.reserved_kw.get((one.node, one.layer, way), 0.0)
                certain_kw = part * left_kw if one.node not in names else 0.0
                assert left_kw >= -1e-9
                assert contested_kw + certain_kw <= limit_kw + 1e-9


def test_a_whole_ring_on_one_feeder_has_its_own_limit_while_it_may_be_there():
    loop = replace(
        ring(2, 3),
        positions=(*ring(2, 3).positions, Position(open_after=4, import_kw=80.0, export_kw=20.0, source="DSO")),
    )
    hub = park(loop)
    found = {
        positions: [
            (one.node, one.import_kw, one.export_kw) for one in placed(hub, {"ring": unsure(*positions)}).limits
        ]
        for positions in ((2, 3), (3, 4), (4, 4))
    }
    assert found == {(2, 3): [], (3, 4): [("ring", 80, 20)], (4, 4): [("ring", 80, 20)]}


def test_what_the_folders_own_position_allows_goes_when_the_point_moves():
    loop = replace(ring(), positions=(Position(open_after=2, import_kw=70.0, export_kw=None, source="DSO"),))
    hub = replace(park(loop), limits=position_limits(loop, (2,)))
    confirmed = OpenPoint(certainty=Certainty.CONFIRMED, open_after=3, positions=(3,))
    assert placed(hub, {"ring": confirmed}).limits == ()
    assert placed(hub, {}).limits == placed(hub, {"ring": stated_point(loop)}).limits == hub.limits


def test_who_must_not_guess_takes_the_place_where_it_was_confirmed_last():
    doubtful = placed(park(ring()), {"ring": replace(unsure(1, 3), open_after=3)})
    assert open_point_of(as_confirmed(doubtful), doubtful.grid_loops[0]).positions == (3,)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        pytest.param((4,), (70, 20), id="fed from a"),
        pytest.param((2,), (20, 70), id="fed from b"),
        pytest.param((2, 4), (20, 20), id="either: the tighter one both ways"),
    ],
)
def test_a_limit_along_the_ring_turns_with_the_open_point_and_holds_both_ways_in_doubt(positions, expected):
    hub = placed(park(ring()), {"ring": unsure(*positions)})
    book = limit_book(hub, [replace(stated(block(70.0, 20.0)), node="s3", reference=Reference.RING)])
    found = [effective_limit(book, "s3", imports=imports, at_us=NOON_US).now.kw for imports in (True, False)]
    assert tuple(found) == expected
