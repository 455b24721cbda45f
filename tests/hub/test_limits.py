"""Which limit binds, until when, what comes next: layers, blocks, rights, bridges, and two people to loosen."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.limits import (
    LAYERS,
    Effect,
    LimitBook,
    Reference,
    StatedLimit,
    effective_limit,
    limit_book,
    limits_at,
)
from hub.loosening import find_loosening
from hub.model import Judged, LimitLayer, NodeLimit
from hub.time_blocks import TimeBlock

AMSTERDAM = "Europe/Amsterdam"
NODE = "lus-1"
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
NOON_US = int(datetime(2026, 6, 1, 10, tzinfo=UTC).timestamp()) * SECOND_US  # noon at the park, a Monday


def block(import_kw=100.0, export_kw=None, begins_h=0, ends_h=24, **more):
    return TimeBlock(
        import_kw=import_kw, export_kw=export_kw, begins_minute=begins_h * 60, ends_minute=ends_h * 60, **more
    )


def stated(*blocks, name="a", from_s=0.0, until_s=None, layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT, **more):
    return StatedLimit(
        node=NODE, id=name, layer=layer, judged=judged, blocks=blocks or (block(),),
        from_us=NOON_US + round(from_s * SECOND_US),
        until_us=None if until_s is None else NOON_US + round(until_s * SECOND_US),
        who="els", why="test", source=f"letter {name}", **more,
    )  # fmt: skip


def standing(layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT, import_kw=800.0, export_kw=None):
    return NodeLimit(node=NODE, layer=layer, judged=judged, import_kw=import_kw, export_kw=export_kw, source="folder")


def book(*limits):
    fixed = tuple(limit for limit in limits if isinstance(limit, NodeLimit))
    return LimitBook(AMSTERDAM, {NODE: fixed}, {NODE: tuple(x for x in limits if isinstance(x, StatedLimit))})


def import_kw(limits, at_s=0.0):
    found = effective_limit(limits, NODE, imports=True, at_us=NOON_US + round(at_s * SECOND_US)).now
    return None if found is None else found.kw


@pytest.mark.parametrize(
    ("limits", "expected_kw", "layer"),
    [
        pytest.param([], None, None, id="nobody limits it"),
        pytest.param([standing()], 800, LimitLayer.DSO_CAP, id="what the folder says"),
        pytest.param([standing(), stated()], 100, LimitLayer.DSO_CAP, id="within a layer the tightest counts"),
        pytest.param([standing(import_kw=60.0), stated()], 60, LimitLayer.DSO_CAP, id="also when it is the folder's"),
        pytest.param(
            [standing(), stated(block(900.0), layer=LimitLayer.OPERATOR)], 800, LimitLayer.DSO_CAP,
            id="a lower layer never loosens a higher one",
        ),
        pytest.param(
            [standing(), stated(block(50.0), layer=LimitLayer.PLAN)], 50, LimitLayer.PLAN,
            id="but it may be tighter",
        ),
        pytest.param(
            [standing(LimitLayer.OPERATOR, import_kw=100.0), stated()], 100, LimitLayer.DSO_CAP,
            id="of two that are equal the higher layer is named",
        ),
        pytest.param([standing(), stated(block(None, 10.0))], 800, LimitLayer.DSO_CAP, id="it limits export only"),
        pytest.param([stated(from_s=1)], None, None, id="not yet in force"),
        pytest.param([stated(from_s=-9, until_s=0)], None, None, id="its end is not included"),
    ],
)  # fmt: skip
def test_the_limit_that_binds(limits, expected_kw, layer):
    found = effective_limit(book(*limits), NODE, imports=True, at_us=NOON_US).now
    assert (found and found.kw, found and found.layer) == (expected_kw, layer)


def test_it_says_until_when_and_what_comes_next():
    cap, night = stated(until_s=3600), stated(block(300.0, begins_h=22, ends_h=6), name="night", layer=LimitLayer.PLAN)
    limits = book(standing(), cap, night)
    first = effective_limit(limits, NODE, imports=True, at_us=NOON_US)
    assert (first.now.kw, first.now.origin.id, first.until_us) == (100, "a", NOON_US + HOUR_US)
    assert (first.then.kw, first.then.origin.source) == (800, "folder")
    second = effective_limit(limits, NODE, imports=True, at_us=first.until_us)
    assert (second.until_us, second.then.kw) == (NOON_US + 10 * HOUR_US, 300)


def test_a_season_that_is_months_away_is_found():
    limits = book(standing(), stated(block(200.0, season=((11, 1), (2, 28)))))
    found = effective_limit(limits, NODE, imports=True, at_us=NOON_US)
    assert (found.now.kw, found.then.kw) == (800, 200)
    assert datetime.fromtimestamp(found.until_us / 1e6, UTC) == datetime(2026, 10, 31, 23, tzinfo=UTC)


def test_a_limit_that_never_changes_has_no_end():
    assert effective_limit(book(standing()), NODE, imports=True, at_us=NOON_US).until_us is None


CONTRACT = standing(LimitLayer.CONTRACT, Judged.QUARTER, import_kw=100.0)


def right(kw, name="r", **more):
    return stated(
        block(kw, **more), name=name, layer=LimitLayer.CONTRACT, judged=Judged.QUARTER, effect=Effect.RIGHT
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "expected_kw"),
    [
        pytest.param([CONTRACT, right(200.0, begins_h=10, ends_h=16)], 300, id="on top of the contract, in its block"),
        pytest.param([CONTRACT, right(200.0, begins_h=22, ends_h=6)], 100, id="not outside it"),
        pytest.param([CONTRACT, right(200.0), right(50.0, "s")], 350, id="two rights add up"),
        pytest.param([CONTRACT, right(200.0), standing(import_kw=250.0)], 250, id="under a cap of the grid operator"),
        pytest.param(
            [CONTRACT, right(200.0), stated(block(120.0), layer=LimitLayer.CONTRACT, judged=Judged.QUARTER)], 120,
            id="under a cap of its own layer",
        ),
    ],
)  # fmt: skip
def test_a_transport_right_of_time_blocks_adds_to_the_contract(limits, expected_kw):
    assert import_kw(book(*limits)) == expected_kw


@pytest.mark.parametrize("gap_s", [0.0, 0.001, 4.0, 10.0])
@pytest.mark.parametrize(("first_kw", "second_kw"), [(300.0, 240.0), (240.0, 300.0)])
@pytest.mark.parametrize("passed", [0.0, 0.5, 0.999])
def test_a_gap_of_some_seconds_between_two_blocks_holds_the_tighter_one(gap_s, first_kw, second_kw, passed):
    first = stated(block(first_kw), until_s=0.0, from_s=-900, name="09:45", series="plan-of-today")
    second = stated(block(second_kw), from_s=gap_s, name="10:00", series="plan-of-today")
    expected_kw = 240 if gap_s and passed * gap_s < gap_s else second_kw
    assert import_kw(book(standing(), first, second), at_s=passed * gap_s) == expected_kw


@pytest.mark.parametrize(
    ("gap_s", "series"),
    [pytest.param(10.001, ("x", "x"), id="too long a gap"), pytest.param(4.0, ("x", "y"), id="two series")],
)
def test_a_real_gap_stays_one(gap_s, series):
    first = stated(until_s=0.0, from_s=-900, name="1", series=series[0])
    second = stated(from_s=gap_s, name="2", series=series[1])
    assert import_kw(book(standing(), first, second), at_s=gap_s / 2) == 800


def test_a_right_does_not_dip_between_two_of_its_blocks():
    rights = [replace(right(kw, name), series="tbtr") for kw, name in ((200.0, "1"), (150.0, "2"))]
    rights = [replace(rights[0], from_us=0, until_us=NOON_US), replace(rights[1], from_us=NOON_US + 4 * SECOND_US)]
    assert [import_kw(book(CONTRACT, *rights), at_s=at_s) for at_s in (-1, 1, 5)] == [300, 250, 250]


def test_a_section_limit_along_the_ring_turns_with_the_open_point(de_koumen):
    fed_from_b, fed_from_a = "lus-1-s6", "lus-1-s2"
    limits = [
        replace(stated(block(70.0, 20.0)), node=node, reference=Reference.RING) for node in (fed_from_a, fed_from_b)
    ]
    laid_out = limit_book(de_koumen, limits)
    found = {
        node: [effective_limit(laid_out, node, imports=imports, at_us=NOON_US).now.kw for imports in (True, False)]
        for node in (fed_from_a, fed_from_b)
    }
    assert found == {fed_from_a: [70, 20], fed_from_b: [20, 70]}


def test_all_limits_at_an_instant_are_the_folders_but_where_somebody_stated_one(de_koumen):
    laid_out = limit_book(de_koumen, [stated(block(245.0), until_s=30, judged=Judged.QUARTER)])
    now = limits_at(laid_out, NOON_US)
    assert now.until_us == NOON_US + 30 * SECOND_US
    changed = set(now.limits) - set(de_koumen.limits)
    assert [(c.node, c.layer, c.judged, c.import_kw, c.export_kw) for c in changed] == [
        (NODE, LimitLayer.DSO_CAP, Judged.QUARTER, 245, 250)
    ]
    assert len(now.limits) == len(de_koumen.limits)
    assert set(limits_at(laid_out, now.until_us).limits) == set(de_koumen.limits)


# Loosening

ANYTHING = [
    pytest.param(stated(), None, True, id="taking a cap away"),
    pytest.param(None, stated(), False, id="setting a cap"),
    pytest.param(stated(), stated(block(99.0)), False, id="a lower cap"),
    pytest.param(stated(), stated(block(101.0)), True, id="a higher cap"),
    pytest.param(stated(), stated(until_s=3600), True, id="an end where there was none"),
    pytest.param(stated(until_s=3600), stated(), False, id="no end any more"),
    pytest.param(stated(), stated(from_s=60), True, id="beginning later"),
    pytest.param(stated(), stated(layer=LimitLayer.PROTECTION), False, id="to a higher layer"),
    pytest.param(stated(), stated(layer=LimitLayer.PLAN), True, id="to a lower layer, which gives way sooner"),
    pytest.param(stated(), stated(judged=Judged.QUARTER), True, id="judged on a mean instead of at once"),
    pytest.param(stated(block(900.0)), None, False, id="taking away what the folder's own limit covers"),
    pytest.param(None, stated(block(900.0)), False, id="setting what the folder's own limit covers"),
    pytest.param(stated(until_s=-1), None, False, id="taking away what has ended"),
    pytest.param(stated(block(100.0, 50.0)), stated(block(90.0)), True, id="tighter one way, free the other"),
    pytest.param(
        stated(block(100.0)), stated(block(100.0, weekdays=frozenset(range(1, 7)))), True, id="not on Sundays"
    ),
    pytest.param(
        stated(block(100.0)), stated(block(100.0, begins_h=0, ends_h=12), block(50.0, begins_h=12)), False,
        id="the same by blocks, tighter in the afternoon",
    ),
    pytest.param(
        stated(block(100.0)), stated(block(100.0, season=((1, 1), (2, 28))), block(100.0, season=((3, 1), (12, 31)))),
        True, id="but on leap days",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), ANYTHING)
def test_r18_a_change_loosens_when_more_would_be_allowed_at_any_instant(before, after, expected):
    books = [book(standing(), *([limit] if limit else [])) for limit in (before, after)]
    assert (find_loosening(*books, NODE, now_us=NOON_US) is not None) is expected


def test_r18_adding_a_right_loosens_and_taking_it_away_does_not():
    without, with_right = book(CONTRACT), book(CONTRACT, right(200.0, begins_h=22, ends_h=6))
    found = find_loosening(without, with_right, NODE, now_us=NOON_US)
    assert (found.at_us, found.imports, found.before_kw, found.after_kw) == (NOON_US + 10 * HOUR_US, True, 100, 300)
    assert find_loosening(with_right, without, NODE, now_us=NOON_US) is None


some_blocks = st.builds(
    TimeBlock,
    import_kw=st.sampled_from([None, 50.0, 100.0, 400.0]),
    export_kw=st.sampled_from([None, 0.0, 20.0]),
    begins_minute=st.sampled_from([0, 150, 720]),
    ends_minute=st.sampled_from([150, 720, 1440]),
    weekdays=st.sampled_from([frozenset(range(1, 8)), frozenset({6, 7})]),
    season=st.sampled_from([None, ((10, 25), (3, 29))]),
)


@st.composite
def some_limits(draw, name):
    begin_s = draw(st.sampled_from([-900, 0, 86_400 * 20]))
    return stated(
        *draw(st.lists(some_blocks, min_size=1, max_size=2)), name=name, from_s=begin_s,
        until_s=draw(st.sampled_from([None, begin_s + 896, 86_400 * 150])),
        layer=draw(st.sampled_from(LAYERS)), judged=draw(st.sampled_from(Judged)),
        series=draw(st.sampled_from(["", "one"])),
    )  # fmt: skip


instants = st.integers(0, 400 * 24 * 3600).map(lambda s: NOON_US + s * SECOND_US)


@settings(deadline=None, max_examples=60)
@given(some_limits("a"), some_limits("b"), some_limits("c"), st.lists(instants, min_size=1, max_size=20))
def test_r18_what_does_not_count_as_loosening_allows_no_more_at_any_instant(kept, before, after, at):
    books = [book(standing(import_kw=300.0), kept, each) for each in (before, after)]
    found = find_loosening(*books, NODE, now_us=NOON_US)
    if found is not None:
        assert found.after_kw > found.before_kw
        return
    for at_us in at:
        for imports in (True, False):
            was, becomes = (effective_limit(each, NODE, imports=imports, at_us=at_us).now for each in books)
            assert was is None or (becomes is not None and becomes.kw <= was.kw)


@settings(deadline=None, max_examples=60)
@given(some_limits("a"), some_limits("b"), instants)
def test_one_more_cap_never_allows_more_and_nothing_changes_before_it_is_said_to(first, second, at_us):
    less, more = book(standing(), first), book(standing(), first, second)
    one, two = (effective_limit(each, NODE, imports=True, at_us=at_us) for each in (less, more))
    assert two.now.kw <= one.now.kw
    if two.until_us is not None:
        assert effective_limit(more, NODE, imports=True, at_us=two.until_us - 1).now == two.now
        assert effective_limit(more, NODE, imports=True, at_us=two.until_us).now == two.then
    assert at_us < limits_at(more, at_us).until_us
