"""Where an override keeps an asset, and what of a change needs a second person (R18)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import AssetKind
from hub.overrides import Override, OverrideKind, check_override, kept_by, loosens
from tests.streams.small_park import small_hub

HUB = small_hub()
NOW_US, LATER_US = 1_800_000_000_000_000, 1_800_000_060_000_000
BATTERY, ROOF, CHARGER = HUB.assets
HEATER = replace(CHARGER, id="heater", min_kw=12.0, max_kw=60.0)
"""Takes 12 kW at least."""


def override(kind, power_kw=None, *, until_us=None, asset="charger", why="smoke"):
    return Override(
        asset=asset, kind=OverrideKind(kind), power_kw=power_kw, until_us=until_us, who="els", why=why
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asset", "given_override", "expected"),
    [
        pytest.param(BATTERY, override("stop"), (0, 0), id="a stopped battery rests"),
        pytest.param(ROOF, override("out_of_service"), (0, 0), id="a roof out of service makes nothing"),
        pytest.param(HEATER, override("stop"), (12, 12), id="no lower than the folder lets it"),
        pytest.param(BATTERY, override("hold", -40.0), (-40, -40), id="held at discharging 40 kW"),
        pytest.param(BATTERY, override("at_most", 30.0), (-30, 30), id="a battery at most, both ways"),
        pytest.param(ROOF, override("at_most", 30.0), (-30, 0), id="a roof at most"),
        pytest.param(CHARGER, override("at_most", 50.0), (0, 50), id="never beyond its own range"),
        pytest.param(BATTERY, override("stop", until_us=NOW_US), (-100, 100), id="its time is over"),
        pytest.param(BATTERY, override("stop", until_us=NOW_US + 1), (0, 0), id="just not yet"),
        pytest.param(BATTERY, None, (-100, 100), id="none"),
    ],
)
def test_r10_an_override_keeps_an_asset_in_a_box_within_its_own_range(asset, given_override, expected):
    kept = kept_by(asset, given_override, at_us=NOW_US)
    assert (kept.min_kw, kept.max_kw) == expected


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param(None, override("stop"), "", id="stopping"),
        pytest.param(None, override("at_most", 10.0), "", id="curtailing"),
        pytest.param(override("hold", 20.0), override("stop"), "", id="stopping what was held"),
        pytest.param(override("hold", 20.0), override("hold", 5.0), "", id="holding it lower"),
        pytest.param(override("hold", 20.0), override("at_most", 20.0), "", id="letting what was held give way"),
        pytest.param(override("stop"), override("out_of_service"), "", id="a stop that stays"),
        pytest.param(override("stop", until_us=LATER_US), override("stop"), "", id="stopping it for longer"),
        pytest.param(override("stop", until_us=NOW_US), None, "", id="ending what is over"),
        pytest.param(override("stop"), None, "charger may take 50 kW instead of 0 kW", id="ending a stop"),
        pytest.param(
            override("stop"), override("stop", until_us=LATER_US), "charger may take 50 kW instead of 0 kW",
            id="ending it sooner",
        ),
        pytest.param(
            override("at_most", 10.0), override("at_most", 20.0), "charger may take 20 kW instead of 10 kW",
            id="curtailing less",
        ),
        pytest.param(
            None, override("hold", 20.0), "charger could not go below 20 kW, instead of 0 kW",
            id="holding it at a power, for no limit could lower it",
        ),
        pytest.param(
            override("hold", 20.0, until_us=LATER_US), override("hold", 20.0),
            "charger could not go below 20 kW, instead of 0 kW", id="holding it for longer",
        ),
    ],
)  # fmt: skip
def test_r18_what_needs_a_second_person(before, after, words):
    assert loosens(CHARGER, before, after, now_us=NOW_US) == words


def test_r18_holding_a_roof_up_needs_a_second_person_and_holding_it_at_nothing_does_not():
    up, down = (override("hold", kw, asset="roof") for kw in (-40.0, 0.0))
    assert loosens(ROOF, None, up, now_us=NOW_US) == "roof could not give less than 40 kW, instead of 0 kW"
    assert loosens(ROOF, None, down, now_us=NOW_US) == ""


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        pytest.param(override("stop", asset="charter"), "did you mean charger", id="an asset that is nearly there"),
        pytest.param(override("stop", 5.0), "stop has no power", id="a stop with a power"),
        pytest.param(override("hold"), "between 0 and 50 kW", id="a hold without one"),
        pytest.param(override("hold", 51.0), "between 0 and 50 kW", id="beyond the range"),
        pytest.param(override("hold", float("nan")), "between 0 and 50 kW", id="not a number"),
        pytest.param(override("at_most", -5.0), "a magnitude", id="a negative magnitude"),
        pytest.param(override("at_most", float("inf")), "a magnitude", id="infinite"),
        pytest.param(override("stop", why="two\nlines"), "why must be", id="two lines"),
        pytest.param(override("stop", until_us=-1), "between 1970 and 2100", id="until before there was time"),
    ],
)
def test_r14_what_means_nothing_is_refused(wrong, expected):
    assert expected in "; ".join(check_override(wrong, HUB))


def test_r14_what_nobody_controls_cannot_be_overridden_nor_a_charger_be_held_below_its_least():
    load = replace(CHARGER, kind=AssetKind.LOAD)
    assert "nothing can be told" in check_override(override("stop"), replace(HUB, assets=(load,)))[0]
    plug = replace(CHARGER, min_on_kw=4.14)
    assert "4.14 kW at least" in check_override(override("hold", 2.0), replace(HUB, assets=(plug,)))[0]


sound = st.sampled_from(HUB.assets).flatmap(
    lambda asset: st.tuples(
        st.just(asset),
        *[
            st.none()
            | st.builds(
                Override,
                asset=st.just(asset.id), who=st.just("els"), why=st.just("test"),
                until_us=st.none() | st.integers(NOW_US - 5, NOW_US + 5),
                kind=st.sampled_from(OverrideKind),
                power_kw=st.none() | st.floats(-120, 120),
            ).filter(lambda each: not check_override(each, HUB))
        ] * 2,
        st.integers(NOW_US, NOW_US + 6),
        st.floats(-200, 200),
    )
)  # fmt: skip


@given(sound)
def test_r10_no_override_reaches_beyond_the_assets_own_range(drawn):
    asset, found, _, at_us, power_kw = drawn
    kept = kept_by(asset, found, at_us=at_us)
    assert asset.min_kw <= kept.min_kw <= kept.max_kw <= asset.max_kw
    assert asset.min_kw <= kept.towards_rest(power_kw) <= asset.max_kw
    assert abs(kept.towards_rest(power_kw) - kept.rest_kw) <= max(abs(kept.min_kw), abs(kept.max_kw))


@given(sound)
def test_r18_what_one_person_may_do_never_allows_nor_obliges_more_at_any_instant(drawn):
    asset, before, after, at_us, _ = drawn
    was, becomes = (kept_by(asset, each, at_us=at_us) for each in (before, after))
    if loosens(asset, before, after, now_us=NOW_US) == "":
        assert max(becomes.max_kw, becomes.rest_kw) <= max(was.max_kw, was.rest_kw)
        assert min(becomes.min_kw, becomes.rest_kw) >= min(was.min_kw, was.rest_kw)
        assert max(becomes.min_kw, becomes.rest_kw) <= max(was.min_kw, was.rest_kw)
        assert min(becomes.max_kw, becomes.rest_kw) >= min(was.max_kw, was.rest_kw)
