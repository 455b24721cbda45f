"""Clearing on the loops' curves gives what clearing everything at once gives."""

import random
from dataclasses import replace

import numpy as np
import pytest

from balancer.curve import FlexibilityCurve, inelastic
from balancer.kernel import Solver, State, solve
from balancer.model import Asset, InputError, Limit, Node
from balancer.topology import compile_topology
from balancer.two_level import clear_curves
from tests.balancer.trees import feasible_problem, limit_around


def two_level_case(seed):
    """Loops that are feasible by themselves, under a park and a group with limits their sum can keep."""
    rng = random.Random(seed)
    loops = [feasible_problem(rng.randrange(10**9), most_nodes=6, most_assets=10) for _ in range(rng.randint(1, 4))]
    upper_nodes = [Node("park", None), Node("group", "park")]
    whole_nodes, limits, assets, home = list(upper_nodes), [], [], {}
    for j, loop in enumerate(loops):
        home[f"loop{j}"] = rng.choice(["park", "group"])
        for node in loop.nodes:
            parent = home[f"loop{j}"] if node.parent is None else f"loop{j}{node.parent}"
            whole_nodes.append(Node(f"loop{j}{node.id}", parent))
        limits += [replace(limit, node=f"loop{j}{limit.node}") for limit in loop.limits]
        assets += [replace(asset, id=f"{j}{asset.id}", node=f"loop{j}{asset.node}") for asset in loop.assets]
    return loops, home, upper_nodes, whole_nodes, limits, assets, rng


def solve_all(nodes, limits, assets):
    topology = compile_topology(nodes, limits, assets)
    answer = solve(topology, State.of(topology))
    return dict(zip(topology.asset_ids, answer.power_kw.tolist(), strict=True))


def loop_curve(loop, most_points):
    topology = compile_topology(loop.nodes, loop.limits, loop.assets)
    return Solver(topology).flexibility_curve(State.of(topology), most_points=most_points)


def upper_quantities(upper_nodes, upper_limits, home, curves):
    upper = compile_topology(upper_nodes, upper_limits, [Asset(loop, node, 0, 0) for loop, node in home.items()])
    state = State.of(upper)
    return clear_curves(
        upper,
        lower_kw=state.lower_kw,
        upper_kw=state.upper_kw,
        uncontrolled_kw=state.uncontrolled_kw,
        curves=curves,
    )


@pytest.mark.parametrize("block", range(6))
def test_quantities_on_unsimplified_curves_are_those_of_clearing_at_once(block):
    for seed in range(block * 25, block * 25 + 25):
        loops, home, upper_nodes, whole_nodes, limits, assets, rng = two_level_case(seed)
        curves = {f"loop{j}": loop_curve(loop, 10**6) for j, loop in enumerate(loops)}
        least = {name: curve.power_kw[0] for name, curve in curves.items()}
        most = {name: curve.power_kw[-1] for name, curve in curves.items()}
        kept = {name: rng.uniform(least[name], most[name]) for name in home}  # so the upper limits can be met together
        upper_limits = []
        for node in ("park", "group"):
            inside = [name for name in home if node in ("park", home[name])]
            sums = tuple(sum(values[name] for name in inside) for values in (least, kept, most))
            upper_limits.append(limit_around(rng, node, sums))
        quantity = upper_quantities(upper_nodes, upper_limits, home, curves)
        at_once = solve_all(whole_nodes, limits + upper_limits, assets)
        for j in range(len(loops)):
            mine = [asset for asset in assets if asset.node.startswith(f"loop{j}n")]
            scale = sum(max(abs(a.min_kw), abs(a.max_kw)) for a in assets)
            expected = sum(at_once[asset.id] for asset in mine)
            assert quantity[f"loop{j}"] == pytest.approx(expected, abs=1e-10 * scale), f"seed {seed} loop {j}"


def test_a_simplified_curve_says_how_far_it_is_off():
    loop = feasible_problem(7, most_nodes=6, most_assets=24)
    exact, short = loop_curve(loop, 10**6), loop_curve(loop, 12)
    assert exact.error_kw == 0.0
    assert len(short.order) < len(exact.order)
    assert short.power_kw[0] == exact.power_kw[0]
    assert short.power_kw[-1] == exact.power_kw[-1]
    kept = set(zip(short.order, short.pressure, strict=True))
    for order, pressure, power_kw in zip(exact.order, exact.pressure, exact.power_kw, strict=True):
        mine = np.array(short.order) == order
        if mine.any() and (order, pressure) not in kept:
            read = np.interp(pressure, np.array(short.pressure)[mine], np.array(short.power_kw)[mine])
            assert abs(read - power_kw) <= short.error_kw * (1 + 1e-9)


def test_an_inelastic_loop_keeps_its_quantity_and_the_others_make_room():
    nodes = [Node("park", None)]
    limits = [Limit("park", import_kw=100)]
    flexible = FlexibilityCurve([-1, -1, 0], [-50.0, 0.0, 0.0], [0.0, 80.0, 80.0])
    home = {"deaf": "park", "flexible": "park"}
    assert upper_quantities(nodes, limits, home, {"deaf": inelastic(70), "flexible": flexible}) == {
        "deaf": 70.0,
        "flexible": 30.0,
    }


def test_a_missing_or_falling_curve_is_refused_by_name():
    home = {"a": "park"}
    with pytest.raises(InputError, match="grid loop a: there is no curve"):
        upper_quantities([Node("park", None)], [], home, {})
    falling = FlexibilityCurve([-1, 0], [-1.0, 0.0], [5.0, 4.0])
    with pytest.raises(InputError, match="power_kw must not fall"):
        upper_quantities([Node("park", None)], [], home, {"a": falling})
