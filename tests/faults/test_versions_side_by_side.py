"""A rolling upgrade: grid loops of an older and of a newer version in one park come to the setpoints of one version.

What an older version writes is what the golden files of version 1 have; a newer one writes fields that nobody here knows.
"""

import dataclasses
import json
from pathlib import Path

import pytest

from connectors.simulation.closed_loop import ClosedLoop
from connectors.simulation.second_run import park_of
from streams.codec import decode_budget, decode_offer, decode_setpoint, decode_state, decode_telemetry, encode
from tests.connectors.simulation.simulated import plan_of, session
from tests.streams.small_park import BAKERY, FACTORY, OFFICE, PLAZA

GOLDEN = Path(__file__).parents[1] / "golden/v1"
FILES = {
    "telemetry": ["telemetry"],
    "offer": ["offer"],
    "budget": ["budget"],
    "setpoint": ["setpoint-full", "setpoint-renewal"],
    "state": ["loop-state"],
}
DECODE = {
    "telemetry": decode_telemetry,
    "offer": decode_offer,
    "budget": decode_budget,
    "setpoint": decode_setpoint,
    "state": decode_state,
}
OLD_FIELDS = {
    kind: set().union(*(json.loads((GOLDEN / f"{name}.json").read_bytes()) for name in names))
    for kind, names in FILES.items()
}


def older(kind, tree):
    return {field: value for field, value in tree.items() if field in OLD_FIELDS[kind]}


def newer(_kind, tree):
    return tree | {"field_of_tomorrow": [{"said": "by whom"}], "another": None}


def same(_kind, tree):
    return tree


class OtherVersion:
    """A grid loop between which and the others everything goes over the wire as `version` writes it."""

    def __init__(self, loop, version):
        self._loop, self._version = loop, version

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def _over_the_wire(self, kind, message):
        return DECODE[kind](json.dumps(self._version(kind, json.loads(encode(message)))).encode())

    def fold(self, frame, **when):
        return self._loop.fold(self._over_the_wire("telemetry", frame), **when)

    def offer(self, **when):
        return self._over_the_wire("offer", self._loop.offer(**when))

    def receive_budget(self, budget, **when):
        return self._loop.receive_budget(self._over_the_wire("budget", budget), **when)

    def balance(self, **when):
        cycle = self._loop.balance(**when)
        setpoints = self._over_the_wire("setpoint", cycle.setpoints)
        return dataclasses.replace(cycle, setpoints=setpoints, state=self._over_the_wire("state", cycle.state))


def lived(north, south, *, seconds=40):
    """Setpoints and powers of every second of a park whose battery, roof and charger all have to give way."""
    loads_kw = {FACTORY: 60.0, OFFICE: 10.0, PLAZA: 90.0, BAKERY: 90.0, "roof": -40.0}
    cars = [session("charger", from_min=-1, to_min=60, kwh=30, max_kw=50)]
    plan = plan_of(loads_kw, minutes=2, sessions=cars)
    loop = ClosedLoop(plan.hub, park_of(plan), faults=plan.faults)
    loop.loops = {
        name: OtherVersion(loop.loops[name], version) for name, version in (("north", north), ("south", south))
    }
    said = [[(frame.ids, frame.power_kw, frame.reason) for frame in loop.turn().setpoints] for _ in range(seconds)]
    return said, loop.state.asset_w.tolist()


@pytest.mark.parametrize(
    ("north", "south"), [(older, newer), (newer, older), (older, same), (same, newer)], ids=lambda each: each.__name__
)
def test_versions_side_by_side_decide_as_one(north, south):
    assert lived(north, south) == lived(same, same)


def test_an_older_version_does_not_know_some_field_of_today():
    read = {kind: decode((GOLDEN / f"{FILES[kind][0]}.json").read_bytes()) for kind, decode in DECODE.items()}
    assert any(set(message.__struct_fields__) - OLD_FIELDS[kind] for kind, message in read.items())
