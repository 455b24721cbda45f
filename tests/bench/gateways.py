"""The gateways of a park: what every meter and device shows at an instant, as frames; one per grid loop and the station.

A busy afternoon: most chargers are taken, clouds pass, loads wander, so that the park's limit binds most of the time and
setpoints change; devices do what they were told last. Only readings that change as real ones do, no physics.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hub.model import GROUP, PARK, STATION, AssetKind, Hub
from streams.messages import SetpointFrame, TelemetryFrame
from streams.plant import Plant, build_plant

SECOND_US = 1_000_000
SOC_RATIO = 0.5


class LoopGateway:
    """All meters and devices of one grid loop."""

    def __init__(self, hub: Hub, grid_loop: str, *, seed: int) -> None:
        self.plant: Plant = build_plant(hub, grid_loop)
        self.chance = np.random.default_rng(seed)
        n_connections, n_assets = len(self.plant.connections), len(self.plant.assets)
        kinds = np.array([asset.kind for asset in self.plant.assets])
        self._pv, self._charger = kinds == AssetKind.PV, kinds == AssetKind.CHARGER
        self._plugged = self.chance.random(n_assets) < 0.9
        self._at = {asset.id: i for i, asset in enumerate(self.plant.assets)}
        self.load_kw = self.chance.uniform(10, 60, n_connections)
        self.asset_kw = np.zeros(n_assets)
        self.told_kw = self.plant.devices.reversion_kw.copy()
        self._wh = np.zeros((len(self.plant.points.ids), 2))
        self._wh += self.chance.integers(10_000, 90_000_000, self._wh.shape)
        self._seconds = 0

    def obey(self, frame: SetpointFrame) -> None:
        """Devices take a full frame's values; a renewal changes nothing."""
        for asset, power_kw in zip(frame.ids, frame.power_kw, strict=True):
            self.told_kw[self._at[asset]] = power_kw

    def step(self) -> None:
        """One second passes."""
        devices, chance = self.plant.devices, self.chance
        self._seconds += 1
        self.load_kw = np.clip(self.load_kw + chance.normal(0, 0.5, self.load_kw.size), 0.0, 140.0)
        sun = 0.3 + 0.25 * np.sin(self._seconds / 20)
        self.min_kw = np.where(self._pv, devices.min_kw * sun, devices.min_kw)
        self.max_kw = np.where(self._charger & ~self._plugged, 0.0, devices.max_kw)
        self.asset_kw = np.clip(self.told_kw, self.min_kw, self.max_kw)
        power_kw = self.power_kw()
        self._wh[:, 0] += np.maximum(power_kw, 0.0) / 3.6
        self._wh[:, 1] += np.maximum(-power_kw, 0.0) / 3.6

    def power_kw(self) -> np.ndarray:
        """[n_points] What all meters and devices show."""
        plant = self.plant
        power_kw = np.zeros(len(plant.points.ids))
        sums_kw = plant.sum_up(self.load_kw + plant.per_connection(self.asset_kw))
        metered = plant.meter >= 0
        power_kw[plant.meter[metered]] = sums_kw[metered]
        power_kw[plant.asset_point] = self.asset_kw
        return power_kw

    def net_kw(self) -> float:
        return float(self.load_kw.sum() + self.asset_kw.sum())

    def frame(self, at_us: int) -> TelemetryFrame:
        """What is shown now, measured at `at_us`."""
        plant = self.plant
        ids = plant.points.ids
        reach = np.full((2, len(ids)), np.nan)
        reach[:, plant.asset_point] = np.round([self.min_kw, self.max_kw], 2)
        min_kw, max_kw = ([None if kw != kw else kw for kw in side.tolist()] for side in reach)  # noqa: PLR0124
        soc: list[float | None] = [None] * len(ids)
        for at, asset in zip(plant.asset_point.tolist(), plant.assets, strict=True):
            if asset.kind is AssetKind.BATTERY:
                soc[at] = SOC_RATIO
        return TelemetryFrame(
            gateway=f"gw-{plant.grid_loop}", sequence=self._seconds, sent_at_us=at_us, ids=list(ids),
            measured_at_us=[at_us] * len(ids), power_kw=self.power_kw().round(3).tolist(),
            energy_import_wh=self._wh[:, 0].astype(np.int64).tolist(),
            energy_export_wh=self._wh[:, 1].astype(np.int64).tolist(), min_kw=min_kw, max_kw=max_kw, soc_ratio=soc,
        )  # fmt: skip


class StationGateway:
    """The boundary and group meters: the sum of all loops."""

    def __init__(self, loops: Sequence[LoopGateway]) -> None:
        self._loops = loops
        self._wh = np.zeros(2)
        self._seconds = 0

    def step(self) -> None:
        net_kw = self.net_kw()
        self._wh += np.maximum([net_kw, -net_kw], 0.0) / 3.6
        self._seconds += 1

    def net_kw(self) -> float:
        return sum(loop.net_kw() for loop in self._loops)

    def frame(self, at_us: int) -> TelemetryFrame:
        import_wh, export_wh = self._wh.astype(np.int64).tolist()
        return TelemetryFrame(
            gateway="gw-station", sequence=self._seconds, sent_at_us=at_us, ids=[PARK, GROUP],
            measured_at_us=[at_us] * 2, power_kw=[round(self.net_kw(), 3)] * 2, energy_import_wh=[import_wh] * 2,
            energy_export_wh=[export_wh] * 2,
        )  # fmt: skip


class Gateways:
    """All of a park."""

    def __init__(self, hub: Hub, *, seed: int = 0) -> None:
        self.loops = {loop.id: LoopGateway(hub, loop.id, seed=seed + at) for at, loop in enumerate(hub.grid_loops)}
        self._station = StationGateway(list(self.loops.values()))

    def second(self, at_us: int) -> Iterator[tuple[str, TelemetryFrame]]:
        """One second passes; every gateway's frame with the grid loop it is of."""
        for name, loop in self.loops.items():
            loop.step()
            yield name, loop.frame(at_us)
        self._station.step()
        yield STATION, self._station.frame(at_us)
