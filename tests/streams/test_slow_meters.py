"""Meters that are slow and late: the park stays within what a relay bears, and does not swing with their readings.

In virtual time: the meters of De Koumen read every 1, 10 or 60 s and told up to 15 s later, its devices every second.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from connectors.simulation.faults import Faults
from hub.margins import park_margin
from hub.tolerance import TOLERANCE
from hub.tree import build_tree
from streams.grid_loop import GridLoop
from tests.streams.small_park import FACTORY, QUARTER_START_US, frame, small_hub
from tests.streams.virtual_park import SECOND_US, Park, de_koumen

LATE_S = 15
STALE_MORE_S = 5.0
RAMP_S = {"charger": 6.0, "pv": 10.0}
RUN_S, SETTLED_S = 200, 100
LIMIT_KW = 3740
"""Of the park's import, at any instant."""


@dataclass(frozen=True, kw_only=True)
class Slow(Faults):
    """Rows of the meters come once a cadence, and late; those of the assets as ever."""

    assets: frozenset
    cadence_s: int
    lateness_s: int
    under_way: dict = field(default_factory=dict)
    """Per gateway, what its meters were read at: instant, row of each column by point."""

    def masked(self, frame, at_us):
        waiting = self.under_way.setdefault(frame.gateway, [])
        names = [name for name in frame.__struct_fields__ if isinstance(getattr(frame, name), list)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*(getattr(frame, n) for n in names), strict=True)]
        for number, row in enumerate(rows):
            if row["ids"] not in self.assets and (at_us // SECOND_US + 7 * number) % self.cadence_s == 0:
                late_s = (at_us // SECOND_US + number) % (self.lateness_s + 1)
                waiting.append((at_us + late_s * SECOND_US, row))
        told = [row for row in rows if row["ids"] in self.assets]
        told += [row for due_us, row in waiting if due_us <= at_us]
        waiting[:] = [each for each in waiting if each[0] > at_us]
        return type(frame)(**(_fields(frame) | {name: [row[name] for row in told] for name in names}))


def _fields(frame):
    return {name: getattr(frame, name) for name in frame.__struct_fields__}


def slow_hub(cadence_s, lateness_s, *, margin_kw):
    """De Koumen as its folder would state it, with chargers of 6 s and inverters of 10 s."""
    hub = de_koumen()
    timing = replace(
        hub.timing, meter_cadence_s=float(cadence_s), lateness_s=lateness_s + 0.5, actuator_s=max(RAMP_S.values()),
        stale_after_s=cadence_s + lateness_s + STALE_MORE_S,
    )  # fmt: skip
    assets = tuple(
        replace(asset, ramp_kw_per_s=asset.rated_kw / RAMP_S[asset.kind]) if asset.kind in RAMP_S else asset
        for asset in hub.assets
    )
    hub = replace(hub, timing=timing, assets=assets)
    needed = park_margin(hub, build_tree(hub))
    import_kw, export_kw = (needed.import_kw, needed.export_kw) if margin_kw is None else (margin_kw, margin_kw)
    return replace(hub, margin=replace(hub.margin, import_kw=import_kw, export_kw=export_kw))


def run(scenario, cadence_s, lateness_s, *, margin_kw=None):
    """Power of the park second by second; without a margin it keeps what so long a reaction needs."""
    park = Park(scenario, slow_hub(cadence_s, lateness_s, margin_kw=margin_kw))
    assets = frozenset(asset.id for asset in park.plant.assets)
    park.faults = Slow(assets=assets, cadence_s=cadence_s, lateness_s=lateness_s)
    kw = np.array(park.turn(RUN_S).power_kw)
    print(f"{scenario}, meters every {cadence_s} s, {lateness_s} s late: {kw[SETTLED_S:].min():.0f} to "
          f"{kw[SETTLED_S:].max():.0f} kW; {np.round(kw[::10]).astype(int).tolist()}")  # fmt: skip
    return kw


SLOW = pytest.mark.parametrize("cadence_s", [10, 60])


@SLOW
def test_the_park_does_not_swing_with_the_readings_of_slow_meters(cadence_s):
    kw = run("sunny-noon", cadence_s, LATE_S, margin_kw=100.0)[SETTLED_S:]
    assert kw.min() >= 0
    assert np.ptp(kw) < 100


def test_clouds_that_slow_meters_see_late_make_no_export_within_the_margin():
    assert run("cloudy", 10, LATE_S)[SETTLED_S:].min() >= 0


@SLOW
def test_on_a_winter_evening_slow_meters_let_nothing_cross_the_curve_of_the_relay(cadence_s):
    kw = run("winter-evening", cadence_s, LATE_S, margin_kw=80.0)
    for times, seconds in TOLERANCE:
        assert longest_above_s(kw, LIMIT_KW * times) <= seconds
    assert np.ptp(kw[SETTLED_S:]) < 100


def longest_above_s(power_kw, limit_kw):
    above, longest = 0, 0
    for kw in power_kw:
        above = above + 1 if kw > limit_kw else 0
        longest = max(longest, above)
    return longest


class Factory:
    """Grid loop north of the small park; the factory's meter is read once a minute, told 15 s later, its battery's not."""

    def __init__(self):
        hub = small_hub()
        slow = replace(hub.connections[0], meter_cadence_s=60.0, meter_lateness_s=15.0)
        self.loop = GridLoop(replace(hub, connections=(slow, *hub.connections[1:])), "north")
        self.at = self.loop.plant.node_ids.index(FACTORY)
        for second in range(16):  # the battery begins to charge, 5 kW more each second
            self.hear(second, {"battery": 5.0 * second})
        self.hear(0, {FACTORY: 80.0}, heard_s=15)

    def hear(self, second, powers_kw, *, heard_s=None):
        heard_us = QUARTER_START_US + (second if heard_s is None else heard_s) * SECOND_US
        self.loop.fold(frame(QUARTER_START_US + second * SECOND_US, powers_kw), received_at_us=heard_us)

    def known(self, second):
        known = self.loop._look(tick=0, now_us=QUARTER_START_US + second * SECOND_US).known
        return [span[self.at] for span in (known.uncontrolled.low_kw, known.uncontrolled.high_kw, known.power.low_kw)]


def test_what_a_battery_did_since_its_slow_meter_was_read_is_no_load():
    factory = Factory()
    assert factory.known(15) == pytest.approx([80, 80, 80 + 75])
    factory.hear(10, {FACTORY: 90.0 + 50.0}, heard_s=25)
    factory.hear(25, {"battery": 0.0})
    assert factory.known(25) == pytest.approx([90, 90, 90])


@pytest.mark.parametrize(("second", "is_known"), [(78, True), (79, False)])
def test_a_slow_meter_is_believed_as_long_as_its_next_reading_may_take(second, is_known):
    factory = Factory()
    factory.hear(second, {"battery": 0.0})
    low_kw, high_kw, _ = factory.known(second)
    assert bool(low_kw == high_kw == 80) is is_known


def test_a_silent_battery_may_do_anything_behind_a_slow_meter_that_tells_on():
    assert Factory().known(40)[:2] == pytest.approx([80 - 100, 80 + 100])
