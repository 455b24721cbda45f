"""Thirty days of De Koumen's measured June, with more sun than the park can use, and what perfect foresight makes of it."""

from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import eye_array, kron

from connectors.simulation.faults import Faults
from connectors.simulation.instants import instant_us
from connectors.simulation.plan import Plan
from connectors.simulation.powers import Powers
from hub.folder import read_hub
from hub.model import PARK, AssetKind
from hub.profiles import read_profiles
from streams.plant import build_plant
from tests.connectors.simulator.park_words import DE_KOUMEN

DAY_US = 86_400_000_000
QUARTER_H = 0.25


def plan_of_days(days, *, from_text, sun_ratio=1.0, load_ratio=1.0):
    """Companies and roofs of De Koumen as measured in 2016; `sun_ratio` times as many panels."""
    hub, from_us = read_hub(DE_KOUMEN), instant_us(from_text)
    profiles = read_profiles(Path(DE_KOUMEN), hub)
    first = (from_us - profiles.start_us) // profiles.step_us
    steps = slice(first, first + days * DAY_US // profiles.step_us)
    roofs = [asset for asset in hub.assets if asset.kind is AssetKind.PV]
    columns_kw = {c.ean: load_ratio * profiles.load_kw(c)[steps] for c in hub.connections}
    for at, roof in enumerate(roofs):
        shape = profiles.pv_kw_per_kwp(profiles.pv_names[at % len(profiles.pv_names)])
        columns_kw[roof.id] = -roof.rated_kw * np.minimum(sun_ratio * shape[steps], 1.0)
    return Plan(
        hub=hub,
        powers=Powers(
            names=tuple(columns_kw),
            start_us=from_us,
            step_us=profiles.step_us,
            power_kw=np.stack(list(columns_kw.values()), axis=1),
        ),
        sessions=(),
        from_us=from_us,
        until_us=from_us + days * DAY_US,
        faults=Faults(),
    )


def least_curtailed_kwh(plan, *, batteries=True, start_soc_ratio=0.5):
    """What must be curtailed if all is known beforehand; by HiGHS, from the limits in the hub folder alone.

    Per quarter: each roof's power, each battery's charging and discharging, its charge afterwards.
    """
    hub, plant = plan.hub, build_plant(plan.hub, PARK)
    count, index = len(plan.powers.power_kw), {name: at for at, name in enumerate(plan.powers.names)}
    roofs, stores = np.flatnonzero(plant.is_pv), np.flatnonzero(plant.is_battery)
    could_kw = -plan.powers.power_kw[:, [index[plant.assets[at].id] for at in roofs]]
    # a flexible load without a column takes its least
    least_kw = plant.per_connection(np.maximum(plant.devices.min_kw, 0.0))
    own_kw = plan.powers.columns_kw([c.ean for c in plant.connections]) + least_kw
    load_kw = np.stack([plant.sum_up(row) for row in own_kw])
    below = np.zeros((len(plant.node_ids), len(plant.connections)))
    below[plant.pair_node, plant.pair_connection] = 1
    below = below[:, plant.asset_connection]
    flows, room = [], []
    for node, name in enumerate(plant.node_ids):
        export_kw = min(
            (limit.export_kw for limit in hub.limits if limit.node == name and limit.export_kw is not None),
            default=np.inf,
        )
        export_kw -= hub.margin.export_kw if name == PARK else 0.0
        on, has = below[node, roofs], below[node, stores]
        most_kw = on @ could_kw.max(axis=0) + has @ plant.devices.rated_kw[stores] - load_kw[:, node].min()
        if most_kw > export_kw:
            flows.append(np.concatenate([on, -has, has, np.zeros(len(stores))]))
            room.append(load_kw[:, node] + export_kw)
    n_roofs, n_stores = len(roofs), len(stores)
    width = n_roofs + 3 * n_stores
    efficiency = np.array([plant.assets[at].efficiency_ratio for at in stores])
    capacity_kwh = np.array([plant.assets[at].energy_kwh for at in stores])
    most_kw = plant.devices.rated_kw[stores] * batteries
    # soc(t) - soc(t-1) - e h charge + h / e discharge = 0
    now = np.hstack(
        [
            np.zeros((n_stores, n_roofs)),
            -np.diag(efficiency) * QUARTER_H,
            np.diag(1 / efficiency) * QUARTER_H,
            np.eye(n_stores),
        ]
    )
    before = np.hstack([np.zeros((n_stores, n_roofs + 2 * n_stores)), -np.eye(n_stores)])
    stored = kron(eye_array(count), now) + kron(eye_array(count, k=-1), before)
    began = np.zeros(count * n_stores)
    began[:n_stores] = capacity_kwh * start_soc_ratio
    upper = np.hstack([could_kw, np.tile(np.concatenate([most_kw, most_kw, capacity_kwh]), (count, 1))])
    cost = np.concatenate([-np.ones(n_roofs), np.full(2 * n_stores, 1e-6), np.zeros(n_stores)]) * QUARTER_H
    found = linprog(
        np.tile(cost, count),
        A_ub=kron(eye_array(count), np.array(flows)).tocsr(),
        b_ub=np.stack(room, axis=1).ravel(),
        A_eq=stored.tocsr(),
        b_eq=began,
        bounds=np.stack([np.zeros(upper.size), upper.ravel()], axis=1),
        method="highs-ipm",
    )
    assert found.status == 0, found.message
    used_kw = found.x.reshape(count, width)[:, :n_roofs]
    return float((could_kw - used_kw).sum() * QUARTER_H)
