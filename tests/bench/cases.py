"""Parks to measure the kernel on: regular trees with limits that bind at every level."""

from itertools import pairwise

import numpy as np

from balancer.kernel import State
from balancer.model import Asset, Layer, Limit, Node
from balancer.topology import Topology, compile_topology


def park(n_assets: int, *, levels: int = 4, seed: int = 0, n_classes: int = 1, contradictory: float = 0.0):
    """A tree of `levels` levels of nodes, evenly branching, with about ten assets per connection.

    Every node has an import and an export limit. They can be met together, since a setpoint is drawn that keeps them;
    the import limits stand somewhere between it and what the assets want, tighter towards the root, so that the root
    binds and of each level below a good part. A share `contradictory` of the nodes gets one more limit that cannot be
    kept together with the first; those stand in three layers. Returns the compiled topology and its state.
    """
    rng = np.random.default_rng(seed)
    n_leaves = max(1, n_assets // 10)
    parents, depth = tree(n_leaves, levels)
    n_nodes = len(parents)
    home = np.sort(rng.integers(n_nodes - n_leaves, n_nodes, n_assets))
    rating = rng.uniform(3.0, 150.0, n_assets)
    low = -rating * rng.choice([0.0, 0.0, 1.0], n_assets)
    high = rating * rng.choice([1.0, 1.0, 0.0], n_assets)
    aim = low + (high - low) * rng.random(n_assets)
    kept = aim - (aim - low) * rng.uniform(0.2, 0.9, n_assets)
    weight = rng.uniform(0.5, 2.0, n_assets)
    orders = rng.integers(0, n_classes, (2, n_assets))
    assets = [
        Asset(f"a{i}", f"n{home[i]}", low[i], high[i], aim[i], weight[i], int(orders[0, i]), int(orders[1, i]))
        for i in range(n_assets)
    ]
    at, wanted, span = (sums(parents, home, values) for values in (kept, aim, high - low))
    tight = rng.uniform(0.4, 1.6, n_nodes) * 0.75 ** (levels - 1 - depth)
    below = rng.uniform(0.05, 0.5, n_nodes)
    limits = [
        limit(f"n{v}", at[v] + tight[v] * (wanted[v] - at[v]), at[v] - below[v] * span[v]) for v in range(n_nodes)
    ]
    layers = rng.choice([Layer.PROTECTION, Layer.OPERATOR, Layer.PLAN], n_nodes)
    for v in np.flatnonzero(rng.random(n_nodes) < contradictory):
        most = at[v] + tight[v] * (wanted[v] - at[v])
        limits.append(limit(f"n{v}", np.inf, most + 0.05 * span[v], layer=Layer(int(layers[v]))))
    topology = compile_topology(nodes_of(parents), limits, assets)
    return topology, State.of(topology)


def nodes_of(parents: list[int]) -> list[Node]:
    return [Node(f"n{v}", None if up < 0 else f"n{up}") for v, up in enumerate(parents)]


def limit(node: str, upper_kw: float, lower_kw: float, *, layer: Layer = Layer.CONTRACT) -> Limit:
    """Bounds of any sign, written as limits that are not negative beside an uncontrolled load."""
    beside_kw = max(0.0, -upper_kw) - max(0.0, lower_kw)
    import_kw = None if upper_kw == np.inf else upper_kw + beside_kw
    return Limit(node, import_kw, max(0.0, -(lower_kw + beside_kw)), layer, beside_kw)


def tree(n_leaves: int, levels: int) -> tuple[list[int], np.ndarray]:
    """Parents and depths of the nodes, root first, leaves last, branching about evenly."""
    widths = [max(1, round(n_leaves ** (depth / (levels - 1)))) for depth in range(levels)]
    parents = [-1]
    begin = 0
    for above, here in pairwise(widths):
        parents += [begin + j * above // here for j in range(here)]
        begin += above
    return parents, np.repeat(np.arange(levels), widths)


def sums(parents: list[int], home: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of the values below each node."""
    total = np.bincount(home, weights=values, minlength=len(parents))
    for v in range(len(parents) - 1, 0, -1):
        total[parents[v]] += total[v]
    return total


def chain(n_nodes: int, n_assets: int, *, seed: int = 0) -> tuple[Topology, State]:
    """One arm: every segment carries all that is behind it, each with a limit that may bind."""
    rng = np.random.default_rng(seed)
    nodes = [Node(f"n{v}", None if v == 0 else f"n{v - 1}") for v in range(n_nodes)]
    home = rng.integers(0, n_nodes, n_assets)
    rating = rng.uniform(3.0, 150.0, n_assets)
    aim = rating * rng.random(n_assets)
    assets = [Asset(f"a{i}", f"n{home[i]}", 0.0, rating[i], aim[i], rng.uniform(0.5, 2.0)) for i in range(n_assets)]
    at = sums([v - 1 for v in range(n_nodes)], home, aim)
    limits = [Limit(f"n{v}", at[v] * rng.uniform(0.5, 1.05)) for v in range(n_nodes)]
    topology = compile_topology(nodes, limits, assets)
    return topology, State.of(topology)
