"""What an asset may be planned on: the narrowest of folder, device and ramp, and never nothing."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.overrides import Kept
from streams.boxes import REACH_S, boxes
from streams.fold import PointState
from streams.kept_assets import KeptAssets
from streams.plant import build_plant
from tests.streams.small_park import OFFICE, small_hub

SMALL = small_hub()
FIGURES = {  # what differs from the small park's figures: smaller, and a ramp that shows
    "battery": {"min_kw": -20.0, "max_kw": 20.0, "rated_kw": 20.0, "ramp_kw_per_s": 1.0},
    "roof": {"min_kw": -40.0, "max_kw": 0.0, "rated_kw": 40.0, "ramp_kw_per_s": 2.0},
    "charger": {"ean": OFFICE, "max_kw": 22.0, "rated_kw": 22.0, "reversion_kw": 6.0},
}
PLANT = build_plant(replace(SMALL, assets=tuple(replace(each, **FIGURES[each.id]) for each in SMALL.assets)), "north")
PLACE = {each.id: place for place, each in enumerate(PLANT.assets)}


def boxes_of(measured_kw, *, reported=None, idle=(), unused=(), stale=(), feeders_fresh=True, kept=None):
    """Boxes for powers by asset id; what is not named measures 0 and reports nothing."""
    state = PointState(PLANT.points)
    for name, place in PLACE.items():
        point = PLANT.asset_point[place]
        state.power_kw[point] = measured_kw.get(name, 0.0)
        state.min_kw[point], state.max_kw[point] = (reported or {}).get(name, (np.nan, np.nan))
    known = SimpleNamespace(asset_fresh=_without(stale), feeders_fresh=feeders_fresh)
    kept = KeptAssets.of(PLANT.assets, kept or {})
    return boxes(PLANT, state, known, idle=~_without(idle), unused=~_without(unused), kept=kept)


def _without(names):
    return np.array([name not in names for name in PLACE])


def box(found, name):
    """Least, most and wish of one asset."""
    at = PLACE[name]
    return tuple(float(column[at]) for column in (found.min_kw, found.max_kw, found.target_kw))


@pytest.mark.parametrize(
    ("name", "measured_kw", "reported", "expected"),
    [
        pytest.param("battery", 0.0, None, (-5, 5, 0), id="a battery rests, and reaches five seconds of its ramp"),
        pytest.param("battery", 18.0, None, (13, 20, 13), id="no further than the folder's range"),
        pytest.param("battery", 0.0, (-2, 3), (-2, 3, 0), id="no further than what the device reports"),
        pytest.param("battery", 0.0, (-50, 50), (-5, 5, 0), id="a device that reports more than the folder allows"),
        pytest.param("battery", 15.0, (-20, 0), (10, 10, 10), id="a full battery: as near as its ramp gets"),
        pytest.param("battery", 0.0, (4, -4), (4, 4, 4), id="a range upside down"),
        pytest.param("roof", -10.0, (-35, 0), (-20, 0, -20), id="a roof makes all it can"),
        pytest.param("roof", -10.0, None, (-14, 0, -14), id="a roof that does not tell rises a tenth of its rating"),
        pytest.param("roof", -39.0, None, (-40, -29, -40), id="and not above it"),
        pytest.param("roof", 0.3, (-35, 0), (-10, 0, -10), id="at night a roof takes a little: that is no range"),
        pytest.param("charger", 0.0, (0, 11), (0, 11, 11), id="a car charges as fast as it can"),
        pytest.param("charger", 0.0, (0, 0), (0, 0, 0), id="no car"),
    ],
)
def test_a_box_is_the_narrowest_of_folder_device_and_ramp(name, measured_kw, reported, expected):
    found = boxes_of({name: measured_kw}, reported={name: reported} if reported else None)
    assert box(found, name) == expected


@pytest.mark.parametrize(
    ("reported", "unseen_kw"),
    [
        pytest.param(None, 4, id="a roof that does not tell: a tenth of its rating is only believed"),
        pytest.param((-35, 0), 0, id="a roof that tells"),
    ],
)
def test_how_much_production_an_import_limit_must_not_count_on(reported, unseen_kw):
    found = boxes_of({"roof": -10.0}, reported={"roof": reported} if reported else None)
    assert dict(zip(PLACE, found.unseen_kw, strict=True)) == {"battery": 0, "roof": unseen_kw, "charger": 0}


@pytest.mark.parametrize(
    ("name", "reported", "unused", "unseen_kw", "unused_kw"),
    [
        pytest.param("charger", (0, 22), False, 0, 0, id="a charger that tells what it could take"),
        pytest.param("charger", None, False, 0, 14, id="one that does not tell may take nothing more"),
        pytest.param("charger", (0, 22), True, 0, 14, id="nor one that tells more than it comes to take"),
        pytest.param("charger", (0, 8), True, 0, 0, id="a car that takes all it can"),
        pytest.param("roof", (-35, 0), True, 18, 0, id="a roof that tells more than it comes to make"),
        pytest.param("battery", (-20, 20), True, 0, 0, id="a battery has to follow, or is taken out"),
    ],
)
def test_r16_what_is_planned_but_not_seen_helps_no_limit_that_needs_it(name, reported, unused, unseen_kw, unused_kw):
    measured_kw = {"charger": 8.0, "roof": -17.0, "battery": 5.0}
    said = {"charger": (0, 8), "roof": (-17, 0), "battery": (-20, 20), name: reported or (np.nan, np.nan)}
    found = boxes_of(measured_kw, reported=said, unused=(name,) if unused else ())
    at = PLACE[name]
    assert (found.unseen_kw[at], found.unused_kw[at]) == (min(unseen_kw, 10), unused_kw)  # the roof ramps 10 kW in 5 s
    assert found.unseen_kw.sum() + found.unused_kw.sum() == found.unseen_kw[at] + found.unused_kw[at]


def test_r16_a_stopped_asset_that_goes_on_counts_at_what_it_measures():
    stopped = {"battery": Kept(min_kw=0.0, max_kw=0.0, rest_kw=0.0)}
    found = boxes_of({"battery": 15.0}, idle=("battery",), kept=stopped)
    assert box(found, "battery") == (15, 15, 15)
    assert (found.least_told_kw[PLACE["battery"]], found.most_told_kw[PLACE["battery"]]) == (0, 0)


@pytest.mark.parametrize("measured_kw", [-20.0, 0.0, 7.5, 20.0])
def test_r16_an_asset_that_does_not_follow_counts_at_what_it_measures(measured_kw):
    found = boxes_of({"battery": measured_kw}, reported={"battery": (-1.0, 1.0)}, idle=("battery",))
    assert box(found, "battery") == (measured_kw, measured_kw, measured_kw)
    assert box(found, "roof") == box(boxes_of({}), "roof")


def test_an_asset_that_is_not_heard_is_planned_where_it_falls_back_to():
    found = boxes_of({"battery": 12.0, "charger": 9.0}, stale=("battery",))
    assert box(found, "battery") == (0, 0, 0)
    assert found.closed.tolist() == _without(["battery"]).tolist()


def test_r7_without_a_feeder_meter_all_assets_are_planned_where_they_fall_back_to():
    found = boxes_of({"battery": 12.0, "charger": 9.0}, feeders_fresh=False)
    assert [box(found, name) for name in ("battery", "roof", "charger")] == [(0, 0, 0), (0, 0, 0), (6, 6, 6)]
    assert not found.closed.any()


power_kw = st.floats(-60, 60) | st.just(np.nan)


@given(
    measured=st.tuples(power_kw, power_kw, power_kw),
    reported=st.tuples(*[st.tuples(power_kw, power_kw)] * 3),
    idle=st.sets(st.sampled_from(list(PLACE))),
)
def test_whatever_devices_say_no_box_is_empty_beyond_the_folder_or_out_of_reach(measured, reported, idle):
    said, told = (dict(zip(PLACE, column, strict=True)) for column in (measured, reported))
    found = boxes_of(said, reported=told, idle=idle, stale=[name for name in PLACE if np.isnan(said[name])])
    devices = PLANT.devices
    now_kw = np.where(np.isnan(measured), devices.reversion_kw, np.clip(measured, devices.min_kw, devices.max_kw))
    reach_kw = REACH_S * devices.ramp_kw_per_s + 1e-9
    assert (found.min_kw <= found.target_kw).all()
    assert (found.target_kw <= found.max_kw).all()
    assert (found.min_kw >= np.maximum(devices.min_kw, now_kw - reach_kw)).all()
    assert (found.max_kw <= np.minimum(devices.max_kw, now_kw + reach_kw)).all()
