"""Input that means nothing is refused before the arithmetic, naming the element and the rule it breaks.

Comparisons are written so that NaN fails them.
"""

import math
from collections import Counter
from collections.abc import Sequence

from balancer.model import Asset, InputError, Limit, Node

LARGEST_ORDER = 1_000
"""Classes are few; beyond this a number is a typing error, and a price would lose digits behind the point."""

LARGEST_KW = 1e9
"""A thousand gigawatt: beyond it a number is in the wrong unit."""


def check_input(nodes: Sequence[Node], limits: Sequence[Limit], assets: Sequence[Asset]) -> None:
    """Raise `InputError` for the first element that breaks a rule."""
    _check_ids([node.id for node in nodes], "node")
    _check_ids([asset.id for asset in assets], "asset")
    known = {node.id for node in nodes}
    _check_parents(nodes, known)
    for limit in limits:
        _check_limit(limit, known)
    for asset in assets:
        _check_asset(asset, known)


def _check_ids(ids: list[str], kind: str) -> None:
    for name, count in Counter(ids).items():
        if not name:
            raise InputError(kind, "id must not be empty")
        if count > 1:
            raise InputError(f"{kind} {name}", f"id must be unique, used {count} times")


def _check_parents(nodes: Sequence[Node], known: set[str]) -> None:
    roots = [node.id for node in nodes if node.parent is None]
    for node in nodes:
        if node.parent is not None and node.parent not in known:
            raise InputError(f"node {node.id}", f"parent {node.parent} is unknown")
    if not nodes:
        raise InputError("nodes", "there must be a root")
    if not roots:
        raise InputError(f"node {nodes[0].id}", "its parents form a cycle: no node is the root")
    if len(roots) > 1:
        raise InputError(f"node {roots[1]}", f"there must be one root, {roots[0]} is one already")


def _check_limit(limit: Limit, known: set[str]) -> None:
    element = f"limit of node {limit.node}"
    if limit.node not in known:
        raise InputError(element, "node is unknown")
    for name, value_kw in (("import_kw", limit.import_kw), ("export_kw", limit.export_kw)):
        if value_kw is not None:
            _check_kw(element, name, value_kw)
            if value_kw < 0:
                raise InputError(element, f"{name} must not be negative, is {value_kw}")
    _check_kw(element, "uncontrolled_kw", limit.uncontrolled_kw)


def _check_asset(asset: Asset, known: set[str]) -> None:
    element = f"asset {asset.id}"
    if asset.node not in known:
        raise InputError(element, f"node {asset.node} is unknown")
    for name in ("min_kw", "max_kw", "target_kw"):
        _check_kw(element, name, getattr(asset, name))
    if not asset.min_kw <= asset.max_kw:
        raise InputError(element, f"min_kw {asset.min_kw} must not be above max_kw {asset.max_kw}")
    if not (math.isfinite(asset.weight) and 1e-9 <= asset.weight <= 1e9):
        raise InputError(element, f"weight must be between 1e-9 and 1e9, is {asset.weight}")
    for name in ("order_down", "order_up"):
        order = getattr(asset, name)
        if not 0 <= order <= LARGEST_ORDER:
            raise InputError(element, f"{name} must be between 0 and {LARGEST_ORDER}, is {order}")


def _check_kw(element: str, name: str, value_kw: float) -> None:
    if not math.isfinite(value_kw):
        raise InputError(element, f"{name} must be a finite number, is {value_kw}")
    if not abs(value_kw) <= LARGEST_KW:
        raise InputError(element, f"{name} must be within {LARGEST_KW:g} kW, is {value_kw}")
