"""From a hub folder to a simulated park: devices by kind, and the measured shape each company and roof follows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.simulator import weather
from connectors.simulator.arrays import Floats, Ints
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """The metered assets of a hub, sorted by what drives them."""

    assets: tuple[Asset, ...]
    batteries: list[Asset]
    roofs: list[Asset]
    chargers: list[Asset]
    """Those whose cars come and go."""
    loads: list[Asset]
    """Those that follow a shape."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Life:
    """What a park lives through; fields as in `Park`."""

    load_shapes: Shapes
    load_scale_kw: Floats
    pv_shapes: Shapes
    chargers: Chargers
    scenario: Scenario


def sort_assets(hub: Hub, *, shaped: Collection[str] = ()) -> Kinds:
    """Sort the assets of a hub; chargers named in `shaped` follow a shape like loads, without cars."""
    assets = tuple(asset for asset in hub.assets if asset.kind in _METERED)
    chargers = [asset for asset in assets if asset.kind is AssetKind.CHARGER and asset.id not in shaped]
    return Kinds(
        assets=assets,
        batteries=_of(assets, {AssetKind.BATTERY}),
        roofs=_of(assets, {AssetKind.PV}),
        chargers=chargers,
        loads=[asset for asset in assets if asset.kind in _LOADS or asset.id in shaped],
    )


def build_park(hub: Hub, profiles: Profiles, *, scenario: Scenario, began_us: int) -> Park:
    """Build the park of a hub; at `began_us` it is the scenario's moment of the measured year."""
    kinds = sort_assets(hub)
    life = Life(
        load_shapes=_load_shapes(hub, profiles, kinds.loads),
        load_scale_kw=_load_scale_kw(hub, profiles, kinds.loads) * scenario.load_ratio,
        pv_shapes=_pv_shapes(profiles, len(kinds.roofs)),
        chargers=Chargers.of(kinds.chargers, profiles.sessions, seed=SEED),
        scenario=scenario,
    )
    return assemble(hub, kinds, life, began_us=began_us)


def assemble(hub: Hub, kinds: Kinds, life: Life, *, began_us: int) -> Park:
    """Put the devices and cables of a hub together with what they live through."""
    assets, eans = kinds.assets, [connection.ean for connection in hub.connections]
    return Park(
        assets=assets,
        network=build_network(hub),
        behind=np.array([[asset.ean == ean for asset in assets] for ean in eans], dtype=np.int64).reshape(
            len(eans), -1
        ),
        battery_at=_places(assets, kinds.batteries),
        pv_at=_places(assets, kinds.roofs),
        charger_at=_places(assets, kinds.chargers),
        load_at=_places(assets, kinds.loads),
        batteries=Batteries.of(kinds.batteries),
        inverters=Inverters.of(kinds.roofs),
        chargers=life.chargers,
        loads=LoadDevices.of(kinds.loads),
        reversion_kw=np.array([asset.reversion_kw if asset.kind.controllable else np.inf for asset in assets]),
        load_shapes=life.load_shapes,
        load_scale_kw=life.load_scale_kw,
        pv_shapes=life.pv_shapes,
        sky=weather.make_sky(SEED),
        roof_delay_s=weather.roof_delays_s(len(kinds.roofs), SEED),
        scenario=life.scenario,
        began_us=began_us,
    )


def _of(assets: Sequence[Asset], kinds: set[AssetKind]) -> list[Asset]:
    return [asset for asset in assets if asset.kind in kinds]


def _places(assets: Sequence[Asset], some: Sequence[Asset]) -> Ints:
    place = {asset.id: at for at, asset in enumerate(assets)}
    return np.array([place[asset.id] for asset in some], dtype=np.int64)


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


def _load_scale_kw(hub: Hub, profiles: Profiles, loads: Sequence[Asset]) -> Floats:
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
