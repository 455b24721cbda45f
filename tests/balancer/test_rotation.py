import numpy as np
import pytest

from balancer.kernel import State, solve
from balancer.model import Asset, InputError, Limit, Node
from balancer.rotation import book, curtailment_orders, lost_share
from balancer.topology import compile_topology


def curtailed_day(orders):
    """Three equal roofs of 100 kW under an export limit of 200 kW."""
    assets = [Asset(f"pv{i}", "park", -100, 0, -100, order_up=int(order)) for i, order in enumerate(orders)]
    topology = compile_topology([Node("park", None)], [Limit("park", export_kw=200)], assets)
    return -solve(topology, State.of(topology)).power_kw


def test_over_days_equal_roofs_lose_equal_shares():
    lost, potential = np.zeros(3), np.zeros(3)
    for _ in range(30):
        orders = curtailment_orders(lost_share(lost, potential), first_order=3, bands=3)
        lost, potential = book(
            lost, potential, could_kw=np.full(3, 100.0), was_kw=curtailed_day(orders), hours=1.0, keep=1.0
        )
    assert lost.sum() == pytest.approx(30 * 100)
    assert np.ptp(lost_share(lost, potential)) < 0.05


def test_who_lost_least_gives_way_first():
    assert curtailment_orders(np.array([0.2, 0.0, 0.1]), first_order=5, bands=3).tolist() == [7, 5, 6]


def test_without_a_difference_all_share():
    assert curtailment_orders(np.array([0.1, 0.1]), first_order=3, bands=4).tolist() == [3, 3]


def test_a_ledger_that_lost_more_than_it_could_is_refused():
    with pytest.raises(InputError, match="ledger"):
        lost_share(np.array([2.0]), np.array([1.0]))
