"""What the devices were told and when, by their own account: they answer dispatch and write it down."""

import time
from dataclasses import dataclass

import numpy as np

from connectors.simulator import wire
from connectors.simulator.device_server import DevicePanel


@dataclass(frozen=True, slots=True)
class Told:
    """One setpoint that a device took."""

    at_s: float
    """By the wall clock, which setpoint frames are stamped with."""
    asset: str
    power_kw: float
    lease_s: float


class DeviceLedger(DevicePanel):
    """All devices of a hub; `told` is what those of `watched` took, in order."""

    def __init__(self, assets: list[str], watched: set[str]) -> None:
        super().__init__({asset: at for at, asset in enumerate(assets)}, np.zeros(len(assets)))
        self.told: list[Told] = []
        self._watched = watched

    def tell(self, batch: wire.Batch) -> wire.Answer:
        answer, at_s = super().tell(batch), time.time()
        self.told += [
            Told(at_s, write.asset, write.power_kw, write.lease_s)
            for write in batch.writes
            if write.asset in self._watched and write.asset not in answer.failed
        ]
        return answer
