import pytest

from streams.partition import OwnedPartition
from streams.topics import PARTITIONS
from tests.bench.big_hub import big_hub


@pytest.mark.parametrize(("n_assets", "n_loops"), [(1, 1), (7, 2), (95, 1), (1_234, 3)])
def test_a_big_hub_has_the_assets_and_loops_asked_for_and_a_worker_can_run_it(n_assets, n_loops):
    hub = big_hub(n_assets, n_loops)
    partitions = [OwnedPartition.of(hub, number) for number in range(PARTITIONS)]
    loops = [loop for partition in partitions for loop in partition.grid_loops]
    assert sum(len(loop.plant.assets) for loop in loops) == len(hub.assets) == n_assets
    assert len(loops) == n_loops
