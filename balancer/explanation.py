"""Why a setpoint is what it is, for people: one sentence in Dutch or English.

A price says everything: its whole part is the class that moves, and the nodes where it changes are those that bind.
"""

from dataclasses import dataclass
from enum import StrEnum

from balancer.kernel import Answer
from balancer.model import Layer, Limit
from balancer.violations import Direction, excess


class Language(StrEnum):
    """Languages of the sentences."""

    NL = "nl"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Binding:
    """A node that changes the price, and the limit by which it does so."""

    node: str
    direction: Direction
    limit: Limit
    limit_kw: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What decided one setpoint. `order` is the class that moves at its price; None when nothing binds."""

    asset: str
    power_kw: float
    target_kw: float
    price: float
    order: int | None
    bindings: tuple[Binding, ...]


def binding_nodes(answer: Answer, asset: int) -> list[int]:
    """The nodes on the path of an asset where the price changes, from the asset to the root."""
    price, parent = answer.node_price, answer.topology.parent
    return [
        v
        for v in answer.topology.path(int(answer.topology.asset_node[asset]))
        if price[v] != (price[parent[v]] if parent[v] >= 0 else 0.0)
    ]


def explain(answer: Answer, asset: int) -> Explanation:
    """What decided the setpoint of the asset with this index."""
    price = float(answer.node_price[answer.topology.asset_node[asset]])
    bindings = [_binding(answer, v) for v in binding_nodes(answer, asset)]
    return Explanation(
        asset=answer.topology.asset_ids[asset],
        power_kw=float(answer.power_kw[asset]),
        target_kw=float(answer.state.target_kw[asset]),
        price=price,
        order=_order(answer, price),
        bindings=tuple(binding for binding in bindings if binding is not None),
    )


def _order(answer: Answer, price: float) -> int | None:
    """The class that moves at a price: at the end of a band it is still that band's."""
    if price == 0.0:
        return None
    orders = answer.topology.order_down if price < 0 else answer.topology.order_up
    begun = [int(order) for order in orders if order < abs(price)]
    return begun[-1] if begun else int(orders[0])


def _binding(answer: Answer, v: int) -> Binding | None:
    """The limit of a node that changes the price there: of those that are reached, the one exceeded least."""
    topology, state = answer.topology, answer.state
    above = topology.parent[v]
    from_above = answer.node_price[above] if above >= 0 else 0.0
    direction = Direction.IMPORT if answer.node_price[v] < from_above else Direction.EXPORT
    over_kw, under_kw = excess(answer)
    beyond_kw = over_kw if direction is Direction.IMPORT else under_kw
    mine = range(topology.limit_start[v], topology.limit_start[v + 1])
    finite = [k for k in mine if beyond_kw[k] > float("-inf")]
    if not finite:
        return None
    k = min(finite, key=lambda k: (abs(float(beyond_kw[k])), k))
    limit_kw = float(state.upper_kw[k] if direction is Direction.IMPORT else -state.lower_kw[k])
    return Binding(topology.node_ids[v], direction, topology.limits[k], limit_kw)


_LAYERS = {
    Language.EN: {
        Layer.PROTECTION: "protection",
        Layer.DSO_CAP: "DSO cap",
        Layer.CONTRACT: "contract",
        Layer.OPERATOR: "operator",
        Layer.PLAN: "plan",
    },
    Language.NL: {
        Layer.PROTECTION: "beveiliging",
        Layer.DSO_CAP: "netbeheerder",
        Layer.CONTRACT: "contract",
        Layer.OPERATOR: "bedienaar",
        Layer.PLAN: "planning",
    },
}

_LIMIT = {
    Language.EN: "{node} {direction} limit {kw:g} kW ({layer})",
    Language.NL: "{direction}limiet {kw:g} kW van {node} ({layer})",
}

_HELD = {
    Language.EN: "held at {power:g} kW: {limits}, class {order} gives way first",
    Language.NL: "gehouden op {power:g} kW: {limits}, klasse {order} wijkt het eerst",
}

_FREE = {Language.EN: "at its target, {power:g} kW: nothing binds", Language.NL: "op doel, {power:g} kW: niets knelt"}


def sentence(explanation: Explanation, language: Language) -> str:
    """One sentence: what binds, its limit and layer, and which class moves."""
    power = round(explanation.power_kw, 3) + 0.0
    if explanation.order is None:
        return _FREE[language].format(power=power)
    limits = [
        _LIMIT[language].format(
            node=binding.node,
            direction=binding.direction.value,
            kw=round(binding.limit_kw, 3) + 0.0,
            layer=_LAYERS[language][binding.limit.layer],
        )
        for binding in explanation.bindings
    ]
    return _HELD[language].format(power=power, limits=" + ".join(limits), order=explanation.order)
