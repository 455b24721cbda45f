"""In which order assets fall back to their reversion values, and in which order they come back.

Pure. Falling back (R3): generation first, consumption when the slowest inverter is down, storage last, because storage
absorbs what still comes off the roofs and feeds what still charges while those ramp. Coming back (R12): storage first,
after a hold time; then consumption and generation, each one by one in an order by chance, no faster than the park's
margin lets the balancing follow (R22): a park that returns at once would be over its limits before anybody sees it.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from hub.model import Asset, AssetKind, Hub

RETURN_HOLD_S: Final = 2.0
"""Two ticks of valid setpoints before the first asset leaves failsafe; less and one stray frame would do it."""

STORAGE_RETURNS_S: Final = 2.0
"""Over how long storage comes back, before all else: it does nothing by itself but what a limit asks of it."""

LONGEST_RETURN_S: Final = 300.0
"""Everything is back after this, however small the margin."""

LONGEST_STAGE_S: Final = 20.0
"""No device may hold its stage longer than this: the slowest PV inverter in use ramps in 20 s."""

_FALLS_BACK: Final[Mapping[AssetKind, int]] = {
    AssetKind.PV: 0,
    AssetKind.CHARGER: 1,
    AssetKind.FLEXIBLE_LOAD: 1,
    AssetKind.THERMAL_STORE: 1,
    AssetKind.BATTERY: 2,
}
"""Stage of each controllable kind at the end of a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRule:
    """What dispatch must know about one asset."""

    min_kw: float
    max_kw: float
    reversion_kw: float
    lag_s: float
    """How long after the end of the lease it reverts."""
    return_s: float
    """How long after the first valid frame it leaves failsafe (R12)."""
    lease_s: float
    """Lease dispatch to device: the hub's, and the lag, so that a device left alone keeps the same order."""


def asset_rules(hub: Hub) -> dict[str, dict[str, AssetRule]]:
    """Return per grid loop the rules of its controllable assets; lags and turns count for the whole park."""
    loop_of = {connection.ean: connection.grid_loop for connection in hub.connections}
    controllable = [asset for asset in hub.assets if asset.kind.controllable]
    lag_s, return_s = _stage_starts_s(controllable), _turns_s(hub, controllable)
    rules: dict[str, dict[str, AssetRule]] = {grid_loop.id: {} for grid_loop in hub.grid_loops}
    for asset in controllable:
        stage = _FALLS_BACK[asset.kind]
        rules[loop_of[asset.ean]][asset.id] = AssetRule(
            min_kw=asset.min_kw,
            max_kw=asset.max_kw,
            reversion_kw=asset.reversion_kw,
            lag_s=lag_s[stage],
            return_s=RETURN_HOLD_S + return_s[asset.id],
            lease_s=hub.timing.device_lease_s + lag_s[stage],
        )
    return rules


def _turns_s(hub: Hub, assets: Sequence[Asset]) -> dict[str, float]:
    """When each asset's turn to come back is, s after the hold."""
    generation = [asset for asset in assets if _FALLS_BACK[asset.kind] == 0]
    consumption = [asset for asset in assets if _FALLS_BACK[asset.kind] == 1]
    storage = [asset for asset in assets if _FALLS_BACK[asset.kind] == 2]
    # From a reading that shows what came back to devices that answer it: a reading and two ticks.
    reaction_s = hub.timing.meter_cadence_s + 2 * hub.timing.tick_s
    return (
        {asset.id: STORAGE_RETURNS_S * _chance(asset.id) for asset in storage}
        | _one_by_one_s(consumption, rate_kw_per_s=hub.margin.import_kw / reaction_s)
        | _one_by_one_s(generation, rate_kw_per_s=hub.margin.export_kw / reaction_s)
    )


def _one_by_one_s(assets: Sequence[Asset], *, rate_kw_per_s: float) -> dict[str, float]:
    """Turns in an order by chance: each waits as long as what came before it takes at this rate."""
    order = sorted(assets, key=lambda asset: _chance(asset.id))
    before_kw = [0.0, *accumulate(_way_kw(asset) for asset in order)]
    rate_kw_per_s = max(rate_kw_per_s, before_kw[-1] / LONGEST_RETURN_S)
    return {
        asset.id: STORAGE_RETURNS_S + (kw / rate_kw_per_s if kw else 0.0)
        for asset, kw in zip(order, before_kw, strict=False)
    }


def _stage_starts_s(assets: Iterable[Asset]) -> tuple[float, float, float]:
    """When each stage begins to fall back, s after the end of the lease: when the slowest of those before is there."""
    slowest_s = [0.0, 0.0, 0.0]
    for asset in assets:
        stage = _FALLS_BACK[asset.kind]
        slowest_s[stage] = max(slowest_s[stage], _ramp_time_s(asset))
    consumption_s = slowest_s[0]
    return (0.0, consumption_s, consumption_s + slowest_s[1])


def _way_kw(asset: Asset) -> float:
    """The longest way between the reversion value and any setpoint."""
    return max(abs(asset.max_kw - asset.reversion_kw), abs(asset.min_kw - asset.reversion_kw))


def _ramp_time_s(asset: Asset) -> float:
    """Longest way to the reversion value, s; one whole second more, since devices act on their next cycle."""
    if not asset.ramp_kw_per_s > 0:
        return LONGEST_STAGE_S
    return min(math.ceil(_way_kw(asset) / asset.ramp_kw_per_s) + 1.0, LONGEST_STAGE_S)


def _chance(asset_id: str) -> float:
    """A number from 0 to 1 that is random over assets and the same in every run and process."""
    return zlib.crc32(asset_id.encode()) / 2**32
