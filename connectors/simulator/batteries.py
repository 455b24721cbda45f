"""Batteries: state of charge, one-way efficiency, less power near full and empty, and a ramp. Charging is positive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from connectors.simulator.arrays import Floats, Ints, Moved, ramped_kw, whole_watts
from hub.model import Asset

_TAPER_RATIO: Final = 0.05
"""Over the last 5 % of its range a battery's power falls to zero, as a BMS does when the first cells are full."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batteries:
    """Columns over n batteries."""

    capacity_kwh: Floats
    efficiency_ratio: Floats
    min_kw: Floats
    max_kw: Floats
    ramp_kw_per_s: Floats

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> Self:
        """Columns of the batteries of a hub; without an energy a battery is an hour of its power."""
        return cls(
            capacity_kwh=np.array(
                [asset.rated_kw if asset.energy_kwh is None else asset.energy_kwh for asset in assets], dtype=np.float64
            ),
            efficiency_ratio=np.array(
                [1.0 if asset.efficiency_ratio is None else asset.efficiency_ratio for asset in assets]
            ),
            min_kw=np.array([asset.min_kw for asset in assets], dtype=np.float64),
            max_kw=np.array([asset.max_kw for asset in assets], dtype=np.float64),
            ramp_kw_per_s=np.array([asset.ramp_kw_per_s for asset in assets], dtype=np.float64),
        )

    def range_kw(self, stored_kwh: Floats) -> tuple[Floats, Floats]:
        """What the BMS allows now: least (most negative) and largest power [n]; 0 at empty and at full."""
        soc_ratio = stored_kwh / self.capacity_kwh
        discharge = np.clip(soc_ratio / _TAPER_RATIO, 0.0, 1.0)
        charge = np.clip((1.0 - soc_ratio) / _TAPER_RATIO, 0.0, 1.0)
        return self.min_kw * discharge, self.max_kw * charge

    def reach_kw(self, stored_kwh: Floats, hours: float) -> tuple[Floats, Floats]:
        """What they can hold for so long [n]: a long step must not overrun what is left either."""
        least_kw, most_kw = self.range_kw(stored_kwh)
        return (
            np.maximum(least_kw, -stored_kwh * self.efficiency_ratio / hours),
            np.minimum(most_kw, (self.capacity_kwh - stored_kwh) / (self.efficiency_ratio * hours)),
        )

    def step(self, stored_kwh: Floats, power_kw: Floats, *, wanted_kw: Floats, dt_s: float) -> tuple[Floats, Moved]:
        """Stored energy after `dt_s` [n] and the move, on the way to `wanted_kw` [n]."""
        hours = dt_s / 3600.0
        least_kw, most_kw = self.reach_kw(stored_kwh, hours)
        moved_kw = ramped_kw(
            power_kw, np.clip(wanted_kw, least_kw, most_kw), ramp_kw_per_s=self.ramp_kw_per_s, dt_s=dt_s
        )
        # The BMS is quicker than the ramp.
        power_w = whole_watts(np.clip(moved_kw, least_kw, most_kw))
        after_kwh = stored_kwh + self.stored_by_kwh(power_w, hours)
        return after_kwh, Moved(power_w, *self.range_kw(after_kwh))

    def stored_by_kwh(self, power_w: Ints, hours: float) -> Floats:
        """Change of stored energy [n]: charging loses on the way in, discharging on the way out."""
        flown_kwh = power_w / 1000.0 * hours
        return np.where(flown_kwh > 0, flown_kwh * self.efficiency_ratio, flown_kwh / self.efficiency_ratio)
