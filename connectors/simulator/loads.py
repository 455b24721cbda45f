"""What companies use: the shape of their sector, with seconds that vary as machines do. Never negative.

The variation is correlated in time (half a minute), with a part that all companies share, and machines that start and
stop: steps are what margins are for, and white noise has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from connectors.simulator.arrays import Flags, Floats, Moved, ramped_kw, whole_watts
from hub.model import Asset

_MEMORY_S: Final = 30.0
_OWN_RATIO: Final = 0.03
_SHARED_RATIO: Final = 0.005
_MACHINE_RATIO: Final = 0.08
"""One machine's share of a company's load; it runs half the time, so that the mean stays."""

_MACHINE_DWELL_S: Final = 180.0
"""Mean time between starting and stopping."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unrest:
    """State of the variation: of n users and, last, of all of them together; and whether each machine runs [n]."""

    wobble: Floats
    """[n + 1], standard deviation 1."""
    running: Flags


def start_unrest(users: int, seed: int) -> Unrest:
    """As it is after a long time."""
    chance = np.random.default_rng(seed)
    return Unrest(wobble=chance.standard_normal(users + 1), running=chance.random(users) < 0.5)


def later_unrest(unrest: Unrest, *, seed: int, at_us: int, dt_s: float) -> Unrest:
    """State `dt_s` later, at `at_us`: what chance brings is a function of seed and instant, so that runs repeat."""
    chance = np.random.Generator(np.random.Philox(key=[seed, at_us]))
    kept = np.exp(-dt_s / _MEMORY_S)
    fresh = chance.standard_normal(len(unrest.wobble))
    switched = chance.random(len(unrest.running)) < -np.expm1(-dt_s / _MACHINE_DWELL_S)
    return Unrest(wobble=kept * unrest.wobble + np.sqrt(1.0 - kept * kept) * fresh, running=unrest.running ^ switched)


def varied_kw(mean_kw: Floats, unrest: Unrest, unrest_ratio: float = 1.0) -> Floats:
    """Load now [n], from what the shape says [n]; unrest of ratio 0 leaves the shape as it is, export included."""
    machine = np.where(unrest.running, 0.5, -0.5) * _MACHINE_RATIO
    change = _OWN_RATIO * unrest.wobble[:-1] + _SHARED_RATIO * unrest.wobble[-1] + machine
    varied: Floats = mean_kw * np.maximum(1.0 + unrest_ratio * change, 0.0)
    return varied


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadDevices:
    """Columns over n loads that are assets of their own: flexible ones, which a setpoint caps, and others."""

    min_kw: Floats
    max_kw: Floats
    ramp_kw_per_s: Floats
    flexible: Flags

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> Self:
        """Columns of the loads among the assets of a hub."""
        return cls(
            min_kw=np.array([asset.min_kw for asset in assets], dtype=np.float64),
            max_kw=np.array([asset.max_kw for asset in assets], dtype=np.float64),
            ramp_kw_per_s=np.array([asset.ramp_kw_per_s for asset in assets], dtype=np.float64),
            flexible=np.array([asset.kind.controllable for asset in assets], dtype=np.bool_),
        )

    def step(self, power_kw: Floats, *, wanted_kw: Floats, used_kw: Floats, dt_s: float) -> Moved:
        """Move during `dt_s` [n]: `used_kw` is what they would take, `wanted_kw` a ceiling for the flexible ones."""
        most_kw = np.clip(used_kw, self.min_kw, self.max_kw)
        ceiling_kw = np.where(self.flexible, np.maximum(wanted_kw, self.min_kw), np.inf)
        allowed_kw = np.minimum(most_kw, ceiling_kw)
        # A load whose ramp the hub does not state follows at once.
        ramp_kw_per_s = np.where(self.ramp_kw_per_s > 0, self.ramp_kw_per_s, np.inf)
        moved_kw = ramped_kw(power_kw, allowed_kw, ramp_kw_per_s=ramp_kw_per_s, dt_s=dt_s)
        return Moved(whole_watts(moved_kw), np.where(self.flexible, self.min_kw, most_kw), most_kw)
