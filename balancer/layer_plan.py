"""What `layers` keeps of each node and limit, laid out once per topology.

A subtree's list of kinks is as long as the limits on its longest path. A node takes over the list of the child with the
longest one where it lies, so a chain of nodes shares one list and all lists together are no longer than all limits.
"""

import numpy as np

from balancer.clearing import Records, records
from balancer.compiled import compiled
from balancer.topology import Floats, Topology

LayerRecord = np.dtype(
    [
        ("first", np.int32),  # of the topology
        ("heavy", np.int32),  # the child whose list of kinks is taken over, -1 for none
        ("right", np.int32),  # where its lists of kinks lie
        ("left", np.int32),
        ("built", np.int32),  # its kinks are known
        ("price", np.int32),
        ("n_right", np.int32),
        ("n_left", np.int32),
        ("lowest", np.float64),  # what the sum can be at all, kW
        ("highest", np.float64),
        ("least", np.float64),  # where the least violation of this layer is reached, kW
        ("most", np.float64),
        ("slope_lower", np.int64),  # slope at the hard bounds
        ("slope_upper", np.int64),
    ],
    align=True,
)
"""What a layer's programme knows of a node."""

LimitRecord = np.dtype(
    [
        ("layer", np.int32),
        ("lower", np.float64),  # bounds on the sum of the assets, kW
        ("upper", np.float64),
        ("slope_lower", np.int64),  # the price (mirrored) at which its lower bound gives way
        ("slope_upper", np.int64),
    ],
    align=True,
)
"""What a layer's programme knows of a limit."""


def plan(topology: Topology) -> tuple[Records, Records, Floats]:
    """Records of nodes and limits, and room for the kinks: a chain shares one list, so there are as many as limits."""
    n_nodes = len(topology.node_ids)
    tree = records(n_nodes, LayerRecord)
    tree["first"] = topology.first
    tree["heavy"] = -1
    own = np.diff(topology.limit_start)
    room = own.copy()
    for v in range(n_nodes - 1):
        up = topology.parent[v]
        if tree["heavy"][up] < 0 or room[v] + own[up] > room[up]:
            tree["heavy"][up] = v
            room[up] = room[v] + own[up]
    total = 0
    for v in range(n_nodes - 1, -1, -1):
        up = topology.parent[v]
        if up >= 0 and tree["heavy"][up] == v:
            tree["right"][v] = tree["right"][up]
        else:
            tree["right"][v] = total
            total += room[v]
    tree["left"] = total + tree["right"]
    limits = records(len(topology.limits), LimitRecord)
    limits["layer"] = topology.limit_layer
    return tree, limits, np.zeros(2 * total)


@compiled
def list_limits(limits: Records, lower_kw: Floats, upper_kw: Floats, uncontrolled_kw: Floats) -> None:
    """The bounds each limit sets on the sum of the assets below its node."""
    for k in range(limits.size):
        limits[k].lower = lower_kw[k] - uncontrolled_kw[k]
        limits[k].upper = upper_kw[k] - uncontrolled_kw[k]
