"""How the hub agent shares out the park among the grid loops in one tick. Pure.

The loops' curves are cleared exactly under the limits of the nodes above them; then what no limit needs is dealt out
as room around each loop's result, so that a loop may act between two ticks without asking. A loop that has not offered
in this tick is inelastic anywhere within what it may be obeying.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from balancer.curve import FlexibilityCurve, check_curve, inelastic
from balancer.topology import Topology
from balancer.two_level import clear_curves
from streams.bounds import BoundRows, Floats, Indices
from streams.budgets import MOST_KW, Exposure, Interval
from streams.messages import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopView:
    """One grid loop as the hub agent sees it in one tick."""

    curve: FlexibilityCurve
    net_kw: float
    """As measured when the loop last offered."""
    least_kw: float
    """Net power apart from what the curve offers: at least this,"""
    most_kw: float
    """and at most this."""
    offered: bool
    """In this tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upper:
    """The nodes above the grid loops, laid out once: kernel topology with one asset per loop, and their bounds."""

    topology: Topology
    bounds: BoundRows
    bounds_at: Indices


@dataclass(frozen=True, slots=True)
class Shares:
    """What clearing gives: a wish per loop, the room all loops have together, and what binds per upper node."""

    wanted: Mapping[str, Interval]
    limit: Interval
    binding: list[str]


RESIDUAL_TICKS: Final = 5
"""The median of so many ticks passes over two that are off by skew, and follows a true step within three."""


@dataclass(slots=True)
class Residual:
    """What the upper meters show beside the sum of the loops: losses, what nobody meters, errors; slow by nature.

    Boundary and loops are not read at one instant. While devices ramp, the difference of two readings a second apart
    looks like load that comes and goes, and answering it makes the park swing. So the median of some ticks counts.
    """

    seen_kw: deque[Floats] = field(default_factory=lambda: deque(maxlen=RESIDUAL_TICKS))

    @property
    def known(self) -> bool:
        """Whether all loops have ever offered in one tick; before that the estimate guesses what a silent one takes."""
        return bool(self.seen_kw)

    def estimate_kw(self, power_kw: Floats, loops: Mapping[str, LoopView]) -> Floats:
        """[n_upper_nodes] The residual now; a tick in which a loop did not offer adds nothing to what is known.

        Nor does one in which an upper node's power [n_upper_nodes] is not known for now, NaN.
        """
        now_kw = power_kw - sum(loop.net_kw for loop in loops.values())
        if all(loop.offered for loop in loops.values()) and not np.isnan(now_kw).any():
            self.seen_kw.append(now_kw)
        return np.median(self.seen_kw, axis=0) if self.seen_kw else np.nan_to_num(now_kw)


def view_loop(offer: Offer | None, exposure: Exposure, *, tick: int) -> LoopView:
    """See a loop through its offer of this tick, else through what it may be obeying.

    An offer that means nothing counts as missing: another version of the worker may have written it.
    """
    sound = offer is not None and is_sound_offer(offer)
    if offer is not None and sound and offer.tick == tick:
        wire = offer.curve
        curve = FlexibilityCurve(wire.order, wire.pressure, wire.power_kw, wire.error_kw)
        if check_curve(curve) is None:
            return LoopView(
                curve=curve,
                net_kw=offer.power_kw,
                least_kw=offer.uncontrolled_low_kw,
                most_kw=offer.uncontrolled_high_kw,
                offered=True,
            )
    middle_kw = (exposure.soon.min_kw + exposure.soon.max_kw) / 2
    return LoopView(
        curve=inelastic(0.0),
        net_kw=offer.power_kw if offer is not None and sound else middle_kw,
        least_kw=exposure.soon.min_kw,
        most_kw=exposure.soon.max_kw,
        offered=False,
    )


def is_sound_offer(offer: Offer) -> bool:
    """Whether the figures of an offer mean something."""
    powers_kw = (offer.power_kw, offer.uncontrolled_low_kw, offer.uncontrolled_high_kw, *offer.curve.power_kw)
    return offer.uncontrolled_low_kw <= offer.uncontrolled_high_kw and all(abs(kw) <= MOST_KW for kw in powers_kw)


def share_out(
    upper: Upper,
    loops: Mapping[str, LoopView],
    *,
    residual_kw: Floats,
    bounds_kw: Floats,
    share: Mapping[str, float],
) -> Shares:
    """Clear the upper nodes and deal out what is left.

    Args:
        upper: the nodes above the loops.
        loops: how each loop is seen.
        residual_kw: [n_upper_nodes] what the nodes' own meters show beside the loops (`Residual`).
        bounds_kw: [n_bounds] what their limits allow, magnitudes.
        share: per loop, its part of what is left; adds up to 1.
    """
    most_kw = residual_kw + sum(loop.most_kw for loop in loops.values())
    least_kw = residual_kw + sum(loop.least_kw for loop in loops.values())
    quantity_kw = _clear(upper, loops, most_kw=most_kw, least_kw=least_kw, bounds_kw=bounds_kw)
    limit = _limit(upper.bounds, bounds_kw, residual_kw=residual_kw)
    high_kw = {loop: view.most_kw + quantity_kw[loop] for loop, view in loops.items()}
    low_kw = {loop: view.least_kw + quantity_kw[loop] for loop, view in loops.items()}
    above_kw = max(limit.max_kw - sum(high_kw.values()), 0.0)
    below_kw = max(sum(low_kw.values()) - limit.min_kw, 0.0)
    wanted = {
        loop: Interval(low_kw[loop] - below_kw * share[loop], high_kw[loop] + above_kw * share[loop]) for loop in loops
    }
    moved_kw = sum(quantity_kw.values()) - sum(_at_rest_kw(view.curve) for view in loops.values())
    room_kw = bounds_kw - _facing(upper.bounds, most_kw, least_kw)
    return Shares(wanted, limit, _binding(upper.bounds, room_kw, moved_kw=moved_kw, n_nodes=len(most_kw)))


def _clear(
    upper: Upper, loops: Mapping[str, LoopView], *, most_kw: Floats, least_kw: Floats, bounds_kw: Floats
) -> dict[str, float]:
    n_limits = len(upper.topology.limits)
    lower_kw, upper_kw, load_kw = np.full(n_limits, -np.inf), np.full(n_limits, np.inf), np.zeros(n_limits)
    for bounds, at, bound_kw in zip(upper.bounds, upper.bounds_at, bounds_kw, strict=True):
        load_kw[at] = most_kw[bounds.node] if bounds.imports else least_kw[bounds.node]
        upper_kw[at] = bound_kw if bounds.imports else np.inf
        lower_kw[at] = -np.inf if bounds.imports else 0.0 - bound_kw
    return clear_curves(
        upper.topology,
        lower_kw=lower_kw,
        upper_kw=upper_kw,
        uncontrolled_kw=load_kw,
        curves={loop: view.curve for loop, view in loops.items()},
    )


def _limit(bounds: BoundRows, bounds_kw: Floats, *, residual_kw: Floats) -> Interval:
    """Net power that all loops together may have, whichever upper node is the tightest."""
    low_kw, high_kw = -np.inf, np.inf
    for b, bound_kw in zip(bounds, bounds_kw, strict=True):
        if b.imports:
            high_kw = min(high_kw, bound_kw - residual_kw[b.node])
        else:
            low_kw = max(low_kw, 0.0 - bound_kw - residual_kw[b.node])
    return Interval(float(low_kw), float(max(high_kw, low_kw)))


def _facing(bounds: BoundRows, most_kw: Floats, least_kw: Floats) -> Floats:
    """[n_bounds] The load that each bound meets, as a magnitude in its direction."""
    return np.array([most_kw[b.node] if b.imports else 0.0 - least_kw[b.node] for b in bounds])


def _at_rest_kw(curve: FlexibilityCurve) -> float:
    """What the loop would take if no price came from above."""
    return curve.power_kw[curve.order.index(0)]


def _binding(bounds: BoundRows, room_kw: Floats, *, moved_kw: float, n_nodes: int) -> list[str]:
    """[n_upper_nodes] The direction that moved the loops, at the node with the least room in it."""
    binding = [""] * n_nodes
    facing = [at for at, b in enumerate(bounds) if b.imports == (moved_kw < 0)]
    if abs(moved_kw) > _WATT_KW and facing:
        tightest = bounds[min(facing, key=lambda at: float(room_kw[at]))]
        binding[tightest.node] = "import" if tightest.imports else "export"
    return binding


_WATT_KW = 1e-3
"""Less than this is rounding."""
