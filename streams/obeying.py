"""What a device that nobody hears may still be doing: it obeys until its lease ends, and only then goes home (R1, R3).

Behind a dead router meter and device fall silent together. The device is told its reversion value then, but may never
hear it: until its lease has run out it counts at the worse end of what it was told and measured and its reversion
value, per direction. A ceiling is no promise to consume and a floor none to produce, so those ends never count on more
than the device's least.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.model import AssetKind
from streams.bounds import Floats
from streams.estimate import Span
from streams.fold import NEVER
from streams.plant import Plant

STAGE_S: Final = 20.0
"""A stage of falling back waits at most this long for the one before: generation, consumption, storage. Dispatch and
devices compute theirs, never longer; a smaller figure here counts a battery at home that still charges."""

_WAITS: Final = {AssetKind.PV: 0, AssetKind.BATTERY: 2}
"""For how many stages a kind waits; whatever else takes power waits for one."""

_AT_ONCE_KW_PER_S: Final = 1e9
"""Ramp of a device for which the folder states none."""


@dataclass(slots=True)
class Obeying:
    """Memory of one loop's assets; arrays are [n_assets]."""

    plant: Plant
    device_lease_s: float
    low_kw: Floats = field(init=False)
    """Between these lies all that was told since the reading before last; anything, where that is not known."""
    high_kw: Floats = field(init=False)
    until_us: NDArray[np.int64] = field(init=False)
    """Until when the device may obey it; `NEVER` before the first look, which cannot know what was told before."""
    _told_kw: Floats = field(init=False)
    _seen_us: NDArray[np.int64] = field(init=False)
    _lease_us: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        devices, n_assets = self.plant.devices, len(self.plant.assets)
        self.low_kw, self.high_kw = devices.min_kw.copy(), devices.max_kw.copy()
        self.until_us, self._seen_us = (np.full(n_assets, NEVER, np.int64) for _ in range(2))
        self._told_kw = np.full(n_assets, np.nan)
        waits_s = [STAGE_S * _WAITS.get(asset.kind, 1) for asset in self.plant.assets]
        self._lease_us = np.array([round((self.device_lease_s + s) * 1e6) for s in waits_s], np.int64)

    def tell(self, told_kw: Floats, *, closed: NDArray[np.bool_], measured_us: NDArray[np.int64], now_us: int) -> None:
        """Remember what a tick told; what is sent home (not `closed`) is told nothing that it could obey longer."""
        heard = closed & (measured_us > self._seen_us) & ~np.isnan(self._told_kw)
        low_kw, high_kw = (np.where(heard, self._told_kw, end_kw) for end_kw in (self.low_kw, self.high_kw))
        self.low_kw = np.where(closed, np.minimum(low_kw, told_kw), low_kw)
        self.high_kw = np.where(closed, np.maximum(high_kw, told_kw), high_kw)
        self.until_us = np.where(closed | (self.until_us == NEVER), now_us + self._lease_us, self.until_us)
        self._told_kw, self._seen_us = told_kw, measured_us

    def beyond_reversion(self, measured_kw: Floats, *, now_us: int) -> Span:
        """How far below and above its reversion value each device may be, kW [n_assets]: at most and at least 0.

        `measured_kw` is the last that each device measured, NaN where it never did.
        """
        devices = self.plant.devices
        ramp_kw_per_s = np.where(devices.ramp_kw_per_s > 0, devices.ramp_kw_per_s, _AT_ONCE_KW_PER_S)
        gone_s = np.where(self.until_us == NEVER, 0.0, np.maximum(now_us - self.until_us, 0) / 1e6)
        low_kw = np.fmin(self.low_kw, measured_kw) + ramp_kw_per_s * gone_s
        high_kw = np.fmax(self.high_kw, measured_kw) - ramp_kw_per_s * gone_s
        low_kw = np.where(self.plant.is_ceiling, devices.min_kw, low_kw)
        high_kw = np.where(self.plant.is_floor, devices.max_kw, high_kw)
        return Span(
            low_kw=np.minimum(low_kw - devices.reversion_kw, 0.0),
            high_kw=np.maximum(high_kw - devices.reversion_kw, 0.0),
        )
