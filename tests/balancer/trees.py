"""Random problems of all shapes, from a seed."""

import random
from dataclasses import dataclass

from balancer.model import Asset, Layer, Limit, Node


@dataclass(frozen=True, slots=True)
class Problem:
    nodes: list[Node]
    limits: list[Limit]
    assets: list[Asset]


def random_nodes(rng: random.Random, n_nodes: int) -> list[Node]:
    """A chain, a star, or something in between, at random."""
    chain = rng.choice([0.0, 0.3, 0.8, 1.0])
    nodes = [Node("n0", None)]
    for v in range(1, n_nodes):
        parent = v - 1 if rng.random() < chain else rng.randrange(v)
        nodes.append(Node(f"n{v}", f"n{parent}"))
    return nodes


def random_assets(rng: random.Random, nodes: list[Node], n_assets: int, n_classes: int) -> list[Asset]:
    """Chargers, batteries, PV and fixed loads, some with a target at or beyond a bound."""
    assets = []
    size = 10.0 ** rng.randint(-3, 6)
    for i in range(n_assets):
        low, high = rng.choice([(0.0, 1.0), (-1.0, 1.0), (-1.0, 0.0), (0.5, 0.5), (-rng.random(), rng.random())])
        scale = size * rng.choice([1.0, 1.0, 0.01, 30.0]) * rng.choice([1.0, rng.random()])
        target = rng.choice([low, high, 0.0, 2.0, rng.uniform(low, high), rng.uniform(low, high)])
        assets.append(
            Asset(
                id=f"a{i}",
                node=rng.choice(nodes).id,
                min_kw=low * scale,
                max_kw=high * scale,
                target_kw=target * scale,
                weight=rng.choice([1.0, 1.0, 3.0, 10 ** rng.uniform(-2, 2)]),
                order_down=rng.randrange(n_classes),
                order_up=rng.randrange(n_classes),
            )
        )
    return assets


def reach_below(nodes: list[Node], assets: list[Asset]) -> dict[str, tuple[float, float, float]]:
    """Sum of min, target and max of what is below each node."""
    parent = {node.id: node.parent for node in nodes}
    sums = {node.id: [0.0, 0.0, 0.0] for node in nodes}
    for asset in assets:
        at: str | None = asset.node
        while at is not None:
            for j, value in enumerate(
                (asset.min_kw, min(max(asset.target_kw, asset.min_kw), asset.max_kw), asset.max_kw)
            ):
                sums[at][j] += value
            at = parent[at]
    return {node: (low, aim, high) for node, (low, aim, high) in sums.items()}


def feasible_problem(seed: int, *, most_nodes: int = 12, most_assets: int = 24) -> Problem:
    """Limits around a setpoint that exists, so that they do not contradict."""
    rng = random.Random(seed)
    nodes = random_nodes(rng, rng.randint(1, most_nodes))
    assets = random_assets(rng, nodes, rng.randint(1, most_assets), rng.choice([1, 1, 2, 4]))
    witness = [
        Asset(a.id, a.node, a.min_kw, a.max_kw, rng.choice([a.min_kw, a.max_kw, rng.uniform(a.min_kw, a.max_kw)]))
        for a in assets
    ]
    limits = []
    for node, (low, aim, high) in reach_below(nodes, witness).items():
        limits += [limit_around(rng, node, (low, aim, high)) for _ in range(rng.choice([0, 1, 1, 2]))]
    return Problem(nodes, limits, assets)


def limit_around(rng: random.Random, node: str, sums: tuple[float, float, float]) -> Limit:
    """A limit that `sums[1]` keeps, tight or loose in either direction."""
    low, aim, high = sums
    span = high - low
    above = aim + rng.choice([0.0, 0.1, 0.3, 1.0]) * rng.random() * span
    below = aim - rng.choice([0.0, 0.1, 0.3, 1.0]) * rng.random() * span
    uncontrolled = rng.choice([0.0, 1.0]) * rng.uniform(-span, span)
    if above + uncontrolled < 0 or below + uncontrolled > 0:
        uncontrolled = -aim  # keep the declared limits non-negative
    return Limit(
        node,
        import_kw=rng.choice([None, max(above + uncontrolled, 0.0)]),
        export_kw=rng.choice([None, max(-below - uncontrolled, 0.0)]),
        layer=rng.choice(list(Layer)),
        uncontrolled_kw=uncontrolled,
    )


def contradictory_problem(seed: int, *, most_nodes: int = 10, most_assets: int = 14) -> Problem:
    """Limits drawn without a thought for whether they can be met, whole numbers at that, so that ties occur."""
    rng = random.Random(seed)
    nodes = random_nodes(rng, rng.randint(1, most_nodes))
    assets = []
    for i in range(rng.randint(1, most_assets)):
        low, high = sorted((rng.randint(-10, 10), rng.randint(-10, 10)))
        orders = (rng.randrange(3), rng.randrange(3))
        weight = rng.choice([1.0, 1.0, 2.0, 5.0])
        assets.append(Asset(f"a{i}", rng.choice(nodes).id, low, high, rng.randint(-10, 10), weight, *orders))
    limits = []
    layers = rng.sample(list(Layer), rng.randint(1, 5))
    for node in nodes:
        for _ in range(rng.choice([0, 1, 2, 3])):
            bounds = [rng.choice([None, 0, rng.randint(0, 20)]) for _ in range(2)]
            uncontrolled = rng.choice([0, rng.randint(-20, 20)])
            limits.append(Limit(node.id, *bounds, layer=rng.choice(layers), uncontrolled_kw=uncontrolled))
    return Problem(nodes, limits, assets)
