"""From a hub folder to a simulated park: devices by kind, and the measured shape each company and roof follows."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from connectors.simulator import weather
from connectors.simulator.arrays import Ints
from connectors.simulator.batteries import Batteries
from connectors.simulator.chargers import Chargers
from connectors.simulator.loads import LoadDevices
from connectors.simulator.network import build_network
from connectors.simulator.park import SEED, Park
from connectors.simulator.photovoltaics import Inverters
from connectors.simulator.scenarios import Scenario
from connectors.simulator.shapes import Shapes, stack
from hub.model import Asset, AssetKind, Hub
from hub.profiles import Profiles

_METERED: Final = frozenset(AssetKind) - {AssetKind.GAS_METER, AssetKind.WATER_METER}
_LOADS: Final = frozenset({AssetKind.LOAD, AssetKind.FLEXIBLE_LOAD, AssetKind.THERMAL_STORE})

_DEVICE_USE_RATIO: Final = 0.7
"""Of its largest power a load with a meter of its own takes this much when its sector is at its mean."""


def build_park(hub: Hub, profiles: Profiles, *, scenario: Scenario, began_us: int) -> Park:
    """Build the park of a hub; at `began_us` it is the scenario's moment of the measured year."""
    assets = tuple(asset for asset in hub.assets if asset.kind in _METERED)
    eans = [connection.ean for connection in hub.connections]
    roofs, loads = _of(assets, {AssetKind.PV}), _of(assets, _LOADS)
    return Park(
        assets=assets,
        network=build_network(hub),
        behind=np.array([[asset.ean == ean for asset in assets] for ean in eans], dtype=np.int64).reshape(
            len(eans), -1
        ),
        battery_at=_places(assets, {AssetKind.BATTERY}),
        pv_at=_places(assets, {AssetKind.PV}),
        charger_at=_places(assets, {AssetKind.CHARGER}),
        load_at=_places(assets, _LOADS),
        batteries=Batteries.of(_of(assets, {AssetKind.BATTERY})),
        inverters=Inverters.of(roofs),
        chargers=Chargers.of(_of(assets, {AssetKind.CHARGER}), profiles.sessions, seed=SEED),
        loads=LoadDevices.of(loads),
        reversion_kw=np.array([asset.reversion_kw if asset.kind.controllable else np.inf for asset in assets]),
        load_shapes=_load_shapes(hub, profiles, loads),
        load_scale_kw=_load_scale_kw(hub, profiles, loads) * scenario.load_ratio,
        pv_shapes=_pv_shapes(profiles, len(roofs)),
        sky=weather.make_sky(SEED),
        roof_delay_s=weather.roof_delays_s(len(roofs), SEED),
        scenario=scenario,
        began_us=began_us,
    )


def _of(assets: Sequence[Asset], kinds: frozenset[AssetKind] | set[AssetKind]) -> list[Asset]:
    return [asset for asset in assets if asset.kind in kinds]


def _places(assets: Sequence[Asset], kinds: frozenset[AssetKind] | set[AssetKind]) -> Ints:
    return np.array([at for at, asset in enumerate(assets) if asset.kind in kinds], dtype=np.int64)


def _load_shapes(hub: Hub, profiles: Profiles, loads: Sequence[Asset]) -> Shapes:
    """Shape of each connection, then of each load among the assets: that of the company's sector."""
    names = list(profiles.load)
    column = {connection.ean: names.index(_shape_of(profiles, connection.sector)) for connection in hub.connections}
    users = [*(connection.ean for connection in hub.connections), *(asset.ean for asset in loads)]
    return stack(
        [profiles.load_ratio(name) for name in names],
        [column[ean] for ean in users],
        start_us=profiles.start_us,
        step_us=profiles.step_us,
    )


def _shape_of(profiles: Profiles, sector: str) -> str:
    return profiles.sectors.get(sector, sector)


def _load_scale_kw(
    hub: Hub, profiles: Profiles, loads: Sequence[Asset]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean load of each user over the year, same order; a connection without a yearly use has its devices only."""
    year_h = profiles.count * profiles.step_us / 3.6e9
    mean_kw = [
        0.0 if connection.yearly_use_kwh is None else connection.yearly_use_kwh / year_h
        for connection in hub.connections
    ]
    return np.array([*mean_kw, *(asset.max_kw * _DEVICE_USE_RATIO for asset in loads)])


def _pv_shapes(profiles: Profiles, roofs: int) -> Shapes:
    """Roofs face the measured directions in turn."""
    names = profiles.pv_names
    return stack(
        [profiles.pv_kw_per_kwp(name) for name in names],
        [roof % len(names) for roof in range(roofs)],
        start_us=profiles.start_us,
        step_us=profiles.step_us,
    )
