"""What a worker says of a ring that the meters contradict: once, for everybody, and again when it is over."""

from streams.codec import encode
from streams.guard_messages import Condition
from streams.open_point_sayings import OpenPointSayings
from streams.topics import CONDITION, TOPOLOGY
from streams.topology_changes import confirm_open_point, move_open_point
from streams.topology_entries import ParkTopology
from streams.two_people import Person
from tests.streams.test_moved_ring import NOW_US, Ring
from tests.streams.test_topology_changes import KEY, hub


class Worker:
    """One that balances north, and reads what it and others said."""

    def __init__(self):
        self.ring, self.park = Ring(), ParkTopology(hub())
        self.sayings, self.is_read = OpenPointSayings(self.park.known, "worker-1"), True

    def tick(self, open_after):
        """What it says after a tick in which the meters show that."""
        if (moved := self.park.due(NOW_US)) is not None:
            self.ring.loop.move_open_point(moved, moved.limits)
        self.ring.hear(open_after).balanced()
        said = list(self.sayings.after_tick(self.ring.loop, now_us=NOW_US + self.ring.tick))
        for topic, key, message in said:
            if topic is TOPOLOGY and self.is_read:
                assert (key, self.park.fold(key, encode(message), ())) == (KEY, None)
        return [(topic, message) for topic, _, message in said]

    def ticks(self, open_after, times):
        return [each for _ in range(times) for each in self.tick(open_after)]

    def write(self, change):
        assert self.park.fold(KEY, encode(change.entry), ()) is None


def conditions(said):
    return [(each.id, str(each.phase)) for _, each in said if isinstance(each, Condition)]


def test_a_contradiction_is_written_for_everybody_and_said_until_two_people_find_the_point_again():
    worker = Worker()
    assert worker.ticks(1, 15) == []
    said = worker.ticks(2, 15)
    assert [topic for topic, _ in said] == [TOPOLOGY, CONDITION]
    assert conditions(said) == [("open_point_unknown/north", "seen")]
    assert said[1][1].text.startswith("worker-1: north/a measures 40.0 kW more")
    assert worker.ring.loop.open_point.positions == (1, 2)
    known, at_us = worker.park.known, NOW_US + 100
    worker.write(move_open_point(known, "north", 2, person=Person("els"), why="found", now_us=at_us))
    worker.write(confirm_open_point(known, "north", person=Person("bas"), now_us=at_us))
    assert conditions(worker.ticks(2, 30)) == [("open_point_unknown/north", "gone")]
    assert worker.ring.loop.open_point.positions == (2,)


def test_a_contradiction_that_got_lost_on_the_way_is_said_again():
    worker = Worker()
    worker.is_read = False
    said = worker.ticks(2, 35)
    assert [topic for topic, _ in said] == [TOPOLOGY] * 3


def test_who_takes_a_ring_over_says_how_it_is():
    worker = Worker()
    worker.ticks(2, 15)
    worker.sayings = OpenPointSayings(worker.park.known, "worker-2")
    assert conditions(worker.tick(2)) == [("open_point_unknown/north", "seen")]
