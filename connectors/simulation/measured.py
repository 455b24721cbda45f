"""A park that lives through what was measured: somebody's powers and charging sessions instead of a scenario. Pure.

What has neither a column nor sessions takes the least it can, mostly nothing: nothing is invented here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from connectors.simulation.powers import Powers
from connectors.simulation.sessions_file import PlannedSession
from connectors.simulator.arrays import Floats
from connectors.simulator.building import Kinds, Life, assemble, sort_assets
from connectors.simulator.chargers import Chargers
from connectors.simulator.park import Park
from connectors.simulator.scenarios import Scenario
from connectors.simulator.shapes import Shapes
from hub.model import Asset, AssetKind, Hub

START_SOC_RATIO: Final = 0.5
"""Charge of every battery at the start of a simulation: half full, ready for either direction."""


def measured_kinds(hub: Hub, powers: Powers) -> Kinds:
    """The assets of a hub, chargers with a column of their own sorted as what follows it."""
    return sort_assets(hub, shaped=[a.id for a in hub.assets if a.kind is AssetKind.CHARGER and a.id in powers.names])


def measured_park(
    hub: Hub, powers: Powers, sessions: Sequence[PlannedSession], *, began_us: int, soc_ratio: float = START_SOC_RATIO
) -> Park:
    """The park of a hub under measured powers, linear between the middles of their steps."""
    kinds = measured_kinds(hub, powers)
    users = [*(connection.ean for connection in hub.connections), *(load.id for load in kinds.loads)]
    rated_kw = np.array([roof.rated_kw for roof in kinds.roofs], dtype=np.float64)
    moment = datetime.fromtimestamp(began_us // 1_000_000, tz=UTC)
    life = Life(
        load_shapes=_shapes(powers, powers.columns_kw(users)),
        load_scale_kw=np.ones(len(users)),
        pv_shapes=_shapes(powers, -powers.columns_kw([roof.id for roof in kinds.roofs]) / rated_kw),
        chargers=planned_chargers(kinds.chargers, sessions),
        scenario=Scenario(
            name="measured",
            begins=moment,
            cars=moment,
            load_ratio=1.0,
            soc_first_ratio=soc_ratio,
            soc_last_ratio=soc_ratio,
            cloud_depth_ratio=0.0,
            meaning="what was measured",
            unrest_ratio=0.0,
        ),
    )
    return assemble(hub, kinds, life, began_us=began_us)


def without_profile(hub: Hub, powers: Powers, sessions: Sequence[PlannedSession]) -> list[str]:
    """What of the hub neither a column nor a session tells of, in its order; batteries need none."""
    told = {*powers.names, *(session.charger for session in sessions)}
    points = [connection.ean for connection in hub.connections]
    points += [asset.id for asset in sort_assets(hub).assets if asset.kind is not AssetKind.BATTERY]
    return [point for point in points if point not in told]


def planned_chargers(assets: Sequence[Asset], sessions: Sequence[PlannedSession]) -> Chargers:
    """Chargers with their sessions, which come sorted by arrival."""
    by_charger: dict[str, list[PlannedSession]] = {asset.id: [] for asset in assets}
    for session in sessions:
        by_charger[session.charger].append(session)
    per_charger = list(by_charger.values())
    longest = max((len(own) for own in per_charger), default=0) + 1
    car_kw = np.zeros((len(assets), longest))
    for at, own in enumerate(per_charger):
        car_kw[at, : len(own)] = [session.max_kw for session in own]
    return Chargers.with_cars(assets, per_charger, car_kw=car_kw)


def _shapes(powers: Powers, power_kw: Floats) -> Shapes:
    """Every column its own user; the first and the last value hold beyond their middles."""
    return Shapes(
        values=np.concatenate([power_kw[:1], power_kw, power_kw[-1:]]),
        of_user=np.arange(power_kw.shape[1]),
        start_us=powers.start_us - powers.step_us,
        step_us=powers.step_us,
    )
