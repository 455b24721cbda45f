"""The starter park: 90 kWp on pair-1, contracts of 120, 90, 50 and (no member) 30 kW, steps of 10 and 20 kW stated."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.folder import read_hub
from hub.margins import Reaction, margin_warnings, node_margins, park_margin, running, unattended, yearly_cost
from hub.model import PARK, Step
from hub.profiles import Profiles
from hub.tree import build_tree

HUBS = Path(__file__).parents[2] / "infra" / "hubs"
STARTER = read_hub(HUBS / "starter")
TREE = build_tree(STARTER)
METAL, GARAGE = "871000000000090014", "871000000000090045"
TODAY = date(2026, 11, 24)


def within(total_s):
    return Reaction(meter_s=total_s, lateness_s=0.0, control_s=0.0, actuator_s=0.0)


def needed(*, steps=(), ramp=0.0, total_s=5.0, hub=STARTER):
    """Import and export that each node needs, by node."""
    changed = replace(hub, steps=tuple(steps), margin=replace(hub.margin, cloud_ramp_ratio_per_s=ramp))
    return {m.node: (m.import_kw, m.export_kw) for m in node_margins(changed, build_tree(changed), within(total_s))}


def step(node, import_kw=None, export_kw=None):
    return Step(node=node, import_kw=import_kw, export_kw=export_kw, source="invented")


def test_the_reaction_time_is_meter_lateness_two_ticks_and_actuator():
    assert running(STARTER.timing).total_s == 1 + 0.5 + 2 * 1 + 2


def test_while_a_worker_is_replaced_the_lease_takes_the_place_of_the_ticks():
    assert unattended(STARTER.timing).total_s == 1 + 0.5 + 10 + 2


STEPS = [
    # steps, node, (import, export) needed
    ((), PARK, (120, 120)),
    ((), "lus-1-s2", (50, 50)),
    ((), GARAGE, (30, 30)),
    ((step(PARK, 10, 20),), METAL, (10, 20)),
    ((step(PARK, 10, 20),), PARK, (10, 20)),
    ((step(PARK, 10, 20), step(METAL, 70)), PARK, (70, 20)),
    ((step(PARK, 10, 20), step(METAL, 70)), "lus-1-s2", (10, 20)),
    ((step(METAL, 70),), PARK, (90, 120)),
    ((step(METAL, 500),), PARK, (500, 120)),
    ((step(PARK, 0, 0),), PARK, (0, 0)),
]


@pytest.mark.parametrize(("steps", "node", "expected"), STEPS)
def test_a_step_is_what_is_stated_nearest_else_the_largest_contract_below(steps, node, expected):
    assert needed(steps=steps)[node] == expected


def test_the_group_does_not_feel_what_is_not_a_member():
    garage_only = replace(
        STARTER, connections=tuple(replace(c, contract_import_kw=30.0 * (not c.member)) for c in STARTER.connections)
    )
    kw = needed(hub=garage_only)
    assert (kw[PARK], kw["group"]) == ((30, 30), (0, 0))


CLOUDS = [
    # ramp per s, reaction s, needed at the park
    (0.02, 5.0, (10.0, 20)),
    (0.05, 5.0, (22.5, 22.5)),
    (1.0, 60.0, (90.0, 90.0)),
]


@pytest.mark.parametrize(("ramp", "total_s", "expected"), CLOUDS)
def test_a_cloud_edge_counts_both_ways_up_to_the_whole_roof(ramp, total_s, expected):
    kw = needed(steps=[step(PARK, 10, 20)], ramp=ramp, total_s=total_s)
    assert kw[PARK] == pytest.approx(expected)
    assert kw["lus-1-s2"] == (10, 20)


def test_of_a_company_that_is_not_a_member_what_it_may_feed_in_counts_as_roof():
    sunny = replace(STARTER, connections=tuple(replace(c, contract_export_kw=40.0) for c in STARTER.connections))
    kw = needed(steps=[step(PARK, 0, 0)], ramp=1.0, hub=sunny)
    assert (kw[GARAGE], kw[PARK]) == ((40, 40), (130, 130))


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0, 1))
def test_more_time_never_needs_less(first_s, second_s, ramp):
    short, long = (needed(ramp=ramp, total_s=s) for s in sorted((first_s, second_s)))
    assert all(np.all(np.less_equal(short[node], long[node])) for node in short)


def test_no_node_needs_less_than_a_step_below_it():
    kw = needed(steps=[step(PARK, 10, 20), step(METAL, 70), step("pair-1", export_kw=45)])
    for node in TREE.nodes:
        for above in TREE.path(node.id):
            if {above, node.id} <= kw.keys() and above != "group":
                assert kw[above] >= kw[node.id]


MARGINS = [
    pytest.param({}, 0, id="kept as needed"),
    pytest.param({"import_kw": 9.0}, 1, id="too little import"),
    pytest.param({"import_kw": 0.0, "export_kw": 0.0}, 2, id="zero export without a margin"),
    pytest.param({"import_kw": 9.0, "accepted_by": "A. Jansen", "until": TODAY}, 0, id="accepted"),
    pytest.param({"import_kw": 9.0, "accepted_by": "A. Jansen", "until": date(2026, 11, 23)}, 1, id="no longer"),
]


@pytest.mark.parametrize(("changed", "count"), MARGINS)
def test_keeping_less_than_is_needed_warns_unless_somebody_answers_for_it(changed, count):
    hub = replace(STARTER, margin=replace(STARTER.margin, **changed))
    warnings = margin_warnings(hub, park_margin(hub, TREE), TODAY)
    assert len(warnings) == count
    assert all(warning.startswith("park: margin.") and "accepted_by" in warning for warning in warnings)


def test_a_margin_that_is_left_out_is_the_one_needed(folder):
    text = (folder / "hub.toml").read_text()
    (folder / "hub.toml").write_text(text.replace("import_kw = 10\nexport_kw = 20\nsource", "import_kw = 3\nsource", 1))
    margin = read_hub(folder).margin
    assert (margin.import_kw, margin.export_kw) == (3, 20)


def profiles(net_pv):
    """One hour per value: load 1 throughout, roofs as given (kW per kWp)."""
    pv = np.array(net_pv, float)
    return Profiles(
        start_us=0, step_us=3_600_000_000, load={"any": np.ones(len(pv))}, pv={"roof": pv},
        sectors={c.sector: "any" for c in STARTER.connections}, sessions=(),
    )  # fmt: skip


HOURS = [
    # kW per kWp, load kW, curtailed for 20 kW, room for 10 kW
    pytest.param([0.0], 45, 0, 0, id="night"),
    pytest.param([0.5], 45, 20, 0, id="at the limit the whole margin"),
    pytest.param([0.4], 45, 11, 0, id="near it a part"),
    pytest.param([1.0], 45, 20, 0, id="beyond it no more than the margin"),
    pytest.param([0.0], 294, 0, 4, id="near the import limit a part"),
    pytest.param([0.0], 400, 0, 10, id="beyond it the margin"),
]


@pytest.mark.parametrize(("pv", "load_kw", "export_kwh", "import_kwh"), HOURS)
def test_a_year_costs_what_the_margin_takes_beyond_the_limit(pv, load_kw, export_kwh, import_kwh):
    yearly_kwh = load_kw / len(STARTER.connections) * len(pv)
    hub = replace(STARTER, connections=tuple(replace(c, yearly_use_kwh=yearly_kwh) for c in STARTER.connections))
    cost = yearly_cost(hub, profiles(pv), import_kw=10, export_kw=20)
    assert (cost.export_kwh, cost.import_kwh) == pytest.approx((export_kwh, import_kwh))
    assert (cost.most_export_kwh, cost.most_import_kwh) == (20, 10)
