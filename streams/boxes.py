"""What each asset may do in this tick, and would do if nothing bound: the kernel's boxes and targets.

A box is the narrowest of the hub folder's range and the range the device itself reports; it is never empty. Where the
device's own range is not reported, what is known of it is used: PV that is held down may rise only step by step.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.model import AssetKind
from streams.estimate import Estimate
from streams.fold import PointState
from streams.plant import Floats, Plant

PV_STEP_RATIO: Final = 0.1
"""PV that does not report what it could produce is believed to reach this share of its rating more within a tick."""

_WANTS: Final = {
    AssetKind.PV: "min",
    AssetKind.CHARGER: "max",
    AssetKind.BATTERY: "zero",
    AssetKind.FLEXIBLE_LOAD: "max",
    AssetKind.THERMAL_STORE: "max",
}
"""Where an asset would be if nothing bound: PV produces all it can, cars charge, batteries rest."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """[n_assets] each."""

    min_kw: Floats
    max_kw: Floats
    target_kw: Floats
    closed: NDArray[np.bool_]
    """The asset is steered; else it is told to go to its reversion value."""


def boxes(plant: Plant, state: PointState, estimate: Estimate) -> Boxes:
    """Boxes and targets of all assets; everything is sent home while a feeder meter is lost (R7, R13)."""
    assets, point = plant.assets, plant.asset_point
    folder_min_kw = np.array([asset.min_kw for asset in assets])
    folder_max_kw = np.array([asset.max_kw for asset in assets])
    home_kw = np.array([asset.reversion_kw for asset in assets])
    rated_kw = np.array([asset.rated_kw for asset in assets])
    kind = np.array([asset.kind for asset in assets])
    wants = np.array([_WANTS[asset.kind] for asset in assets])
    could_kw = np.where(kind == AssetKind.PV, state.power_kw[point] - PV_STEP_RATIO * rated_kw, folder_min_kw)
    reported_min_kw = np.where(np.isnan(state.min_kw[point]), could_kw, state.min_kw[point])
    reported_max_kw = np.where(np.isnan(state.max_kw[point]), folder_max_kw, state.max_kw[point])
    min_kw = np.clip(reported_min_kw, folder_min_kw, folder_max_kw)
    max_kw = np.maximum(np.clip(reported_max_kw, folder_min_kw, folder_max_kw), min_kw)
    target_kw = np.where(wants == "min", min_kw, np.where(wants == "max", max_kw, np.clip(0.0, min_kw, max_kw)))
    closed = estimate.asset_fresh & estimate.feeders_fresh
    return Boxes(
        min_kw=np.where(closed, min_kw, home_kw),
        max_kw=np.where(closed, max_kw, home_kw),
        target_kw=np.where(closed, target_kw, home_kw),
        closed=closed,
    )
