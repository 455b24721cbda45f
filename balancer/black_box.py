"""One allocation problem as a JSON document in, the answer as one out: what `lusbalans balance` does.

Every key is checked: an unknown one is refused, since a misspelt limit would be no limit.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from balancer.explanation import binding_nodes
from balancer.kernel import Answer, State, solve
from balancer.model import Asset, InputError, Layer, Limit, Node
from balancer.topology import compile_topology
from balancer.violations import find_violations

Fields = Mapping[str, Any]

_NODE_KEYS = {"id", "parent", "uncontrolled_kw", "limits"}
_LIMIT_KEYS = {"import_kw", "export_kw", "layer", "uncontrolled_kw"}
_ASSET_KEYS = {"id", "node", "min_kw", "max_kw", "target_kw", "weight", "order_down", "order_up"}


def balance_text(text: str | bytes) -> str:
    """The answer to a problem, one line of JSON. Raises `InputError` for a document that means nothing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("input", f"not a JSON document: {error}") from error
    nodes, limits, assets = read_problem(document)
    topology = compile_topology(nodes, limits, assets)
    answer = solve(topology, State.of(topology))
    return json.dumps(write_answer(answer, nodes, assets), ensure_ascii=False, allow_nan=False)


def read_problem(document: object) -> tuple[list[Node], list[Limit], list[Asset]]:
    """Nodes, limits and assets of a document. Raises `InputError`; what the numbers mean is checked later."""
    top = _object("input", document, {"nodes", "assets"})
    nodes: list[Node] = []
    limits: list[Limit] = []
    for entry in _list("input", top, "nodes"):
        fields = _object("node", entry, _NODE_KEYS)
        node_id = _text("node", fields, "id")
        element = f"node {node_id}"
        parent = None if fields.get("parent") is None else _text(element, fields, "parent")
        nodes.append(Node(node_id, parent))
        uncontrolled_kw = _number(element, fields, "uncontrolled_kw", 0.0)
        limits += [_limit(node_id, limit, uncontrolled_kw) for limit in _list(element, fields, "limits")]
    return nodes, limits, [_asset(entry) for entry in _list("input", top, "assets")]


def write_answer(answer: Answer, nodes: Sequence[Node], assets: Sequence[Asset]) -> dict[str, Any]:
    """The document of an answer, in the order of the input. Adding 0.0 turns -0.0 into 0.0."""
    topology = answer.topology
    at_asset = {name: i for i, name in enumerate(topology.asset_ids)}
    at_node = {name: v for v, name in enumerate(topology.node_ids)}
    price = answer.price
    return {
        "setpoints": [
            {
                "id": asset.id,
                "power_kw": float(answer.power_kw[i]) + 0.0,
                "price": float(price[i]) + 0.0,
                "binding": [topology.node_ids[v] for v in binding_nodes(answer, i)],
            }
            for asset in assets
            for i in [at_asset[asset.id]]
        ],
        "violations": [
            {
                "node": violation.limit.node,
                "direction": violation.direction.value,
                "kw": violation.kw,
                "layer": violation.limit.layer.name.lower(),
            }
            for violation in find_violations(answer)
        ],
        "nodes": [
            {
                "id": node.id,
                "power_kw": float(answer.node_power_kw[v]) + 0.0,
                "price": float(answer.node_price[v]) + 0.0,
            }
            for node in nodes
            for v in [at_node[node.id]]
        ],
    }


def _limit(node_id: str, entry: object, uncontrolled_kw: float) -> Limit:
    element = f"limit of node {node_id}"
    fields = _object(element, entry, _LIMIT_KEYS)
    return Limit(
        node=node_id,
        import_kw=_optional(element, fields, "import_kw"),
        export_kw=_optional(element, fields, "export_kw"),
        layer=_layer(element, fields.get("layer")),
        uncontrolled_kw=_number(element, fields, "uncontrolled_kw", uncontrolled_kw),
    )


def _asset(entry: object) -> Asset:
    fields = _object("asset", entry, _ASSET_KEYS)
    asset_id = _text("asset", fields, "id")
    element = f"asset {asset_id}"
    return Asset(
        id=asset_id,
        node=_text(element, fields, "node"),
        min_kw=_number(element, fields, "min_kw", None),
        max_kw=_number(element, fields, "max_kw", None),
        target_kw=_number(element, fields, "target_kw", None),
        weight=_number(element, fields, "weight", 1.0),
        order_down=_whole(element, fields, "order_down"),
        order_up=_whole(element, fields, "order_up"),
    )


def _object(element: str, entry: object, known: set[str]) -> Fields:
    if not isinstance(entry, dict):
        raise InputError(element, "must be an object")
    for key in entry:
        if key not in known:
            name = entry.get("id")
            raise InputError(f"{element} {name}" if isinstance(name, str) else element, f"key {key} is unknown")
    return entry


def _list(element: str, fields: Fields, key: str) -> list[object]:
    entries = fields.get(key)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise InputError(element, f"{key} must be a list")
    return entries


def _text(element: str, fields: Fields, key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise InputError(element, f"{key} must be a text, is {json.dumps(value)}")
    return value


def _optional(element: str, fields: Fields, key: str) -> float | None:
    return None if fields.get(key) is None else _number(element, fields, key, None)


def _number(element: str, fields: Fields, key: str, default: float | None) -> float:
    value = fields.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(element, f"{key} must be a number, is {json.dumps(value)}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(element, f"{key} must be a finite number") from None


def _whole(element: str, fields: Fields, key: str) -> int:
    value = _number(element, fields, key, 0.0)
    if not value.is_integer():
        raise InputError(element, f"{key} must be a whole number, is {value}")
    return int(value)


def _layer(element: str, value: object) -> Layer:
    if value is None:
        return Layer.CONTRACT
    names = {layer.name.lower(): layer for layer in Layer}
    name = value.lower().replace(" ", "_").replace("-", "_") if isinstance(value, str) else ""
    if name not in names:
        raise InputError(element, f"layer must be one of {', '.join(names)}, is {json.dumps(value)}")
    return names[name]
