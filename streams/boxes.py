"""What each asset may do in this tick, and would do if nothing bound: the kernel's boxes and targets.

A box is the narrowest of the hub folder's range and the range the device itself reports; it is never empty. Where the
device's own range is not reported, what is known of it is used: PV that is held down may rise only step by step.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.bounds import Floats
from streams.estimate import Estimate
from streams.fold import PointState
from streams.following import tolerance_kw
from streams.kept_assets import KeptAssets
from streams.plant import Plant

REACH_S: Final = 5.0
"""A plan looks this far ahead: no asset is counted on for more than it can reach by its ramp until then."""

PV_STEP_RATIO: Final = 0.1
"""PV that does not report what it could produce is believed to reach this share of its rating more within a tick."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """[n_assets] each."""

    min_kw: Floats
    max_kw: Floats
    target_kw: Floats
    closed: NDArray[np.bool_]
    """The asset is steered; else it is told to go to its reversion value."""
    idle: NDArray[np.bool_]
    """The asset does not follow; it is asked on for what it was told last."""
    unseen_kw: Floats
    """How much less an asset may consume in the plan than it does: PV that does not report what it could produce, what is
    not heard and was stopped. That guards export; an import limit must not count on it."""
    unused_kw: Floats
    """How much more an asset may consume in the plan than it does: what takes power and leaves some of its ceiling unused,
    or does not report what it could take. That guards import; an export limit must not count on it (R16)."""
    least_told_kw: Floats
    most_told_kw: Floats
    """Setpoints are cut to these, whatever the limits ask: what overrides allow (R10)."""


def boxes(
    plant: Plant,
    state: PointState,
    estimate: Estimate,
    *,
    idle: NDArray[np.bool_],
    unused: NDArray[np.bool_],
    kept: KeptAssets,
) -> Boxes:
    """Boxes and targets of all assets; everything is sent home while a feeder meter is lost (R7, R13).

    An asset that is `idle`, told but not seen to follow, is counted at what it measures, stopped or not (R16); one that
    leaves `unused` what it may, too, by the limits that would need it.
    """
    devices, point = plant.devices, plant.asset_point
    could_kw = np.where(plant.is_pv, state.power_kw[point] - PV_STEP_RATIO * devices.rated_kw, devices.min_kw)
    reported_min_kw = np.where(np.isnan(state.min_kw[point]), could_kw, state.min_kw[point])
    reported_max_kw = np.where(np.isnan(state.max_kw[point]), devices.max_kw, state.max_kw[point])
    measured_kw = np.clip(np.nan_to_num(state.power_kw[point]), devices.min_kw, devices.max_kw)
    reach_kw = np.where(idle, 0.0, REACH_S * devices.ramp_kw_per_s)
    min_kw = _between(reported_min_kw, devices.min_kw, devices.max_kw)
    max_kw = np.maximum(_between(reported_max_kw, devices.min_kw, devices.max_kw), min_kw)
    min_kw, max_kw = (
        np.where(idle, measured_kw, _between(min_kw, measured_kw - reach_kw, measured_kw + reach_kw)),
        np.where(idle, measured_kw, _between(max_kw, measured_kw - reach_kw, measured_kw + reach_kw)),
    )
    kept_kw = kept.narrowed(min_kw, max_kw)
    min_kw, max_kw = np.where(idle, min_kw, kept_kw[0]), np.where(idle, max_kw, kept_kw[1])
    # if nothing bound, PV would make all it can, a battery would rest, and who takes power would take all
    at_rest_kw = np.where(plant.is_battery, _between(np.zeros_like(min_kw), min_kw, max_kw), max_kw)
    target_kw = np.where(plant.is_pv, min_kw, at_rest_kw)
    closed = estimate.asset_fresh & estimate.feeders_fresh
    least_told_kw, most_told_kw = kept.told_kw(closed=closed)
    home_kw = _between(devices.reversion_kw, least_told_kw, most_told_kw)
    # one that is not heard may have fallen back by itself: both count, each where that is worse
    low_kw = np.where(estimate.asset_fresh, home_kw, np.minimum(home_kw, devices.reversion_kw))
    away_kw = np.where(estimate.asset_fresh, 0.0, np.abs(home_kw - devices.reversion_kw))
    # one that lags a little behind what it could do, or goes in steps, has not left it unused
    unused = unused & (np.abs(target_kw - measured_kw) > np.maximum(tolerance_kw(plant), devices.step_kw))
    believed = closed & plant.is_pv & (unused | np.isnan(state.min_kw[point]))
    takes = closed & ~plant.is_pv & ~plant.is_battery & (unused | np.isnan(state.max_kw[point]))
    return Boxes(
        min_kw=np.where(closed, min_kw, low_kw),
        max_kw=np.where(closed, max_kw, low_kw),
        target_kw=np.where(closed, target_kw, low_kw),
        closed=closed,
        idle=idle,
        unseen_kw=np.where(believed, np.maximum(measured_kw - target_kw, 0.0), away_kw),
        unused_kw=np.where(takes, np.maximum(target_kw - measured_kw, 0.0), 0.0),
        least_told_kw=least_told_kw,
        most_told_kw=most_told_kw,
    )


def _between(values_kw: Floats, low_kw: Floats, high_kw: Floats) -> Floats:
    return np.minimum(np.maximum(values_kw, low_kw), high_kw)
