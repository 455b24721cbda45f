"""PV inverters: what the sun gives, what the setpoint lets through, and the inverter's ramp. Production is negative.

A setpoint is a floor on net power: -35 kW means produce at most 35 kW. It never raises production above the sun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from connectors.simulator.arrays import Floats, Moved, ramped_kw, whole_watts
from hub.model import Asset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inverters:
    """Columns over n inverters."""

    rated_kw: Floats
    largest_kw: Floats
    """The inverter's own static limit on production, a magnitude; no setpoint lifts it (R15)."""
    ramp_kw_per_s: Floats

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> Self:
        """Columns of the inverters of a hub."""
        return cls(
            rated_kw=np.array([asset.rated_kw for asset in assets], dtype=np.float64),
            largest_kw=np.array([-asset.min_kw for asset in assets], dtype=np.float64),
            ramp_kw_per_s=np.array([asset.ramp_kw_per_s for asset in assets], dtype=np.float64),
        )

    def available_kw(self, shape_kw_per_kwp: Floats, light_ratio: Floats) -> Floats:
        """What could be produced now [n], a magnitude: sun times size, cut to the static limit."""
        return np.minimum(shape_kw_per_kwp * light_ratio * self.rated_kw, self.largest_kw)

    def step(self, power_kw: Floats, *, wanted_kw: Floats, available_kw: Floats, dt_s: float) -> Moved:
        """Move during `dt_s` [n]; the sun going is immediate, its return and curtailment are ramped."""
        allowed_kw = np.minimum(available_kw, np.maximum(-wanted_kw, 0.0))
        produced_kw = ramped_kw(-power_kw, allowed_kw, ramp_kw_per_s=self.ramp_kw_per_s, dt_s=dt_s)
        power_w = -whole_watts(np.minimum(produced_kw, available_kw))
        return Moved(power_w, -available_kw, np.zeros_like(available_kw))
