"""Optimality without a solver: no asset, and no pair of assets, can be moved so that the answer gets better.

On a laminar family of limits every sum has coefficient 1, so this local test is a proof (Murota's M-convexity).
"Better" is lexicographic: the layers' violations from the highest down, then what the assets' order and targets ask.
"""

from itertools import product

import numpy as np

from balancer.model import Asset, Layer
from tests.balancer.oracles import rows_of, violation
from tests.balancer.reference import band_ends, order, reach, target
from tests.balancer.trees import Problem


class Wish:
    """The sum of f_i: f' = band_lo + slope * |x - t|, slope = 1 / (weight * R_k) in the direction moved."""

    def __init__(self, assets: list[Asset]) -> None:
        self.target = np.array([float(target(asset)) for asset in assets])
        self.band = {sign: np.array([order(asset, sign) for asset in assets]) for sign in (-1, 1)}
        self.slope = {}
        for sign in (-1, 1):
            ends = band_ends(assets, sign)
            spans = [float(ends[order(asset, sign)]) * asset.weight for asset in assets]
            self.slope[sign] = np.array([1 / span if span > 0 else 0.0 for span in spans])
        self.reach = {sign: np.array([float(reach(asset, sign)) for asset in assets]) for sign in (-1, 1)}

    def cost(self, power_kw: np.ndarray) -> float:
        away = power_kw - self.target
        total = 0.0
        for sign in (-1, 1):
            moved = np.maximum(sign * away, 0.0)
            total += float(np.sum(self.band[sign] * moved + 0.5 * self.slope[sign] * moved**2))
        return total


def better_exchange(problem: Problem, power_kw: np.ndarray, step_kw: float = 1e-3) -> str | None:
    """The first move of `step_kw` that makes the answer better, in words; None if there is none."""
    rows, wish = rows_of(problem), Wish(problem.assets)
    n = len(problem.assets)
    low = np.array([asset.min_kw for asset in problem.assets])
    high = np.array([asset.max_kw for asset in problem.assets])
    now = (*(violation(rows, power_kw, layer) for layer in Layer), wish.cost(power_kw))
    for up, down in product([None, *range(n)], repeat=2):
        step = step_kw
        if up is not None:
            step = min(step, high[up] - power_kw[up])
        if down is not None:
            step = min(step, power_kw[down] - low[down])
        if up == down or step <= 1e-4 * step_kw:  # a shorter step is lost in rounding
            continue
        moved = power_kw.copy()
        moved[[i for i in (up,) if i is not None]] += step
        moved[[i for i in (down,) if i is not None]] -= step
        then = (*(violation(rows, moved, layer) for layer in Layer), wish.cost(moved))
        if is_better(then, now, 1e-7 * step):
            return f"up {up} down {down} by {step}: {now} -> {then}"
    return None


def is_better(then: tuple[float, ...], now: tuple[float, ...], least: float) -> bool:
    for new, old in zip(then, now, strict=True):
        if new < old - least:
            return True
        if new > old + least:
            return False
    return False
