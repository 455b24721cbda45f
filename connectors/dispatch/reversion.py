"""In which order assets fall back to their reversion values, and in which order they come back.

Pure. Falling back (R3): generation first, consumption when the slowest inverter is down, storage last, because storage
absorbs what still comes off the roofs and feeds what still charges while those ramp. Coming back (R12): the other way
round, storage first, after a hold time and spread out, so that a park that returns is not one step for the cables.
"""

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hub.model import Asset, AssetKind, Hub

RETURN_HOLD_S: Final = 2.0
"""Two ticks of valid setpoints before the first asset leaves failsafe; less and one stray frame would do it."""

RETURN_STAGE_S: Final = 2.0
"""Over how long the assets of one stage come back; the later stages see the earlier ones in the meters."""

LONGEST_STAGE_S: Final = 20.0
"""No device may hold its stage longer than this: the slowest PV inverter in use ramps in 20 s."""

_FALLS_BACK: Final[Mapping[AssetKind, int]] = {
    AssetKind.PV: 0,
    AssetKind.CHARGER: 1,
    AssetKind.FLEXIBLE_LOAD: 1,
    AssetKind.THERMAL_STORE: 1,
    AssetKind.BATTERY: 2,
}
"""Stage of each controllable kind at the end of a lease; it comes back in stage `2 - stage`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRule:
    """What dispatch must know about one asset."""

    min_kw: float
    max_kw: float
    reversion_kw: float
    lag_s: float
    """How long after the end of the lease it reverts."""
    return_s: float
    """How long after the first valid frame it leaves failsafe."""
    lease_s: float
    """Lease dispatch to device: the hub's, and the lag, so that a device left alone keeps the same order."""


def asset_rules(hub: Hub) -> dict[str, dict[str, AssetRule]]:
    """Return per grid loop the rules of its controllable assets; lags count for the whole park (zero export is)."""
    loop_of = {connection.ean: connection.grid_loop for connection in hub.connections}
    controllable = [asset for asset in hub.assets if asset.kind.controllable]
    lag_s = _stage_starts_s(controllable)
    rules: dict[str, dict[str, AssetRule]] = {grid_loop.id: {} for grid_loop in hub.grid_loops}
    for asset in controllable:
        stage = _FALLS_BACK[asset.kind]
        rules[loop_of[asset.ean]][asset.id] = AssetRule(
            min_kw=asset.min_kw,
            max_kw=asset.max_kw,
            reversion_kw=asset.reversion_kw,
            lag_s=lag_s[stage],
            return_s=RETURN_HOLD_S + RETURN_STAGE_S * (2 - stage + _spread_ratio(asset.id)),
            lease_s=hub.timing.device_lease_s + lag_s[stage],
        )
    return rules


def _stage_starts_s(assets: Iterable[Asset]) -> tuple[float, float, float]:
    """When each stage begins to fall back, s after the end of the lease: when the slowest of those before is there."""
    slowest_s = [0.0, 0.0, 0.0]
    for asset in assets:
        stage = _FALLS_BACK[asset.kind]
        slowest_s[stage] = max(slowest_s[stage], _ramp_time_s(asset))
    consumption_s = slowest_s[0]
    return (0.0, consumption_s, consumption_s + slowest_s[1])


def _ramp_time_s(asset: Asset) -> float:
    """Longest way to the reversion value, s; one whole second more, since devices act on their next cycle."""
    way_kw = max(abs(asset.max_kw - asset.reversion_kw), abs(asset.min_kw - asset.reversion_kw))
    if not asset.ramp_kw_per_s > 0:
        return LONGEST_STAGE_S
    return min(math.ceil(way_kw / asset.ramp_kw_per_s) + 1.0, LONGEST_STAGE_S)


def _spread_ratio(asset_id: str) -> float:
    """Place of an asset within its stage, 0 to 1: random over assets, the same in every run and process."""
    return zlib.crc32(asset_id.encode()) / 2**32
