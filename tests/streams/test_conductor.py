"""A park whose turn comes late, for many on its worker turn at once, still gives offers and budgets their time."""

import asyncio
import math
import time

import pytest

from infra.settings import Settings
from streams.codec import encode
from streams.conductor import BALANCE_AT_S, Conductor
from streams.override_entries import override_key
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.replay import Record
from streams.topics import OVERRIDE, PARTITIONS
from tests.bench.big_hub import big_hub
from tests.streams.small_park import small_hub


@pytest.fixture
def conductor():
    """Of a park without any partition here: a turn only waits."""
    return Conductor(Settings(), big_hub(20, 1), name="worker")


@pytest.mark.parametrize("late_ticks", [0, 5], ids=["on time", "late"])
def test_a_turn_waits_for_offers_and_budgets_from_when_it_began(conductor, late_ticks):
    began_s = time.time()
    asyncio.run(conductor._turn(int(began_s) - late_ticks, missed=0))
    assert time.time() - began_s > BALANCE_AT_S - 0.01


def test_r10_an_override_reaches_its_asset_in_the_next_tick():
    conductor = Conductor(Settings(), small_hub(), name="worker")
    conductor.take(range(PARTITIONS), generation=1)
    stop = OverrideEntry(
        asset="charger", terms=OverrideTerms(kind="stop", who="els", why="smoke", stated_us=1), changed_us=1,
        changed_by="els", changed_why="smoke",
    )  # fmt: skip
    asyncio.run(conductor.on_entry(OVERRIDE, Record(0, 0, override_key("small", "charger"), encode(stop), 1), ()))
    conductor._tell_entries()
    most_kw = {
        asset.id: most_kw
        for partition in conductor._partitions.values()
        for loop in partition.grid_loops
        for asset, most_kw in zip(loop.plant.assets, loop._kept.max_kw.tolist(), strict=True)
    }
    assert most_kw == {"charger": 0.0, "battery": math.inf, "roof": math.inf}
