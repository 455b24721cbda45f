"""R10 at dispatch: nothing is told that is further from rest than an override allows, whoever asks for it.

The worker knows the same overrides and asks for no more; this holds where it does not, or is not there. It only cuts: a
device that is held at a power may be told less. A stopped one is told so for as long as it is stopped, also without
setpoints, for left alone it would start again at its reversion value.
"""

import math
from collections.abc import Mapping
from typing import Final

from connectors.dispatch.reversion import AssetRule
from hub.overrides import Kept
from streams.messages import SetpointFrame

GRAIN_KW: Final = 0.01
"""Setpoints are rounded to this: what is no further beyond an override is not beyond it."""


def overreached(kept: Mapping[str, Kept], frame: SetpointFrame) -> tuple[str, ...]:
    """Which assets a full frame asks to be further from rest than they may."""
    return tuple(
        asset_id
        for asset_id, power_kw in zip(frame.ids, frame.power_kw, strict=True)
        if asset_id in kept and abs(kept[asset_id].towards_rest(power_kw) - power_kw) > GRAIN_KW
    )


def cut(
    wanted_kw: Mapping[str, float],
    kept: Mapping[str, Kept],
    *,
    told_kw: Mapping[str, float],
    rules: Mapping[str, AssetRule],
) -> dict[str, float]:
    """Return what is wanted of each kept asset, cut; where nobody speaks of it what it was told, or else falls back to."""
    cut_kw = {}
    for asset_id, each in kept.items():
        power_kw = wanted_kw.get(asset_id, told_kw.get(asset_id, math.nan))
        cut_kw[asset_id] = each.towards_rest(rules[asset_id].reversion_kw if math.isnan(power_kw) else power_kw)
    return cut_kw
