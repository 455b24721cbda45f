"""The kernel in words: what a person expects of it, and that there is always an answer."""

import os
from dataclasses import replace

import numpy as np
import pytest

from balancer.kernel import Solver, State, solve
from balancer.model import Asset, InputError, Layer, Limit, Node
from balancer.topology import compile_topology
from balancer.violations import Direction, find_violations
from tests.balancer.trees import contradictory_problem, feasible_problem
from tests.bench.cases import chain, park

STATES = int(os.environ.get("LUSBALANS_STATES", "100000"))
"""Random states that must be answered; a nightly run asks for a million."""


def answer_of(nodes, limits, assets):
    topology = compile_topology(nodes, limits, assets)
    return solve(topology, State.of(topology))


def setpoints(nodes, limits, assets):
    answer = answer_of(nodes, limits, assets)
    return dict(zip(answer.topology.asset_ids, answer.power_kw.round(9).tolist(), strict=True))


PARK = [Node("park", None)]
CHARGERS = [
    Asset("charger", "park", 0, 50, 50, weight=1, order_down=0),
    Asset("plaza", "park", 0, 50, 50, weight=3, order_down=0),
    Asset("cold-store", "park", 0, 50, 50, order_down=1),
]


@pytest.mark.parametrize(
    ("import_kw", "expected"),
    [
        pytest.param(150, [50, 50, 50], id="a limit met exactly moves nothing"),
        pytest.param(130, [45, 35, 50], id="the lowest order gives way, by weight"),
        pytest.param(80, [30, 0, 50], id="at its bound an asset leaves the rest to its class"),
        pytest.param(50, [0, 0, 50], id="a whole class at its bound"),
        pytest.param(30, [0, 0, 30], id="then the next class"),
        pytest.param(0, [0, 0, 0], id="a limit of nothing"),
    ],
)
def test_who_gives_way_when_import_must_fall(import_kw, expected):
    assert list(setpoints(PARK, [Limit("park", import_kw)], CHARGERS).values()) == expected


def test_export_limit_charges_batteries_before_curtailing_pv():
    assets = [Asset("bat", "park", -50, 50, order_up=0), Asset("pv", "park", -100, 0, -100, order_up=3)]
    assert setpoints(PARK, [Limit("park", export_kw=60)], assets) == {"bat": 40, "pv": -100}
    assert setpoints(PARK, [Limit("park", export_kw=20)], assets) == {"bat": 50, "pv": -70}


def test_a_limit_counts_its_own_uncontrolled_load_and_its_neighbour_does_not():
    limits = [Limit("park", 100, uncontrolled_kw=60), Limit("park", 100, layer=Layer.PROTECTION)]
    assert sum(setpoints(PARK, limits, CHARGERS).values()) == 40


def test_two_nested_floors_of_one_layer_do_not_outvote_a_higher_limit():
    depth = 1000
    nodes = [Node("n0", None), *(Node(f"n{v}", f"n{v - 1}") for v in range(1, depth))]
    floors = [Limit(f"n{v}", export_kw=0, layer=Layer.CONTRACT, uncontrolled_kw=-50) for v in range(depth - 1)]
    ceiling = Limit(f"n{depth - 1}", 20, layer=Layer.PROTECTION)
    assets = [Asset("bat", f"n{depth - 1}", -100, 100)]
    answer = answer_of(nodes, [*floors, ceiling], assets)
    assert answer.power_kw.tolist() == [20]
    violations = find_violations(answer)
    assert len(violations) == depth - 1
    assert {(v.kw, v.direction, v.outranked_by) for v in violations} == {(30, Direction.EXPORT, ceiling)}
    same_layer = answer_of(nodes, [*floors, Limit(f"n{depth - 1}", 20)], assets)
    assert same_layer.power_kw == pytest.approx(50, rel=1e-12)


def test_a_contradiction_that_another_one_above_changes_is_resolved_with_it():
    nodes = [Node("park", None), Node("arm", "park"), Node("calm", "park")]
    assets = [Asset("bat", "arm", -100, 100), Asset("load", "arm", 30, 30), Asset("pv", "calm", -40, 0, -40)]
    floor = Limit("arm", export_kw=0, uncontrolled_kw=-60, layer=Layer.CONTRACT)
    ceiling = Limit("arm", 50, layer=Layer.CONTRACT)
    alone = answer_of(nodes, [floor, ceiling], assets)
    assert 50 <= alone.node_power_kw[alone.topology.node_ids.index("arm")] <= 60
    assert [v.kw for v in find_violations(alone)] == pytest.approx([10])
    above = Limit("park", 0, layer=Layer.DSO_CAP)
    both = answer_of(nodes, [floor, ceiling, above], assets)
    assert dict(zip(both.topology.asset_ids, both.power_kw, strict=True)) == {"bat": 10, "load": 30, "pv": -40}
    assert [(v.limit, v.kw, v.outranked_by) for v in find_violations(both)] == [(floor, 20, above)]


def test_a_box_outranks_every_limit():
    (violation,) = find_violations(
        answer_of(PARK, [Limit("park", 10, layer=Layer.PROTECTION)], [Asset("a", "park", 30, 30)])
    )
    assert (violation.kw, violation.outranked_by) == (20, None)


def test_no_battery_charges_from_another():
    assets = [
        Asset("low", "park", -50, 50, order_up=1),
        Asset("high", "park", -50, 50),
        Asset("pv", "park", -60, 0, -60, order_up=3),
    ]
    power = setpoints(PARK, [Limit("park", export_kw=20)], assets)
    assert power == {"low": 0, "high": 40, "pv": -60}


@pytest.mark.parametrize("n_assets", [0, 1, 100_000])
def test_a_flat_node_of_any_size(n_assets):
    assets = [Asset(f"a{i}", "park", 0, 2, 1 + i % 2) for i in range(n_assets)]
    answer = answer_of([Node("park", None), Node("empty", "park")], [Limit("park", 0.75 * n_assets)], assets)
    assert answer.node_power_kw[-1] == pytest.approx(0.75 * n_assets, rel=1e-12)
    assert np.ptp(answer.power_kw - [asset.target_kw for asset in assets] if n_assets else [0]) <= 0.5 + 1e-9


def test_the_same_numbers_give_the_same_bytes():
    problem = feasible_problem(5)
    topology = compile_topology(problem.nodes, problem.limits, problem.assets)
    solver = Solver(topology)
    once = solver.solve(State.of(topology)).power_kw.tobytes()
    spoilt = State.of(topology)
    spoilt.max_kw[:] = spoilt.min_kw
    solver.solve(spoilt)
    assert solver.solve(State.of(topology)).power_kw.tobytes() == once


def spoil(state, array, value):
    getattr(state, array)[0] = value
    return state


@pytest.mark.parametrize(
    ("array", "value", "element"),
    [
        ("min_kw", np.nan, "asset cold-store|asset charger"),
        ("max_kw", np.inf, "asset"),
        ("max_kw", -1.0, "asset"),
        ("target_kw", np.nan, "asset"),
        ("target_kw", -np.inf, "asset"),
        ("min_kw", -np.inf, "asset"),
        ("upper_kw", np.nan, "limit of node park"),
        ("lower_kw", np.nan, "limit of node park"),
        ("lower_kw", 200.0, "limit of node park"),
        ("uncontrolled_kw", np.inf, "limit of node park"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_by_name(array, value, element):
    topology = compile_topology(PARK, [Limit("park", 100)], CHARGERS)
    with pytest.raises(InputError, match=element):
        solve(topology, spoil(State.of(topology), array, value))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"min_kw": np.zeros(2)}, "state: min_kw, max_kw and target_kw must have 3"),
        ({"lower_kw": np.zeros(2)}, "state: lower_kw, upper_kw and uncontrolled_kw must have 1"),
        ({"max_kw": np.zeros(3, dtype=np.float32)}, "state max_kw: must be a contiguous array of float64"),
        ({"max_kw": np.zeros(6)[::2]}, "state max_kw: must be a contiguous array of float64"),
    ],
    ids=["assets", "limits", "float32", "strided"],
)
def test_arrays_that_do_not_fit_the_topology_are_refused(changed, rule):
    topology = compile_topology(PARK, [Limit("park", 100)], CHARGERS)
    with pytest.raises(InputError, match=rule):
        solve(topology, replace(State.of(topology), **changed))


def random_states(count):
    """Topologies of all shapes, each with many states; every other one with limits that contradict."""
    rng = np.random.default_rng(1)
    per_topology = 200
    for seed in range(count // per_topology):
        problem = (feasible_problem if seed % 2 else contradictory_problem)(seed)
        topology = compile_topology(problem.nodes, problem.limits, problem.assets)
        solver, start = Solver(topology), State.of(topology)
        for _ in range(per_topology):
            low, high = np.sort(rng.choice([-1.0, 0.0, 1e-3, 1.0, rng.normal()], (2, start.min_kw.size)), axis=0)
            scale = 10.0 ** rng.integers(-3, 7)
            lower, upper = np.sort(rng.choice([-np.inf, 0.0, np.inf, rng.normal()], (2, start.lower_kw.size)), axis=0)
            target = rng.normal(size=low.size)
            beside = rng.choice([0.0, rng.normal()], start.lower_kw.size)
            state = State(low * scale, high * scale, target * scale, lower * scale, upper * scale, beside * scale)
            yield solver, state


@pytest.mark.parametrize(
    ("case", "most_rounds"),
    [
        pytest.param(park(2000), 12, id="one class"),
        pytest.param(park(2000, n_classes=4), 12, id="four classes"),
        pytest.param(park(2000, n_classes=4, contradictory=0.05), 13, id="contradictions"),
        pytest.param(park(2000, levels=11), 14, id="eleven levels"),
        pytest.param(chain(400, 2000), 8, id="a chain"),
    ],
)
def test_about_a_dozen_rounds_find_all_prices(case, most_rounds):
    assert Solver(case[0]).solve(case[1]).rounds <= most_rounds


def test_every_state_gets_a_complete_answer():
    for solver, state in random_states(STATES):
        answer = solver.solve(state)
        assert np.all((answer.power_kw >= state.min_kw) & (answer.power_kw <= state.max_kw))
        assert np.isfinite(answer.node_price).all()
        assert answer.rounds < 1500
