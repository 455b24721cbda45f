"""The lists of kinks against the function they stand for: slopes counted one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer.kinks import add_list, bend, cap_list, count_below, lift_list, slope_at

ROOM = 12
PLACES = st.lists(st.integers(-5, 5).map(float), max_size=5)


def laid_out(right: list[float], left: list[float]) -> np.ndarray:
    """Two lists in one array, each with room to grow; `left` is mirrored."""
    kinks = np.full(2 * ROOM, np.nan)
    kinks[: len(right)] = sorted(right)
    kinks[ROOM : ROOM + len(left)] = sorted(left)
    return kinks


def slope_before(right: list[float], left: list[float], at: float) -> int:
    """Of the function with these kinks: how many lie before `at`, less how many to the left of the bottom lie after."""
    return sum(kink < at for kink in right) - sum(-kink > at for kink in left)


@st.composite
def two_sides(draw) -> tuple[list[float], list[float]]:
    """Kinks to the right of a flat bottom, and to its left (mirrored)."""
    bottom = draw(st.integers(-2, 2))
    right = [bottom + abs(kink) for kink in draw(PLACES)]
    return right, [-(bottom - abs(kink)) for kink in draw(PLACES)]


@settings(deadline=None)
@given(PLACES, st.integers(-6, 6).map(float))
def test_kinks_below_a_place_are_counted(places, at):
    assert count_below(laid_out(places, []), 0, len(places), at) == sum(kink < at for kink in places)


@settings(deadline=None)
@given(two_sides(), st.integers(-8, 8).map(float))
def test_the_slope_is_what_the_kinks_say(sides, at):
    right, left = sides
    assert slope_at(laid_out(right, left), 0, len(right), ROOM, len(left), at) == slope_before(right, left, at)


@settings(deadline=None)
@given(two_sides(), st.integers(-8, 8).map(float))
def test_a_bend_raises_the_slope_by_one_beyond_its_place_and_keeps_the_far_other_end(sides, at):
    right, left = sides
    kinks = laid_out(right, left)
    bend(kinks, 0, len(right), ROOM, len(left), at)
    new_right, new_left = list(kinks[: len(right) + 1]), list(kinks[ROOM : ROOM + len(left)])
    assert new_right == sorted(new_right)
    assert new_left == sorted(new_left)
    assert -min(new_left, default=np.inf) <= new_right[0]  # between the two lies the bottom
    assert np.isnan(kinks[ROOM + len(left) :]).all()
    for place in np.arange(-11.75, 12, 0.5):  # between the kinks
        assert slope_before(new_right, new_left, place) == slope_before(right, left, place) + (place > at)


@settings(deadline=None)
@given(PLACES, PLACES, st.integers(0, 3), st.integers(0, 3))
def test_two_lists_side_by_side_add_place_by_place_and_the_shorter_goes_on_with_its_end(mine, theirs, more, their_more):
    end, their_end = max(mine, default=0.0) + more, max(theirs, default=0.0) + their_more
    kinks = laid_out(mine, theirs)
    count = add_list(kinks, 0, len(mine), end, ROOM, len(theirs), their_end)
    longest = max(len(mine), len(theirs))
    expected = [
        a + b
        for a, b in zip(
            sorted(mine) + [end] * (longest - len(mine)),
            sorted(theirs) + [their_end] * (longest - len(theirs)),
            strict=True,
        )
    ]
    assert (count, list(kinks[:longest])) == (longest, expected)


@settings(deadline=None)
@given(PLACES, st.integers(-6, 6).map(float), st.integers(-6, 6).map(float))
def test_lists_end_and_begin_where_they_are_cut(places, begin, end):
    kinks = laid_out(places, [])
    cap_list(kinks, 0, len(places), end)
    assert list(kinks[: len(places)]) == [min(kink, end) for kink in sorted(places)]
    lift_list(kinks, 0, len(places), begin)
    assert list(kinks[: len(places)]) == [max(min(kink, end), begin) for kink in sorted(places)]
