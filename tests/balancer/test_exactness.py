"""The kernel against what cannot share its mistakes: exact fractions, exchange arguments, and other solvers."""

import os

import clarabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from balancer.kernel import State, solve
from balancer.model import Asset, Limit
from balancer.topology import compile_topology
from tests.balancer.exchange import Wish, better_exchange
from tests.balancer.oracles import least_violations, rows_of, violation
from tests.balancer.reference import balance
from tests.balancer.trees import Problem, contradictory_problem, feasible_problem, reach_below

TREES = int(os.environ.get("LUSBALANS_TREES", "2000"))
"""Random trees per oracle; a nightly run asks for more."""

BLOCKS = 10


def power_of(problem):
    """Setpoints in the order of the problem's assets, kW."""
    topology = compile_topology(problem.nodes, problem.limits, problem.assets)
    answer = solve(topology, State.of(topology))
    power = dict(zip(topology.asset_ids, answer.power_kw.tolist(), strict=True))
    return np.array([power[asset.id] for asset in problem.assets])


def scale_of(problem):
    return max(max(abs(asset.min_kw), abs(asset.max_kw)) for asset in problem.assets) + 1e-9


def seeds(block, count=TREES):
    return range(block * count // BLOCKS, (block + 1) * count // BLOCKS)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_feasible_problems_equal_the_definition_in_exact_fractions(block):
    for seed in seeds(block):
        problem = feasible_problem(seed)
        expected = balance(problem.nodes, problem.limits, problem.assets)
        error = np.abs(power_of(problem) - [float(expected[asset.id]) for asset in problem.assets]).max()
        assert error <= 1e-12 * scale_of(problem), f"seed {seed}"


@pytest.mark.parametrize("block", range(BLOCKS))
def test_violations_are_least_layer_by_layer(block):
    for seed in seeds(block):
        problem = contradictory_problem(seed)
        power, rows = power_of(problem), rows_of(problem)
        for layer, least_kw in least_violations(problem).items():
            assert violation(rows, power, layer) == pytest.approx(least_kw, abs=1e-6), f"seed {seed} {layer.name}"


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_exchange_improves_an_answer_to_contradictory_limits(block):
    for seed in seeds(block):
        problem = contradictory_problem(seed)
        assert better_exchange(problem, power_of(problem)) is None, f"seed {seed}"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_no_exchange_improves_any_answer(seed, feasible):
    problem = feasible_problem(seed) if feasible else contradictory_problem(seed, most_nodes=20, most_assets=8)
    assert better_exchange(problem, power_of(problem), step_kw=1e-3 * scale_of(problem)) is None


def clarabel_power(problem: Problem) -> np.ndarray:
    """The quadratic programme itself: setpoint = target + up - down, cost band * moved + slope / 2 * moved^2 each way."""
    wish, n = Wish(problem.assets), len(problem.assets)
    low = np.array([asset.min_kw for asset in problem.assets])
    high = np.array([asset.max_kw for asset in problem.assets])
    rows, bounds = [], []
    for row in rows_of(problem):
        ones = np.zeros(n)
        ones[row.members] = 1.0
        for sign, bound in ((1.0, row.high), (-1.0, -row.low)):
            if np.isfinite(bound):
                rows.append(np.concatenate([sign * ones, -sign * ones]))
                bounds.append(bound - sign * ones @ wish.target)
    sides = np.vstack([*rows, np.eye(2 * n), -np.eye(2 * n)])
    limits = np.concatenate([bounds, high - wish.target, wish.target - low, np.zeros(2 * n)])
    options = clarabel.DefaultSettings()
    options.verbose = False
    cost = sparse.diags(np.concatenate([wish.slope[1], wish.slope[-1]]), format="csc")
    linear = np.concatenate([wish.band[1], wish.band[-1]]).astype(float)
    cones = [clarabel.NonnegativeConeT(len(limits))]
    moved = np.array(clarabel.DefaultSolver(cost, linear, sparse.csc_matrix(sides), limits, cones, options).solve().x)
    return wish.target + moved[:n] - moved[n:]


def test_the_cost_is_never_above_that_of_a_general_solver():
    for seed in range(0, TREES, 4):
        problem = feasible_problem(seed, most_nodes=8, most_assets=12)
        problem = rescale(problem, 1.0 / scale_of(problem))
        mine, theirs = (Wish(problem.assets).cost(power) for power in (power_of(problem), clarabel_power(problem)))
        assert mine <= theirs + 1e-6 * (1 + abs(theirs)), f"seed {seed}"
        assert mine >= theirs - 1e-5 * (1 + abs(theirs)), f"seed {seed}"


def rescale(problem, factor):
    """The same problem in another unit."""
    assets = [
        Asset(
            id=a.id,
            node=a.node,
            min_kw=a.min_kw * factor,
            max_kw=a.max_kw * factor,
            target_kw=a.target_kw * factor,
            weight=a.weight,
            order_down=a.order_down,
            order_up=a.order_up,
        )
        for a in problem.assets
    ]
    limits = [
        Limit(
            node=k.node,
            import_kw=None if k.import_kw is None else k.import_kw * factor,
            export_kw=None if k.export_kw is None else k.export_kw * factor,
            layer=k.layer,
            uncontrolled_kw=k.uncontrolled_kw * factor,
        )
        for k in problem.limits
    ]
    return Problem(problem.nodes, limits, assets)


@given(st.integers(0, 10**9), st.sampled_from([2.0**-10, 0.25, 1024.0]))
@settings(max_examples=100, deadline=None)
def test_the_unit_does_not_matter(seed, factor):
    problem = contradictory_problem(seed)
    scaled = power_of(rescale(problem, factor))
    assert np.abs(scaled / factor - power_of(problem)).max() <= 1e-9 * scale_of(problem)


@given(st.integers(0, 10**9), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_assets_and_limits_does_not_matter(seed, rng):
    problem = contradictory_problem(seed)
    assets = rng.sample(problem.assets, len(problem.assets))
    shuffled = power_of(Problem(problem.nodes, rng.sample(problem.limits, len(problem.limits)), assets))
    back = {asset.id: power for asset, power in zip(assets, shuffled, strict=True)}
    expected = power_of(problem)
    assert np.abs(expected - [back[asset.id] for asset in problem.assets]).max() <= 1e-9 * scale_of(problem)


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_without_limits_every_asset_is_at_its_target(seed):
    problem = contradictory_problem(seed)
    expected = [min(max(asset.target_kw, asset.min_kw), asset.max_kw) for asset in problem.assets]
    assert power_of(Problem(problem.nodes, [], problem.assets)).tolist() == expected


@given(st.integers(0, 10**9), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_tightening_the_only_limit_of_a_node_never_raises_use_above_it(seed, share):
    problem = feasible_problem(seed)
    low, aim, _ = reach_below(problem.nodes, problem.assets)["n0"]
    tight = low + share * (aim - low)
    beside = max(0.0, -tight)
    others = [k for k in problem.limits if k.node != "n0"]
    before = power_of(Problem(problem.nodes, others, problem.assets)).sum()
    after = power_of(
        Problem(problem.nodes, [*others, Limit("n0", tight + beside, uncontrolled_kw=beside)], problem.assets)
    ).sum()
    assert after <= max(before, tight) + 1e-9 * scale_of(problem) * len(problem.assets)
