"""Fallback shares as the limits are now: they fit the park's limit together, and both ends of a lease count with them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import GROUP, PARK, Judged, LimitLayer, NodeLimit
from streams.budgets import Held, Interval
from streams.fallback import fallback_shares
from streams.messages import Budget, Epoch
from tests.streams.small_park import SECOND_US, small_hub
from tests.streams.test_capped_park import CappedPark
from tests.streams.virtual_park import de_koumen

COS_PHI_RATIO = 0.9


def limit(node, import_kw=None, export_kw=None, *, apparent=False):
    return NodeLimit(
        node=node, layer=LimitLayer.DSO_CAP, judged=Judged.INSTANT, import_kw=import_kw, export_kw=export_kw, source="x",
        apparent=apparent,
    )  # fmt: skip


def shares(north_kw, south_kw, *limits):
    """Shares of the two loops of the small park, each given as (min, max)."""
    loops = [
        replace(loop, fallback_min_kw=min_kw, fallback_max_kw=max_kw)
        for loop, (min_kw, max_kw) in zip(small_hub().grid_loops, (north_kw, south_kw), strict=True)
    ]
    return [
        (share.min_kw, share.max_kw) for share in fallback_shares(loops, limits, cos_phi_ratio=COS_PHI_RATIO).values()
    ]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param([], [(-30, 200), (0, 100)], id="no limit: the folder's"),
        pytest.param([limit(PARK, 300.0, 30.0)], [(-30, 200), (0, 100)], id="they fit"),
        pytest.param([limit(PARK, 90.0)], [(-30, 60), (0, 30)], id="in proportion"),
        pytest.param([limit(PARK, 900.0), limit(PARK, 90.0)], [(-30, 60), (0, 30)], id="the tightest counts"),
        pytest.param([limit(PARK, 100.0, apparent=True)], [(-30, 60), (0, 30)], id="what a limit in kVA leaves"),
        pytest.param([limit(PARK, 0.0, 0.0)], [(0, 0), (0, 0)], id="nothing may pass"),
        pytest.param([limit(GROUP, 1.0), limit("north", 1.0)], [(-30, 200), (0, 100)], id="other nodes' limits"),
    ],
)
def test_shares_shrink_under_a_limit_of_the_park(limits, expected):
    assert shares((-30.0, 200.0), (0.0, 100.0), *limits) == expected


def test_a_share_that_is_never_below_import_stays_one_interval():
    assert shares((50.0, 100.0), (0.0, 100.0), limit(PARK, 20.0)) == [(10, 10), (0, 10)]


powers = st.floats(0, 500)


@given(st.tuples(powers, powers), st.tuples(powers, powers), powers, powers)
def test_shares_fit_together_and_lie_in_the_folders(north, south, import_kw, export_kw):
    folder = [(-north[0], north[1]), (-south[0], south[1])]
    found = shares(*folder, limit(PARK, import_kw, export_kw))
    assert sum(most for _, most in found) <= import_kw + 1e-6
    assert -sum(least for least, _ in found) <= export_kw + 1e-6
    assert all(low <= least <= most <= high for (low, high), (least, most) in zip(folder, found, strict=True))


def test_a_loop_keeps_the_nearest_end_of_a_budget_that_the_new_share_does_not_meet_for_one_more_lease():
    budget = Budget(
        grid_loop="north", tick=0, epoch=Epoch(1, 1, 1), number=1, issued_at_us=0, lease_ms=5000, min_kw=120.0,
        max_kw=140.0,
    )  # fmt: skip
    held = Held(Interval(0.0, 150.0)).remember(budget).with_fallback(Interval(0.0, 60.0))
    told = [held.interval(now_us=second * SECOND_US) for second in (5, 6, 11)]
    assert told == [Interval(120.0, 140.0), Interval(120.0, 120.0), Interval(0.0, 60.0)]


def test_r4_without_the_hub_agent_the_loops_together_keep_a_cap_of_the_park():
    park = CappedPark("winter-evening", "park")
    park.cap(import_kw=1000.0)
    park.turn(1)
    loops = [loop.held.fallback for loop in park.park.loops.values()]
    assert sum(share.max_kw for share in loops) == pytest.approx(1000)
    assert [lent.fallback for lent in park.park.station._lent.values()] == loops
    assert sum(loop.fallback_max_kw for loop in de_koumen().grid_loops) > 3000
