"""From what the recorder stored to powers that can be played again: what was not controlled, second by second. Pure.

A connection's load is what its meter measured without its assets; a roof's is what it said it could produce, not what
setpoints left of it; a charger's or flexible load's is the most it said it could take. So another balancing can be
tried on the same day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.simulation.instants import as_utc
from connectors.simulation.powers import Powers
from connectors.simulator.arrays import Floats, Ints
from hub.errors import HubError, HubErrors
from hub.model import Asset, AssetKind, Hub

SECOND_US: Final = 1_000_000
SOURCE: Final = "the recording"

_UNPOWERED: Final = frozenset({AssetKind.GAS_METER, AssetKind.WATER_METER})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """The readings of one point in order of time; arrays are [readings], NaN where a reading lacks a value."""

    at_us: Ints
    power_kw: Floats
    min_kw: Floats
    max_kw: Floats


def points_of(hub: Hub) -> list[str]:
    """What must have been recorded: the connections' meters and all assets with a power."""
    return [*(connection.ean for connection in hub.connections), *(asset.id for asset in _assets(hub))]


def recorded_powers(recorded: Mapping[str, Recorded], hub: Hub, *, from_us: int, until_us: int) -> Powers:
    """The powers of a period, one value per second.

    A reading tells of the second that ends with it. A point that was silent for no longer than its readings are trusted
    (`stale_after_s`) keeps its last one.

    Raises:
        HubErrors: a point was silent for longer, or never recorded.
    """
    errors: list[HubError] = []
    hold_us = round(hub.timing.stale_after_s * 1e6)

    def seconds(point: str, *sources: str) -> Floats:
        """The first of some columns that holds anything."""
        found = recorded.get(point)
        columns_kw = [] if found is None else [getattr(found, name) for name in sources]
        values_kw = next((kw for kw in columns_kw if not np.isnan(kw).all()), None)
        if found is None or values_kw is None:
            errors.append(HubError(SOURCE, None, point, "nothing was recorded", "choose another period, or profiles"))
            return np.zeros((until_us - from_us) // SECOND_US)
        known = ~np.isnan(values_kw)
        held = _per_second(found.at_us[known], values_kw[known], from_us=from_us, until_us=until_us, hold_us=hold_us)
        errors.extend(_holes(point, held, from_us))
        return held

    assets_kw = {asset.id: seconds(asset.id, "power_kw") for asset in _assets(hub)}
    columns: dict[str, Floats] = {}
    for connection in hub.connections:
        behind = [assets_kw[asset.id] for asset in _assets(hub) if asset.ean == connection.ean]
        load_kw = seconds(connection.ean, "power_kw") - sum(behind)
        # meters are not read at one instant, so the difference may dip below what is possible
        columns[connection.ean] = load_kw if connection.contract_export_kw > 0 else np.maximum(load_kw, 0.0)
    for asset in _assets(hub):
        if asset.kind is AssetKind.PV:
            columns[asset.id] = np.minimum(seconds(asset.id, "min_kw", "power_kw"), 0.0)
        elif asset.kind is AssetKind.LOAD:
            columns[asset.id] = np.maximum(assets_kw[asset.id], 0.0)
        elif asset.kind is not AssetKind.BATTERY:
            columns[asset.id] = np.maximum(seconds(asset.id, "max_kw", "power_kw"), 0.0)
    if errors:
        raise HubErrors(dict.fromkeys(errors))
    return Powers(
        names=tuple(columns), start_us=from_us, step_us=SECOND_US, power_kw=np.stack(list(columns.values()), axis=1)
    )


def _assets(hub: Hub) -> Iterator[Asset]:
    return (asset for asset in hub.assets if asset.kind not in _UNPOWERED)


def _per_second(at_us: Ints, values_kw: Floats, *, from_us: int, until_us: int, hold_us: int) -> Floats:
    """[seconds] The newest reading by the end of each second; NaN where that is too old."""
    ends_us = np.arange(from_us + SECOND_US, until_us + 1, SECOND_US)
    newest = np.searchsorted(at_us, ends_us, side="right") - 1
    known = (newest >= 0) & (ends_us - at_us[newest] <= hold_us)
    return np.where(known, values_kw[newest], np.nan)


def _holes(point: str, values_kw: Floats, from_us: int) -> Iterator[HubError]:
    missing = np.flatnonzero(np.isnan(values_kw))
    if len(missing):
        first = as_utc(from_us + int(missing[0]) * SECOND_US)
        problem = f"has no reading for {len(missing)} seconds, from {first} on"
        yield HubError(SOURCE, None, point, problem, "choose a period that was recorded whole")
