"""Setpoints and readings by kind of asset."""

from pathlib import Path

import numpy as np

from connectors.simulator.park import Park, ParkState
from hub.model import AssetKind

DE_KOUMEN = Path(__file__).parents[3] / "infra" / "hubs" / "de-koumen"
SECOND_US = 1_000_000

FREE = {"pv": -1e6, "charger": 1e6, "flexible_load": 1e6}
"""Setpoints that let everybody do as they like; batteries rest."""


def by_kind(park: Park, *, otherwise: float = 0.0, **power_kw: float) -> np.ndarray:
    """A setpoint for every asset of the kinds named: `battery=20, pv=-5`."""
    return np.array([power_kw.get(asset.kind.value, otherwise) for asset in park.assets])


def of_kind(park: Park, kind: AssetKind, column: np.ndarray) -> np.ndarray:
    return column[[at for at, asset in enumerate(park.assets) if asset.kind is kind]]


def kinds_kw(park: Park, state: ParkState) -> dict[str, float]:
    """Power of all assets of each kind."""
    return {
        kind.value: float(of_kind(park, kind, state.asset_w).sum()) / 1000
        for kind in {asset.kind for asset in park.assets}
    }


def node_kw(park: Park, state: ParkState, node: str) -> float:
    return float(state.node_w[park.network.node_ids.index(node)]) / 1000


def later(park: Park, state: ParkState, obeyed_kw: np.ndarray, *, seconds: int) -> ParkState:
    """The state after so many steps of one second."""
    for _ in range(seconds):
        state = park.step(state, obeyed_kw, at_us=state.at_us + SECOND_US)
    return state
