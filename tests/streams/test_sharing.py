"""The hub agent's clearing: on the same inputs two levels give what one would, and what is lent fits the limit."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer.kernel import State, solve
from balancer.model import Asset, Limit, Node
from balancer.topology import compile_topology
from hub.model import GROUP, PARK
from streams.budgets import Exposure, Interval
from streams.messages import Curve, Epoch, Offer
from streams.sharing import LoopView, Residual, share_out, view_loop
from streams.station import NODES
from tests.streams.random_park import NOW_US, RandomPark
from tests.streams.virtual_park import Park


def solve_at_once(park, *upper):
    """One kernel problem for the whole park: every loop's own tree, limits and boxes, below the upper nodes.

    `upper` are limits of those: node, least and most, and the load that they count beside the devices, kW.
    """
    nodes, limits, assets, values = [Node(PARK, None), Node(GROUP, PARK)], [], [], {}
    for loop in park.loops.values():
        tree, state = loop.plant.topology, loop._state
        nodes += [
            Node(i, tree.node_ids[p] if p >= 0 else GROUP) for i, p in zip(tree.node_ids, tree.parent, strict=True)
        ]
        for k, limit in enumerate(tree.limits):
            serial = float(len(limits))
            limits.append(Limit(limit.node, layer=limit.layer, uncontrolled_kw=serial))
            values[serial] = (state.lower_kw[k], state.upper_kw[k], state.uncontrolled_kw[k])
        assets += [
            Asset(
                a.id, a.node, state.min_kw[k], state.max_kw[k], state.target_kw[k], a.weight, a.order_down, a.order_up
            )
            for k, a in enumerate(tree.assets)
        ]
    for node, *figures in upper:
        values[float(len(limits))] = figures
        limits.append(Limit(node, uncontrolled_kw=float(len(limits))))
    topology = compile_topology(nodes, limits, assets)
    state = State.of(topology)
    for k, limit in enumerate(topology.limits):
        state.lower_kw[k], state.upper_kw[k], state.uncontrolled_kw[k] = values[limit.uncontrolled_kw]
    answer = solve(topology, state)
    at = {node: v for v, node in enumerate(topology.node_ids)}
    return {name: answer.node_power_kw[at[name]] for name in park.loops}


@pytest.mark.parametrize("scenario", ["sunny-noon", "winter-evening", "cloudy"])
@pytest.mark.parametrize("seconds", [1, 4, 30])
def test_two_levels_give_each_loop_what_one_level_would(scenario, seconds):
    park = Park(scenario).turn(seconds)
    now_us, tick = park.now_us, 1
    offers = {name: loop.offer(tick=tick, now_us=now_us) for name, loop in park.loops.items()}
    views = {name: view_loop(offer, None, tick=tick) for name, offer in offers.items()}
    upper, bounds_kw = park.station._upper, np.array([1e9] * len(park.station._upper.bounds))
    rest_kw = sum(view.curve.power_kw[view.curve.order.index(0)] for view in views.values())
    load_kw = sum(view.most_kw for view in views.values())
    for squeeze_kw in (-150.0, 150.0):
        for at, bounds in enumerate(upper.bounds):
            if bounds.node == 0 and bounds.imports == (squeeze_kw < 0):
                total_kw = load_kw + rest_kw + squeeze_kw
                bounds_kw[at] = total_kw if bounds.imports else -total_kw
        shares = share_out(
            upper, views, residual_kw=np.zeros(2), bounds_kw=bounds_kw, share=dict.fromkeys(views, 1 / len(views))
        )
        room = Interval(rest_kw + squeeze_kw, np.inf) if squeeze_kw > 0 else Interval(-np.inf, rest_kw + squeeze_kw)
        at_once = solve_at_once(park, (PARK, room.min_kw, room.max_kw, 0.0))
        for name, view in views.items():
            granted = shares.wanted[name].max_kw if squeeze_kw < 0 else shares.wanted[name].min_kw
            assert granted - view.most_kw == pytest.approx(at_once[name], abs=1e-6), (name, squeeze_kw)
        bounds_kw[:] = 1e9


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_the_park_and_its_limits_two_levels_give_each_loop_what_one_level_would(seed):
    chance = random.Random(seed)
    park = RandomPark(chance)
    views = {name: view_loop(loop.offer(tick=1, now_us=NOW_US), None, tick=1) for name, loop in park.loops.items()}
    residual_kw = np.array([chance.uniform(-20, 20) for _ in NODES])
    least_kw, most_kw = (sum(getattr(v, end) for v in views.values()) for end in ("least_kw", "most_kw"))
    rest_kw = sum(view.curve.power_kw[view.curve.order.index(0)] for view in views.values())
    limits, bounds_kw = [], []
    for bounds in park.station._upper.bounds:
        load_kw = residual_kw[bounds.node] + (most_kw if bounds.imports else least_kw)
        allowed_kw = load_kw + rest_kw + chance.uniform(-60, 60) * (1 if bounds.imports else -1)
        allowed = (-np.inf, allowed_kw) if bounds.imports else (allowed_kw, np.inf)
        limits.append((NODES[bounds.node], *allowed, load_kw))
        bounds_kw.append(allowed_kw if bounds.imports else -allowed_kw)
    at_once = solve_at_once(park, *limits)
    nothing_dealt_out = dict.fromkeys(views, 0.0)
    shares = share_out(
        park.station._upper, views, residual_kw=residual_kw, bounds_kw=np.array(bounds_kw), share=nothing_dealt_out
    )
    for name, view in views.items():
        assert shares.wanted[name].max_kw - view.most_kw == pytest.approx(at_once[name], abs=1e-6)


def offer(tick=5, power_kw=300.0):
    return Offer(
        grid_loop="lus-1", tick=tick, epoch=Epoch(1, 1, 1), issued_at_us=0, curve=Curve(order=[0], pressure=[0.0],
        power_kw=[20.0]), power_kw=power_kw, uncontrolled_low_kw=270.0, uncontrolled_high_kw=290.0, acknowledged=0,
        acknowledged_epoch=Epoch(0, 0, 0),
    )  # fmt: skip


HELD = Interval(0.0, 500.0)
EXPOSURE = Exposure(fallback=HELD, now=HELD, soon=HELD, silent=False, sure_min_kw=0.0, sure_max_kw=500.0)


@pytest.mark.parametrize(
    ("given", "least_kw", "most_kw", "net_kw"),
    [
        pytest.param(offer(tick=5), 270.0, 290.0, 300.0, id="an offer of this tick"),
        pytest.param(offer(tick=4), 0.0, 500.0, 300.0, id="an old offer: anywhere in what it may obey"),
        pytest.param(None, 0.0, 500.0, 250.0, id="never heard"),
    ],
)
def test_a_loop_without_an_offer_is_inelastic_within_its_budget(given, least_kw, most_kw, net_kw):
    view = view_loop(given, EXPOSURE, tick=5)
    assert (view.least_kw, view.most_kw, view.net_kw) == (least_kw, most_kw, net_kw)
    assert view.offered is (given is not None and given.tick == 5)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"power_kw": 1.7e308}, id="a power whose sums are infinite"),
        pytest.param({"uncontrolled_high_kw": 1.7e308}, id="likewise a load"),
        pytest.param({"uncontrolled_low_kw": -1.7e308}, id="or production"),
        pytest.param({"uncontrolled_low_kw": 291.0}, id="at least more than at most"),
        pytest.param({"curve": Curve(order=[0], pressure=[0.0], power_kw=[-1e8])}, id="a curve of 100 GW"),
    ],
)
def test_an_offer_of_figures_that_nobody_measured_counts_as_missing(changed):
    view = view_loop(msgspec.structs.replace(offer(), **changed), EXPOSURE, tick=5)
    assert (view.offered, view.least_kw, view.most_kw, view.net_kw) == (False, 0.0, 500.0, 250.0)


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(Curve(order=[], pressure=[], power_kw=[]), id="empty"),
        pytest.param(Curve(order=[-1, 0], pressure=[-1.0, 0.0], power_kw=[5.0, 4.0]), id="falling"),
        pytest.param(Curve(order=[0, 0], pressure=[0.0], power_kw=[5.0]), id="torn"),
    ],
)
def test_an_offer_whose_curve_is_none_counts_as_missing_though_its_power_was_measured(curve):
    view = view_loop(msgspec.structs.replace(offer(), curve=curve), EXPOSURE, tick=5)
    assert (view.offered, view.least_kw, view.most_kw, view.net_kw) == (False, 0.0, 500.0, 300.0)


def test_a_skew_of_a_tick_passes_unseen_and_a_step_counts_after_three():
    residual = Residual()
    view = LoopView(curve=None, net_kw=0.0, least_kw=0.0, most_kw=0.0, offered=True)
    seen = [10.0, 10.0, 10.0, 400.0, 10.0, 10.0, 90.0, 90.0, 90.0]
    known = [float(residual.estimate_kw(np.array([kw]), {"lus-1": view})[0]) for kw in seen]
    assert known == [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 90.0, 90.0]
