"""A device that nobody hears counts at the worse end until its lease has run out (R1, R3, R6)."""

from dataclasses import replace

import numpy as np
import pytest

from connectors.dispatch.reversion import asset_rules
from hub.model import Judged, LimitLayer, NodeLimit
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from streams.obeying import Obeying
from tests.streams.small_park import FACTORY, OFFICE, QUARTER_START_US, SECOND_US, frame, small_hub
from tests.streams.virtual_park import de_koumen

LEASE_S = 60.0
STAGE_S = 20.0


def garages():
    """Two chargers of 100 kW behind connections of 10 kW, in one section that carries 150 kW."""
    hub = small_hub()
    connections = tuple(replace(c, section="north-1", contract_import_kw=10.0) for c in hub.connections[:2])
    chargers = tuple(
        replace(hub.assets[2], id=name, ean=ean, rated_kw=100.0, max_kw=100.0, ramp_kw_per_s=50.0)
        for name, ean in (("here", FACTORY), ("there", OFFICE))
    )
    limit = NodeLimit(
        node="north-1", layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=150.0, export_kw=None,
        source="invented",
    )  # fmt: skip
    return replace(hub, connections=connections, assets=chargers, limits=(limit,))


class Garages:
    """Their grid loop, a tick each second; the router of the first may be dead."""

    def __init__(self):
        self.loop = GridLoop(garages(), "north")
        self.loop.begin(Epoch(1, 1, 1))
        self.names = [asset.id for asset in self.loop.plant.assets]
        self.told_kw = dict.fromkeys(self.names, 0.0)

    def turn(self, second, *, dead=False):
        now_us = QUARTER_START_US + second * SECOND_US
        here_kw, there_kw = self.told_kw["here"], self.told_kw["there"]
        powers_kw = {OFFICE: there_kw, "there": there_kw, "north/a": here_kw + there_kw, "north/b": 0.0}
        powers_kw |= {} if dead else {FACTORY: here_kw, "here": here_kw}
        assert self.loop.fold(frame(now_us, powers_kw), received_at_us=now_us) == ()
        setpoints = self.loop.balance(tick=second, now_us=now_us).setpoints
        if setpoints.full:
            told_kw = dict(zip(setpoints.ids, setpoints.power_kw, strict=True))
            # behind a dead router a device goes on with what it was told
            self.told_kw = told_kw | ({"here": here_kw} if dead else {})


def test_r6_a_dead_router_leaves_its_charger_counted_at_what_it_may_obey_until_the_lease_ends():
    park = Garages()
    for second in range(60):
        park.turn(second)
    assert park.told_kw == pytest.approx({"here": 75, "there": 75}, abs=0.1)
    there_kw = []
    for second in range(60, 160):
        if second == 60 + LEASE_S:
            park.told_kw["here"] = 0.0
        park.turn(second, dead=True)
        there_kw.append(park.told_kw["there"])
    # unheard from the 6th second on, and its load may drift to the 10 kW of its contract within 30 s
    assert there_kw[30:85] == pytest.approx([65] * 55, abs=0.1)
    assert max(there_kw[:85]) < 75.1
    assert there_kw[95:] == pytest.approx([100] * 5, abs=0.1)


def test_the_section_is_never_above_its_limit_while_the_charger_goes_on():
    park = Garages()
    for second in range(60):
        park.turn(second)
    for second in range(60, 60 + round(LEASE_S)):
        park.turn(second, dead=True)
        assert sum(park.told_kw.values()) <= 150.1


@pytest.fixture
def obeying():
    """The small park's north: a battery between -100 and 100 kW (place 0) and a roof, neither told anything yet."""
    loop = GridLoop(small_hub(), "north")
    return Obeying(loop.plant, LEASE_S)


def told(obeying, battery_kw, *, at_s, heard_s=None, closed=True):
    now_us = QUARTER_START_US + at_s * SECOND_US
    measured_us = np.full(2, QUARTER_START_US + (at_s if heard_s is None else heard_s) * SECOND_US)
    kw = np.where(obeying.plant.is_battery, battery_kw, -30.0)
    obeying.tell(kw, closed=np.full(2, closed), measured_us=measured_us, now_us=now_us)


def battery_kw(obeying, *, at_s, measured_kw=np.nan):
    span = obeying.beyond_reversion(np.full(2, measured_kw), now_us=QUARTER_START_US + at_s * SECOND_US)
    at = int(np.flatnonzero(obeying.plant.is_battery)[0])
    return [span.low_kw[at], span.high_kw[at]]


def test_what_a_predecessor_told_is_not_known_and_may_be_anything(obeying):
    assert battery_kw(obeying, at_s=0) == [-100, 100]
    told(obeying, 10.0, at_s=0)
    assert battery_kw(obeying, at_s=1) == [-100, 100]


def test_once_heard_again_only_what_was_told_around_the_reading_counts(obeying):
    told(obeying, 10.0, at_s=0)
    told(obeying, 30.0, at_s=1)
    assert battery_kw(obeying, at_s=1) == [0, 30]
    told(obeying, -20.0, at_s=2, heard_s=1)
    assert battery_kw(obeying, at_s=2) == [-20, 30]


def test_what_it_measured_counts_where_that_is_worse(obeying):
    told(obeying, 10.0, at_s=0)
    told(obeying, 30.0, at_s=1)
    assert battery_kw(obeying, at_s=1, measured_kw=45.0) == [0, 45]


def test_after_the_lease_a_battery_ramps_home(obeying):
    told(obeying, 80.0, at_s=0)
    told(obeying, 80.0, at_s=1)
    told(obeying, 0.0, at_s=2, heard_s=1, closed=False)
    lease_end_s = 1 + round(LEASE_S + 2 * STAGE_S)
    found = [battery_kw(obeying, at_s=lease_end_s + after_s)[1] for after_s in (-50, 0, 1, 2)]
    assert found == [80, 80, 30, 0]


def test_a_roof_that_is_not_heard_counts_for_an_import_limit_as_nothing_and_for_export_as_it_was_told(obeying):
    told(obeying, 0.0, at_s=0)
    told(obeying, 0.0, at_s=1)
    span = obeying.beyond_reversion(np.full(2, -10.0), now_us=QUARTER_START_US)
    at = int(np.flatnonzero(obeying.plant.is_pv)[0])
    assert [span.low_kw[at], span.high_kw[at]] == [-30, 0]


def test_a_lease_here_is_never_shorter_than_dispatch_lets_a_device_keep_it():
    hub = de_koumen()
    for name, rules in asset_rules(hub).items():
        mine = Obeying(GridLoop(hub, name).plant, hub.timing.device_lease_s)
        for asset, lease_us in zip(mine.plant.assets, mine._lease_us, strict=True):
            assert lease_us >= rules[asset.id].lease_s * 1e6
