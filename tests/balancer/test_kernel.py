"""The kernel against its definition, and its answers in words."""

import numpy as np
import pytest

from balancer.kernel import State, solve
from balancer.model import Asset, Limit, Node
from balancer.topology import compile_topology
from tests.balancer.reference import balance
from tests.balancer.trees import feasible_problem


@pytest.mark.parametrize("block", range(10))
def test_the_kernel_equals_the_definition_in_exact_fractions(block):
    for seed in range(block * 50, block * 50 + 50):
        problem = feasible_problem(seed)
        topology = compile_topology(problem.nodes, problem.limits, problem.assets)
        answer = solve(topology, State.of(topology))
        expected = balance(problem.nodes, problem.limits, problem.assets)
        scale = max(max(abs(asset.min_kw), abs(asset.max_kw)) for asset in problem.assets)
        error = np.abs(answer.power_kw - [float(expected[name]) for name in topology.asset_ids])
        assert error.max() <= 1e-12 * scale + 1e-15, f"seed {seed}"


def answer_of(nodes, limits, assets):
    topology = compile_topology(nodes, limits, assets)
    answer = solve(topology, State.of(topology))
    return dict(zip(topology.asset_ids, answer.power_kw.tolist(), strict=True))


def test_the_lowest_order_gives_way_first_and_a_class_shares_by_weight():
    nodes = [Node("park", None)]
    assets = [
        Asset("charger", "park", 0, 50, 50, weight=1, order_down=0),
        Asset("plaza", "park", 0, 50, 50, weight=3, order_down=0),
        Asset("cold-store", "park", 0, 50, 50, order_down=1),
    ]
    assert answer_of(nodes, [Limit("park", import_kw=130)], assets) == {"charger": 45, "plaza": 35, "cold-store": 50}
    assert answer_of(nodes, [Limit("park", import_kw=30)], assets) == {"charger": 0, "plaza": 0, "cold-store": 30}
