"""Which limit holds now: layers, quarter law and budget brought down to one bound per node, layer and direction.

A bound of import is what the node may draw, one of export what it may feed in, as a magnitude; both are judged against
the unfavourable end of what the meters tell.
"""

from typing import Final

import numpy as np

from balancer.apparent_power import active_limit_kw
from balancer.quarter_law import QUARTER_H, quarter_bound_kw
from hub.quarters import QUARTER_US, quarter_start_us
from streams.bounds import BoundRows, Floats
from streams.budgets import Interval
from streams.plant import PHASES, Plant

QUARTER_MARGIN_RATIO: Final = 0.002
"""Share of a quarter's energy kept free for what our clock and meter may differ from the settlement meter's."""

REACTION_S: Final = 5.0
"""Meter cadence, a tick and what a device needs to follow; the quarter law looks no closer ahead than this."""

_S_PER_H: Final = 3600.0


def seconds_left(now_us: int) -> float:
    """Until the quarter ends."""
    return (quarter_start_us(now_us) + QUARTER_US - now_us) / 1e6


def judged_bounds_kw(bounds: BoundRows, *, energy_kwh: Floats, uncovered_s: Floats, now_us: int) -> Floats:
    """[n_bounds] What each entry allows now by its own limits, budgets left out; never negative.

    A quarter that is overdrawn in one direction is not mended by going the other way: A+ and A- are separate registers,
    earlier export is not paid for by later import. So the best that is left is 0. Seconds of the quarter that no register covers count as if the limit had been used in full, but for the margin.

    Args:
        bounds: as a plant or the park lays them out.
        energy_kwh: [n_nodes, 2] A+ and A- of the quarter so far.
        uncovered_s: [n_nodes].
        now_us: the instant the energy was taken at.
    """
    mean_kw = np.where(np.isfinite(bounds.quarter_kw), bounds.quarter_kw, 0.0)
    uncovered_kwh = (1 - QUARTER_MARGIN_RATIO) * mean_kw * uncovered_s[bounds.node] / _S_PER_H
    bounds_kw = quarter_bound_kw(
        bounds.quarter_kw,
        energy_kwh=energy_kwh[bounds.node, bounds.side] + uncovered_kwh,
        left_s=seconds_left(now_us),
        instant_kw=bounds.instant_kw,
        margin_kwh=mean_kw * QUARTER_H * QUARTER_MARGIN_RATIO,
        reaction_s=REACTION_S,
    )
    return np.maximum(bounds_kw, 0.0)


def within_apparent_kw(bounds: BoundRows, bounds_kw: Floats, *, reactive_kvar: Floats, cos_phi_ratio: float) -> Floats:
    """[n_bounds] The bounds with what reactive power leaves of limits in kVA.

    Args:
        bounds: as a plant lays them out.
        bounds_kw: [n_bounds] what they allow apart from that.
        reactive_kvar: [n_nodes] as measured, of either sign; NaN where it is not known.
        cos_phi_ratio: active over apparent power where it is not known.
    """
    measured_kvar = reactive_kvar[bounds.node]
    left_kw = np.where(
        np.isnan(measured_kvar),
        bounds.apparent_kva * cos_phi_ratio,
        active_limit_kw(bounds.apparent_kva, np.nan_to_num(measured_kvar)),
    )
    return np.minimum(bounds_kw, left_kw)


def within_phases_kw(plant: Plant, bounds_kw: Floats, *, phase_a: Floats, power_kw: Floats) -> Floats:
    """[n_bounds] The bounds with what the fullest phase of each connection leaves.

    Which device is on which phase is not known, so the worst is assumed: what a connection takes more, it takes in that
    phase alone; what it must take less, it takes less in all three.

    Args:
        plant: with the bounds; only those on a connection's capacity are touched.
        bounds_kw: [n_bounds] what they allow apart from that.
        phase_a: [2, n_nodes] largest current of any phase, drawn and fed in; NaN where it is not known.
        power_kw: [n_nodes] net power, measured together with the currents.
    """
    room_a = plant.phase_a - phase_a
    room_kw = plant.phase_kw_per_a * np.where(room_a < 0, PHASES * room_a, room_a)
    most_kw = np.maximum(np.stack([power_kw, 0.0 - power_kw]) + room_kw, 0.0)
    most_kw = most_kw[plant.bounds.side, plant.bounds.node]
    is_capacity = np.isfinite(plant.bounds.apparent_kva)
    return np.where(is_capacity & ~np.isnan(most_kw), np.minimum(bounds_kw, most_kw), bounds_kw)


def with_budget(bounds: BoundRows, bounds_kw: Floats, *, budget: Interval) -> Floats:
    """[n_bounds] The bounds with the hub agent's interval filled in."""
    budget_kw = np.where(bounds.imports, budget.max_kw, 0.0 - budget.min_kw)
    return np.where(bounds.budget, budget_kw, bounds_kw)
