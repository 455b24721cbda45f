"""Meters' registers A+ and A-, exact: whole Wh and the rest in microwatt-seconds, all integers.

Power is constant over a step and in whole watts, time in whole microseconds, so their product is an integer: however
a stretch of time is split into steps, the registers are the same.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from connectors.simulator.arrays import Ints

_UWS_PER_WH: Final = 3_600_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """Registers of n points, load convention: import counts positive power, export the magnitude of negative."""

    import_wh: Ints
    export_wh: Ints
    import_rest_uws: Ints
    """What has not made a whole Wh yet, below 3.6e9."""
    export_rest_uws: Ints

    @classmethod
    def zero(cls, points: int) -> Self:
        """Fresh meters."""
        return cls(*(np.zeros(points, dtype=np.int64) for _ in range(4)))

    def after(self, power_w: Ints, dt_us: int) -> "Registers":
        """Registers after `power_w` [n] flowed for `dt_us`."""
        flown_uws = power_w * dt_us
        more_in, rest_in = np.divmod(self.import_rest_uws + np.maximum(flown_uws, 0), _UWS_PER_WH)
        more_out, rest_out = np.divmod(self.export_rest_uws + np.maximum(-flown_uws, 0), _UWS_PER_WH)
        return Registers(self.import_wh + more_in, self.export_wh + more_out, rest_in, rest_out)

    def net_uws(self) -> list[int]:
        """Import minus export since the meters were fresh, uWs, as Python integers (they outgrow 64 bits)."""
        whole_wh = (self.import_wh - self.export_wh).tolist()
        rest_uws = (self.import_rest_uws - self.export_rest_uws).tolist()
        return [wh * _UWS_PER_WH + rest for wh, rest in zip(whole_wh, rest_uws, strict=True)]
