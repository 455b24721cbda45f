"""The clearing by its definition, slow and in exact fractions: add the curves of what is below, cut them, walk down.

A curve is a list of (price, kW) points, both rising; constant outside, straight in between. For feasible limits only.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from balancer.model import Asset, Limit, Node

Curve = list[tuple[Fraction, Fraction]]


def balance(nodes: Sequence[Node], limits: Sequence[Limit], assets: Sequence[Asset]) -> dict[str, Fraction]:
    """The setpoint of each asset, kW."""
    ends = {sign: band_ends(assets, sign) for sign in (-1, 1)}
    children = {node.id: [child.id for child in nodes if child.parent == node.id] for node in nodes}
    own = {node.id: [asset for asset in assets if asset.node == node.id] for node in nodes}
    bounds = {node.id: node_bounds(node.id, limits) for node in nodes}
    uncut: dict[str, Curve] = {}

    def curve_of(node: str) -> Curve:
        below = [curve_of(child) for child in children[node]]
        uncut[node] = add([*below, *(asset_curve(asset, ends) for asset in own[node])])
        return cut(uncut[node], *bounds[node])

    power: dict[str, Fraction] = {}

    def walk(node: str, price: Fraction) -> None:
        low, high = bounds[node]
        if low is not None and value(uncut[node], price) < low:
            price = lowest_price(uncut[node], low)
        if high is not None and value(uncut[node], price) > high:
            price = highest_price(uncut[node], high)
        for asset in own[node]:
            power[asset.id] = value(asset_curve(asset, ends), price)
        for child in children[node]:
            walk(child, price)

    root = next(node.id for node in nodes if node.parent is None)
    curve_of(root)
    walk(root, Fraction(0))
    return power


def target(asset: Asset) -> Fraction:
    return Fraction(min(max(asset.target_kw, asset.min_kw), asset.max_kw))


def reach(asset: Asset, sign: int) -> Fraction:
    return target(asset) - Fraction(asset.min_kw) if sign < 0 else Fraction(asset.max_kw) - target(asset)


def order(asset: Asset, sign: int) -> int:
    return asset.order_down if sign < 0 else asset.order_up


def band_ends(assets: Sequence[Asset], sign: int) -> dict[int, Fraction]:
    """R_k: the largest reach per weight in each class."""
    ends: dict[int, Fraction] = {}
    for asset in assets:
        k = order(asset, sign)
        ends[k] = max(ends.get(k, Fraction(0)), reach(asset, sign) / Fraction(asset.weight))
    return ends


def asset_curve(asset: Asset, ends: dict[int, dict[int, Fraction]]) -> Curve:
    points = []
    for sign in (-1, 1):
        k, span = order(asset, sign), reach(asset, sign)
        full = span / Fraction(asset.weight) / ends[sign][k] if span else Fraction(0)
        points += [(sign * Fraction(k), target(asset)), (sign * (k + full), target(asset) + sign * span)]
    return sorted(points)


def node_bounds(node: str, limits: Sequence[Limit]) -> tuple[Fraction | None, Fraction | None]:
    mine = [limit for limit in limits if limit.node == node]
    low = [-Fraction(m.export_kw) - Fraction(m.uncontrolled_kw) for m in mine if m.export_kw is not None]
    high = [Fraction(m.import_kw) - Fraction(m.uncontrolled_kw) for m in mine if m.import_kw is not None]
    return max(low, default=None), min(high, default=None)


def value(curve: Curve, price: Fraction) -> Fraction:
    if price <= curve[0][0]:
        return curve[0][1]
    for (p, kw), (q, kw_q) in pairwise(curve):
        if p < q and price <= q:
            return kw + (kw_q - kw) * (price - p) / (q - p)
    return curve[-1][1]


def add(curves: list[Curve]) -> Curve:
    prices = sorted({price for curve in curves for price, _ in curve} | {Fraction(0)})
    return [(price, sum((value(curve, price) for curve in curves), Fraction(0))) for price in prices]


def cut(curve: Curve, low: Fraction | None, high: Fraction | None) -> Curve:
    """The curve held between two values, with a point where it meets each."""
    points = dict(curve)
    if low is not None:
        points[lowest_price(curve, low)] = max(low, curve[0][1])
    if high is not None:
        points[highest_price(curve, high)] = min(high, curve[-1][1])
    low_kw = low if low is not None else curve[0][1]
    high_kw = high if high is not None else curve[-1][1]
    return [(price, min(max(kw, low_kw), high_kw)) for price, kw in sorted(points.items())]


def lowest_price(curve: Curve, kw: Fraction) -> Fraction:
    """The smallest price at which the curve reaches `kw`."""
    return -highest_price([(-price, -value) for price, value in reversed(curve)], -kw)


def highest_price(curve: Curve, kw: Fraction) -> Fraction:
    """The largest price at which the curve is not above `kw` yet."""
    best = curve[-1][0]
    for (p, left), (q, right) in reversed(list(pairwise(curve))):
        if right <= kw:
            return best
        best = p if left >= kw else p + (q - p) * (kw - left) / (right - left)
    return best
