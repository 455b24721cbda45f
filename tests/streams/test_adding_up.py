"""A ring that stopped adding up: who stood still meanwhile is believed no longer (R5)."""

import random

import pytest

from streams.disbelief_rows import CONTRADICTED_S
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from tests.streams.small_park import FACTORY, OFFICE, QUARTER_START_US, SECOND_US, frame, north_kw, small_hub
from tests.streams.virtual_park import Park


class North:
    """The small park's grid loop north, a tick each second: two arms, each with a feeder and one connection."""

    def __init__(self):
        self.loop = GridLoop(small_hub(), "north")
        self.loop.begin(Epoch(1, 1, 1))
        self.second = 0
        self.chance = random.Random(7)

    def turn(self, seconds=1, *, factory=80.0, silent=(), **shown_kw):
        """Loads as given, the office's about 40 kW; meters show that, or what is given by their names."""
        for _ in range(seconds):
            self.second += 1
            at_us = QUARTER_START_US + self.second * SECOND_US
            powers_kw = north_kw(factory=factory, office=40 + self.chance.random())
            powers_kw |= {point: kw for point, kw in self.named(shown_kw).items() if kw is not None}
            powers_kw = {point: kw for point, kw in powers_kw.items() if point not in silent}
            assert self.loop.fold(frame(at_us, powers_kw), received_at_us=at_us) == ()
            self.state = self.loop.balance(tick=self.second, now_us=at_us).state
        return self.state.contradicted

    @staticmethod
    def named(shown_kw):
        points = {"factory_meter": FACTORY, "office_meter": OFFICE, "feeder": "north/a"}
        return {points[name]: kw for name, kw in shown_kw.items()}

    def fresh(self):
        return dict(zip(self.state.nodes.ids, self.state.nodes.fresh, strict=True))


@pytest.fixture
def north():
    """A ring that added up for long, its factory at 80 kW."""
    park = North()
    assert park.turn(100) == []
    return park


LONG_S = round(CONTRADICTED_S) + 2


def test_a_connection_whose_driver_repeats_its_last_values_is_contradicted_by_its_feeder(north):
    assert north.turn(LONG_S - 4, factory=150.0, factory_meter=80.0) == []
    assert north.turn(4, factory=150.0, factory_meter=80.0) == [FACTORY]
    assert north.fresh() == {FACTORY: False, "north-1": False} | dict.fromkeys(
        ("north", "north/a", "north/b", "north-2", OFFICE), True
    )


def test_a_feeder_whose_driver_repeats_its_last_values_opens_the_loop(north):
    for second in range(LONG_S):
        contradicted = north.turn(factory=150.0 + second / 10, feeder=80.0)
    assert contradicted == ["north/a"]
    assert north.state.mode == "fallback"


def test_who_moves_is_believed_though_nothing_adds_up(north):
    for second in range(200):
        assert north.turn(factory=150.0, factory_meter=80 + second / 100, feeder=150 + second / 100) == []


def test_a_meter_that_wakes_up_is_believed_at_once(north):
    assert north.turn(LONG_S, factory=150.0, factory_meter=80.0) == [FACTORY]
    assert north.turn(factory=150.0) == []


def test_a_ring_with_neighbours_that_no_meter_tells_is_not_judged():
    park = North()
    park.turn(100, feeder=200.0)
    assert park.turn(200, factory=150.0, factory_meter=80.0, feeder=270.0) == []


def test_who_is_contradicted_stays_so_while_another_meter_is_silent(north):
    assert north.turn(LONG_S, factory=150.0, factory_meter=80.0) == [FACTORY]
    assert north.turn(20, factory=150.0, factory_meter=80.0, silent=("north/a",)) == [FACTORY]


def test_all_constant_and_adding_up_is_believed_for_ever(north):
    assert north.turn(1000) == []


@pytest.mark.parametrize("scenario", ["sunny-noon", "winter-evening"])
def test_in_a_healthy_park_nobody_is_contradicted(scenario):
    park = Park(scenario)
    for _ in range(150):
        park.turn()
        assert [cycle.state.contradicted for cycle in park.cycles.values()] == [[]] * len(park.loops)
        assert park.clearing.state.contradicted == []
    assert all(loop._adding_up.added_up for loop in park.loops.values())
