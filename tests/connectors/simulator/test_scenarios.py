"""The scenarios show what they say, with the figures of De Koumen: what would happen if nobody balanced."""

import numpy as np
import pytest

from connectors.simulator.scenarios import SCENARIOS, ScenarioError, scenario_named
from hub.model import Judged
from tests.connectors.simulator.park_words import FREE, SECOND_US, by_kind, node_kw


def unbalanced(park, *, minutes, **changes):
    """States of every second with all devices free but the kinds in `changes`; batteries rest."""
    state, free_kw = park.start(), by_kind(park, **FREE | changes)
    for _ in range(minutes * 60):
        state = park.step(state, free_kw, at_us=state.at_us + SECOND_US)
        yield state


def quarter_limits(hub):
    return {limit.node: limit for limit in hub.limits if limit.judged is Judged.QUARTER}


def test_sunny_noon_would_export_all_the_time_and_batteries_alone_cannot_hold_it_for_long(park_in):
    park = park_in("sunny-noon")
    states = list(unbalanced(park, minutes=15))[30:]
    surplus_kw = -np.array([node_kw(park, state, "park") for state in states])
    assert surplus_kw.min() > 300
    room_kwh = float((park.batteries.capacity_kwh - states[0].stored_kwh).sum())
    most_kw = float(park.batteries.range_kw(states[0].stored_kwh)[1].sum())
    # At the start the batteries can take the surplus, in ten minutes they would be full.
    assert most_kw > surplus_kw[0]
    assert room_kwh < surplus_kw.mean() / 6 * 1.3


def over_quarter_limits(park, hub, **changes):
    """Nodes whose quarter mean would be above their import limit."""
    states = list(unbalanced(park, minutes=15, **changes))[30:]
    return {
        node
        for node, limit in quarter_limits(hub).items()
        if np.mean([node_kw(park, state, node) for state in states]) > limit.import_kw
    }


def test_winter_evening_is_over_limits_with_cars_and_in_places_without_any(park_in, de_koumen):
    park = park_in("winter-evening")
    assert {"park", "group", "lus-1", "lus-3", "lus-4"} <= over_quarter_limits(park, de_koumen)
    without_cars = over_quarter_limits(park, de_koumen, charger=0)
    assert "lus-1" in without_cars
    assert "lus-3" not in without_cars
    assert "park" not in without_cars


def test_cloudy_swings_across_zero_export_as_fast_as_the_margin_is_made_for(park_in, de_koumen):
    park = park_in("cloudy")
    net_kw = np.array([node_kw(park, state, "park") for state in unbalanced(park, minutes=30)])[30:]
    sun_kw = np.array([park.available_kw(park.began_us + at * SECOND_US).sum() for at in range(1_800)])
    assert net_kw.min() < -200
    assert net_kw.max() > 100
    assert 60 < (sun_kw[5:] - sun_kw[:-5]).max() <= de_koumen.margin.export_kw


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_company_is_over_its_own_connection_before_anybody_does_anything(park_in, de_koumen, name):
    park = park_in(name)
    state = park.start()
    for connection in de_koumen.connections:
        assert node_kw(park, state, connection.ean) <= connection.capacity_kva


def test_an_unknown_scenario_names_those_there_are():
    with pytest.raises(ScenarioError, match="sunny-noon, winter-evening, cloudy"):
        scenario_named("monsoon")
