"""The grid operator lowers what a part of a running park may carry to 30 %: De Koumen in virtual time, devices included."""

import pytest

from streams.codec import encode
from streams.limit_changes import Done, Pending, Person, confirm_limit, state_limit, withdraw_limit
from streams.limit_entries import limit_key
from streams.limit_messages import LimitBlock, LimitTerms
from streams.park_limits import ParkLimits
from tests.streams.virtual_park import Park, de_koumen

FOLLOWS_S = 8
"""Batteries and roofs are there by then; what it took is printed."""
CLOUD_KW = 5.0
"""What sun and loads of a loop change between a reading and the devices' answer; only the park has a margin for that."""


class CappedPark:
    """A park with somebody who states limits, and a second person."""

    def __init__(self, scenario, node):
        self.park, self.limits, self.node = Park(scenario).turn(40), ParkLimits(de_koumen()), node
        self.at = self.park.plant.network.node_ids.index(node)

    def write(self, change):
        key = limit_key("de-koumen", change.entry.node, change.entry.id)
        assert self.limits.fold(key, encode(change.entry), ()) is None
        return change

    def cap(self, *, seconds=None, **kw):
        now_us = self.park.now_us
        terms = LimitTerms(
            layer="dso_cap", judged="instant", blocks=[LimitBlock(**kw)], from_us=now_us,
            until_us=None if seconds is None else now_us + seconds * 1_000_000, source="RTI", who="els", why="full",
            stated_us=now_us,
        )  # fmt: skip
        return self.write(state_limit(self.limits.known, self.node, "cap", terms, now_us=now_us))

    def turn(self, seconds):
        """Power of the node after each second, by the park's own physics."""
        powers_kw = []
        for _ in range(seconds):
            if (limits := self.limits.due(self.park.now_us)) is not None:
                for controller in (*self.park.loops.values(), self.park.station):
                    controller.take_limits(limits)
            self.park.turn()
            powers_kw.append(self.park.state.node_w[self.at] / 1000)
        return powers_kw

    def told(self, side):
        """Effective limit of the node in the last tick, and whose it is."""
        state = self.park.clearing.state if self.node in ("park", "group") else self.park.cycles[self.node].state
        at = state.nodes.ids.index(self.node)
        return getattr(state.nodes, f"limit_{side}_kw")[at], getattr(state.nodes, f"limit_{side}_layer")[at]


def test_a_loop_told_to_feed_in_30_percent_does_so_within_seconds_until_two_people_release_it():
    loop = CappedPark("sunny-noon", "lus-1")
    before_kw = loop.park.state.node_w[loop.at] / 1000
    assert before_kw < -100
    assert isinstance(loop.cap(export_kw=75.0), Done)
    powers_kw = loop.turn(30)
    assert loop.told("export") == (75, "dso_cap")
    slow_s = sum(1 for kw in powers_kw if kw < -75 - CLOUD_KW)
    print(f"lus-1 fed in {-before_kw:.0f} kW; a cap of 75 kW was kept after {slow_s} s")
    assert min(powers_kw[FOLLOWS_S:]) >= -75 - CLOUD_KW
    assert sum(powers_kw[FOLLOWS_S:]) / len(powers_kw[FOLLOWS_S:]) >= -75 * 1.02
    withdraw = withdraw_limit(loop.limits.known, "lus-1", "cap", person=Person("els"), why="-", now_us=loop.park.now_us)
    assert isinstance(loop.write(withdraw), Pending)
    assert min(loop.turn(10)) >= -75 - CLOUD_KW
    loop.write(confirm_limit(loop.limits.known, "lus-1", "cap", person=Person("bas"), now_us=loop.park.now_us))
    loop.turn(1)
    assert loop.told("export")[1] == "budget"
    loop.turn(20)
    assert loop.told("export")[0] > 100


def test_the_park_told_to_draw_less_on_a_winter_evening_does_and_takes_it_back_when_the_cap_ends():
    park = CappedPark("winter-evening", "park")
    before_kw = park.park.power_kw[-1]
    cap_kw = float(before_kw) - 400
    park.cap(import_kw=cap_kw, seconds=60)
    powers_kw = park.turn(60)
    print(
        f"the park drew {before_kw:.0f} kW, under a cap of {cap_kw:.0f} kW at most {max(powers_kw[FOLLOWS_S:]):.0f} kW"
    )
    assert park.told("import") == (pytest.approx(cap_kw - de_koumen().margin.import_kw), "dso_cap")
    assert max(powers_kw[FOLLOWS_S:]) <= cap_kw
    assert park.turn(60)[-1] > cap_kw
