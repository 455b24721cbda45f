"""A park whose turn comes late, for many on its worker turn at once, still gives offers and budgets their time."""

import asyncio
import time

import pytest

from infra.settings import Settings
from streams.conductor import BALANCE_AT_S, Conductor
from tests.bench.big_hub import big_hub


@pytest.fixture
def conductor():
    """Of a park without any partition here: a turn only waits."""
    return Conductor(Settings(), big_hub(20, 1), name="worker")


@pytest.mark.parametrize("late_ticks", [0, 5], ids=["on time", "late"])
def test_a_turn_waits_for_offers_and_budgets_from_when_it_began(conductor, late_ticks):
    began_s = time.time()
    asyncio.run(conductor._turn(int(began_s) - late_ticks, missed=0))
    assert time.time() - began_s > BALANCE_AT_S - 0.01
