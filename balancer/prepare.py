"""What is known before any price: each node's hard bounds, and what its assets could do.

One pass over the assets. Refuses what cannot be computed with (NaN, infinite or crossed boxes), by index.
"""

import numpy as np

from balancer.clearing import Records
from balancer.compiled import compiled
from balancer.topology import Floats, Ints


@compiled
def bound_nodes(
    limit_start: Ints,
    lower_kw: Floats,
    upper_kw: Floats,
    uncontrolled_kw: Floats,
    nodes: Records,
) -> int:
    """What the assets below each node may take in all: the tightest of its limits, less what each counts beside them.

    Returns -1, or the index of a limit that is NaN or whose lower bound is above its upper.
    """
    for v in range(nodes.size):
        low = -np.inf
        high = np.inf
        for k in range(limit_start[v], limit_start[v + 1]):
            if not (lower_kw[k] <= upper_kw[k] and np.isfinite(uncontrolled_kw[k])):
                return k
            low = max(low, lower_kw[k] - uncontrolled_kw[k])
            high = min(high, upper_kw[k] - uncontrolled_kw[k])
        nodes[v].lower = low
        nodes[v].upper = high
    return -1


@compiled
def measure_assets(
    asset_start: Ints,
    weight: Floats,
    class_down: Ints,
    class_up: Ints,
    min_kw: Floats,
    max_kw: Floats,
    target_kw: Floats,
    reach_down_kw: Floats,
    reach_up_kw: Floats,
    sum_min_kw: Floats,
    sum_max_kw: Floats,
    sum_target_kw: Floats,
    end_down: Floats,
    end_up: Floats,
) -> int:
    """Each asset's reach to either side of its target, the sums per node, and the pressure at which each band ends.

    A target outside its box counts at the nearest bound. Returns -1, or the index of an asset whose box is not a pair
    of finite, ordered numbers or whose target is not a number.
    """
    end_down[:] = 0.0
    end_up[:] = 0.0
    for v in range(sum_min_kw.size):
        low = high = aim = 0.0
        for i in range(asset_start[v], asset_start[v + 1]):
            if not (-np.inf < min_kw[i] <= max_kw[i] < np.inf and np.isfinite(target_kw[i])):
                return i
            target = min(max(target_kw[i], min_kw[i]), max_kw[i])
            down = target - min_kw[i]
            up = max_kw[i] - target
            reach_down_kw[i] = down
            reach_up_kw[i] = up
            low += min_kw[i]
            high += max_kw[i]
            aim += target
            end_down[class_down[i]] = max(end_down[class_down[i]], down / weight[i])
            end_up[class_up[i]] = max(end_up[class_up[i]], up / weight[i])
        sum_min_kw[v] = low
        sum_max_kw[v] = high
        sum_target_kw[v] = aim
    return -1
