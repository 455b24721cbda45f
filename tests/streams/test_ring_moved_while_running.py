"""De Koumen in virtual time: somebody moves the open point of lus-3 in the middle of a quarter, or of nobody knows.

Between sections 4 and 5 at first, between 3 and 4 after it: section 4 comes from feeder a to feeder b. The physics have
cables of their own (`connectors.simulator.network`), so what is judged is what really flows.
"""

from dataclasses import replace

import pytest

from connectors.simulation.closed_loop import SECOND_US, ClosedLoop
from connectors.simulation.faults import Faults
from connectors.simulator.building import build_park
from connectors.simulator.network import Network, build_network
from connectors.simulator.scenarios import scenario_named
from hub.model import Judged, LimitLayer, NodeLimit, Position
from hub.open_point import carried
from hub.profiles import read_profiles
from streams.codec import encode
from streams.park_limits import ParkLimits
from streams.topics import key_of
from streams.topology_changes import confirm_open_point, doubt_open_point, move_open_point
from streams.topology_entries import ParkTopology
from streams.two_people import Done, Pending, Person
from tests.streams.virtual_park import DE_KOUMEN, QUARTER_START_US, de_koumen

RING, BEFORE, AFTER = "lus-3", 4, 3
CLOUD_KW = 5.0
"""What sun and loads change between a reading and the devices' answer; only the park has a margin for that."""
FOLLOWS_S = 15


class MovedPark:
    """The park, its workers, and two people who move the open point; `turn` is a second."""

    def __init__(self, *limits, scenario="winter-evening"):
        whole = de_koumen()
        positions = tuple(
            Position(open_after=at, import_kw=None, export_kw=None, source="test") for at in (BEFORE, AFTER)
        )
        loops = tuple(replace(each, positions=positions) if each.id == RING else each for each in whole.grid_loops)
        self.hub = replace(whole, grid_loops=loops, limits=(*whole.limits, *limits))
        self.ring = next(loop for loop in loops if loop.id == RING)
        plant = build_park(
            self.hub, read_profiles(DE_KOUMEN, self.hub), scenario=scenario_named(scenario),
            began_us=QUARTER_START_US + 300 * SECOND_US,
        )  # fmt: skip
        self.closed = ClosedLoop(self.hub, plant, faults=Faults())
        self.topology, self.limits = ParkTopology(self.hub), ParkLimits(self.hub)
        self.at = {node: at for at, node in enumerate(plant.network.node_ids)}
        self.contradicted = []

    def switch(self, open_after):
        """Open the ring there, really."""
        loops = [replace(each, open_after=open_after) if each.id == RING else each for each in self.hub.grid_loops]
        there, here = build_network(replace(self.hub, grid_loops=tuple(loops))), self.closed.park.network
        rows = [there.node_ids.index(node) for node in here.node_ids]
        self.closed.park = replace(self.closed.park, network=Network(here.node_ids, there.below[rows]))

    def say(self, outcome):
        assert isinstance(outcome, Done | Pending), outcome
        assert self.topology.fold(key_of(self.hub.id, RING), encode(outcome.entry), ()) is None

    def move(self):
        now_us = self.closed.now_us
        self.say(move_open_point(self.topology.known, RING, AFTER, person=Person("els"), why="works", now_us=now_us))

    def confirm(self):
        self.say(confirm_open_point(self.topology.known, RING, person=Person("bas"), now_us=self.closed.now_us))

    def turn(self, seconds):
        """Power of all nodes after each second, by the park's own physics, kW."""
        rows = []
        for _ in range(seconds):
            self._renew()
            self.closed.turn()
            loop = self.closed.loops[RING]
            if loop.contradiction is not None:
                self.contradicted.append((self.closed.now_us, str(loop.contradiction)))
                doubt = doubt_open_point(
                    self.topology.known, RING, by="worker", why=str(loop.contradiction), now_us=self.closed.now_us
                )
                self.say(doubt)
            rows.append({node: self.closed.state.node_w[at] / 1000 for node, at in self.at.items()})
        return rows

    def _renew(self):
        """As `streams.conductor` does, before each tick."""
        hub = self.topology.due(self.closed.now_us)
        if hub is not None:
            self.limits.place(hub)
        limits = self.limits.due(self.closed.now_us)
        if limits is not None:
            for loop in self.closed.loops.values():
                loop.move_open_point(hub or loop.plant.hub, limits)
            self.closed.station.take_limits(limits)

    @property
    def told(self):
        """What the ring's last tick said of its open point, and of each node its state."""
        state = self.closed.cycles[RING].state
        nodes = state.nodes
        return state.open_point, state.open_after, dict(zip(nodes.ids, nodes.quarter_import_kw, strict=True))


def cap(node, import_kw):
    return NodeLimit(
        node=node, layer=LimitLayer.PROTECTION, judged=Judged.INSTANT, import_kw=import_kw, export_kw=None, source="test"
    )  # fmt: skip


def free_kw(node):
    """What the node carries with the point before and after, with no limit of its own."""
    park = MovedPark()
    before_kw = park.turn(20)[-1][node]
    park.switch(AFTER)
    return before_kw, park.turn(1)[-1][node]


def test_a_feeder_keeps_its_limit_before_during_and_after_a_move_in_the_middle_of_a_quarter():
    before_kw, after_kw = free_kw(f"{RING}/b")
    limit_kw = (before_kw + after_kw) / 2
    print(f"{RING}/b carries {before_kw:.0f} kW, and {after_kw:.0f} kW with section 4; limit {limit_kw:.0f} kW")
    assert after_kw > before_kw + 2 * CLOUD_KW, "the test needs a section with a load"
    park = MovedPark(cap(f"{RING}/b", float(limit_kw)))
    park.turn(30)
    park.move()
    prepared = park.turn(FOLLOWS_S)
    assert park.told[:2] == ("switching", [AFTER, BEFORE])
    park.switch(AFTER)
    switched = park.turn(20)
    park.confirm()
    confirmed = park.turn(30)
    assert park.told[:2] == ("confirmed", [AFTER])
    for name, rows in (("prepared", prepared[-1:]), ("switched", switched), ("confirmed", confirmed)):
        most_kw = max(row[f"{RING}/b"] for row in rows)
        print(f"{name}: at most {most_kw:.1f} kW")
        assert most_kw <= limit_kw + CLOUD_KW
    assert park.contradicted == []


def test_what_each_feeder_used_in_the_quarter_is_its_own_wherever_the_point_lay():
    park = MovedPark()
    rows = park.turn(60)
    park.move()
    rows += park.turn(10)
    park.switch(AFTER)
    rows += park.turn(50)
    park.confirm()
    rows += park.turn(60)
    for arm in (f"{RING}/a", f"{RING}/b"):
        really_kw = sum(max(row[arm], 0.0) for row in rows) / len(rows)
        assert park.told[2][arm] == pytest.approx(really_kw, rel=0.01)
    by_ends = [sum(row[f"{RING}/b"] for row in part) / len(part) for part in (rows[:60], rows[-60:])]
    assert by_ends[1] > by_ends[0] + CLOUD_KW, "the test needs a section with a load"


def test_no_tick_of_a_move_lacks_a_limit():
    park = MovedPark(cap(f"{RING}/a", 900.0), cap(f"{RING}/b", 900.0))
    loop = park.closed.loops[RING]
    limited = {(loop.plant.node_ids[b.node], b.layer, b.imports) for b in loop.plant.bounds}
    steps = {3: park.move, 8: lambda: park.switch(AFTER), 12: park.confirm}
    for second in range(20):
        steps.get(second, lambda: None)()
        park.turn(1)
        plant = loop.plant
        assert limited <= {(plant.node_ids[b.node], b.layer, b.imports) for b in plant.bounds}
        kept = {(plant.node_ids[b.node], b.imports) for b in plant.bounds if b.reserve_kw > 0}
        in_doubt = park.told[0] == "switching"
        assert kept >= ({(f"{RING}/a", True), (f"{RING}/b", True)} if in_doubt else set())


def test_a_ring_that_is_switched_unannounced_is_in_doubt_within_12_s_and_its_limits_hold_again():
    _, after_kw = free_kw(f"{RING}/b")
    park = MovedPark(cap(f"{RING}/b", float(after_kw) - 20.0))
    park.turn(30)
    park.switch(AFTER)
    switched_us = park.closed.now_us
    rows = park.turn(40)
    (found_us, why), *again = park.contradicted
    print(f"found after {(found_us - switched_us) / SECOND_US:.0f} s: {why}")
    assert again == []
    assert found_us - switched_us <= 12 * SECOND_US
    assert f"fit open after {AFTER}" in why
    assert park.told[:2] == ("unknown", [AFTER, BEFORE])
    assert max(row[f"{RING}/b"] for row in rows[12 + FOLLOWS_S :]) <= after_kw - 20.0 + CLOUD_KW


@pytest.mark.parametrize("scenario", ["sunny-noon", "winter-evening"])
def test_nothing_contradicts_a_park_that_is_as_it_should_be(scenario):
    park = MovedPark(scenario=scenario)
    park.turn(120)
    assert park.contradicted == []


def test_the_physics_agree_with_what_each_position_carries():
    park = MovedPark()
    for position in (BEFORE, AFTER):
        park.switch(position)
        network = park.closed.park.network
        on = {
            section.id: {c.ean for c in park.hub.connections if c.section == section.id}
            for section in park.ring.sections
        }
        for node, sections in carried(park.ring, position).items():
            row = network.below[network.node_ids.index(node)]
            eans = {c.ean for c, below in zip(park.hub.connections, row, strict=True) if below}
            assert eans == set().union(*(on[section] for section in sections))
