"""Where a battery would rather be: room before expected surplus, reserve before expected peaks. Pure, replaceable.

A target is a wish. The kernel gives way on it to every limit; nothing here may be needed to keep one. Energy above the
band goes into import that is measured now, never beyond it; energy below it comes from headroom that is free now; within
the band a battery rests. The target is proportional to the distance from the band, so it fades out instead of switching.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.compiled import compiled
from balancer.forecast import QUARTERS_PER_DAY

Floats = NDArray[np.float64]

QUARTER_H: Final = 0.25

LATER_RATIO: Final = 0.5
"""Share of what a battery could still do before it is needed that is counted on. At 1 it would act at the last moment and
fail when the forecast is wrong; at 0 it would empty and fill a day ahead for nothing."""

SURE_RATIO: Final = 0.85
"""Share of what a node may draw that is counted on when a reserve is made: a day's peak may be higher than on any day
before. At 1 a loop whose peaks come near its limit is met with empty batteries by the first that exceeds it (De Koumen's
June has one)."""

APPROACH_H: Final = 0.75
"""A battery goes to its band at `distance / APPROACH_H`: two thirds of the way within this time."""

DEAD_RATIO: Final = 0.01
"""Distance from the band, as a share of the capacity, that is left alone: measured charge is no finer."""

INTO_IMPORT_RATIO: Final = 0.9
"""Share of the measured import, or headroom, that a target may use; the rest is for what changes until the next reading."""

NIGHT_HIGH_RATIO: Final = 0.8
DAY_HIGH_RATIO: Final = 1.0
LOW_RATIO: Final = 0.2
_SUN_QUARTERS: Final = (7 * 4, 17 * 4)
"""The band without a forecast: by night no fuller than so, between 7 and 17 h UTC filled by whatever sun there is, never
emptied by choice below the last figure. Invented; wide, so that a worker that knows nothing yet moves little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Batteries seen from the nodes that they hang below, as one store each; [n_nodes].

    `import_kw` and `export_kw` are what the node may carry (magnitudes, infinite where unlimited).
    """

    capacity_kwh: Floats
    power_kw: Floats
    efficiency_ratio: Floats
    """One way."""
    import_kw: Floats
    export_kw: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """Between what the charge should be, as a share of the capacity: 0 <= low <= high <= 1; arrays of one shape."""

    low_ratio: Floats
    high_ratio: Floats

    def at(self, step: int, below: NDArray[np.bool_]) -> "Band":
        """[n_batteries] Of a band [steps, n_nodes]: the narrowest of the nodes above each battery.

        Where reserve and room contradict, reserve wins: a peak trips a cable, a surplus only costs energy.

        Args:
            step: which.
            below: [n_nodes, n_batteries] which battery hangs below which node.
        """
        low = np.where(below, self.low_ratio[step][:, None], 0.0).max(axis=0, initial=0.0)
        high = np.where(below, self.high_ratio[step][:, None], 1.0).min(axis=0, initial=1.0)
        return Band(low, np.maximum(low, high))


def band(fleet: Fleet, net_kw: Floats, *, quarter: int) -> Band:
    """[96, n_nodes] The band at the start of each quarter of the 24 hours from one on.

    Backwards through the day, per quarter of `h` hours, `n` its net load, `P` power, `C` capacity, `e` efficiency:

        high <- clip(high - e min(max(-n - export, 0), P) h + r min(max(n, 0), P) h / e, 0, C)
        low  <- clip(low + min(max(n - s import, 0), P) h / e - r e min(max(s import - n, 0), P) h, 0, C)

    with `r` LATER_RATIO and `s` SURE_RATIO, from `high = C` and `low = 0` at the end. A node of which any quarter is unknown goes by the
    time of day.

    Args:
        fleet: the stores.
        net_kw: [96, n_nodes] expected net load without batteries; NaN is unknown.
        quarter: number of the first, since 1970, UTC.
    """
    power, e = fleet.power_kw, fleet.efficiency_ratio
    net = np.nan_to_num(net_kw)
    fills = e * np.clip(-net - fleet.export_kw, 0.0, power)
    frees = np.clip(net, 0.0, power) / e
    counted_kw = SURE_RATIO * fleet.import_kw
    drains = np.clip(net - counted_kw, 0.0, power) / e
    gains = e * np.clip(counted_kw - net, 0.0, power)
    high_kwh = _backwards((LATER_RATIO * frees - fills) * QUARTER_H, fleet.capacity_kwh, fleet.capacity_kwh)
    low_kwh = _backwards((drains - LATER_RATIO * gains) * QUARTER_H, fleet.capacity_kwh, np.zeros_like(power))
    known = np.isfinite(net_kw).all(axis=0)
    some_kwh = np.where(fleet.capacity_kwh > 0, fleet.capacity_kwh, 1.0)
    of_day = (quarter + np.arange(len(net))) % QUARTERS_PER_DAY
    by_day = np.where((of_day >= _SUN_QUARTERS[0]) & (of_day < _SUN_QUARTERS[1]), DAY_HIGH_RATIO, NIGHT_HIGH_RATIO)
    low_ratio = np.where(known, low_kwh / some_kwh, LOW_RATIO)
    return Band(low_ratio, np.maximum(low_ratio, np.where(known, high_kwh / some_kwh, by_day[:, None])))


@compiled
def _backwards(change_kwh: Floats, capacity_kwh: Floats, end_kwh: Floats) -> Floats:
    """[steps, n_nodes] What must hold before each step so that the next one's holds after its change."""
    path_kwh = np.empty_like(change_kwh)
    for node in range(capacity_kwh.size):
        at_kwh = end_kwh[node]
        for step in range(len(change_kwh) - 1, -1, -1):
            at_kwh = path_kwh[step, node] = min(max(at_kwh + change_kwh[step, node], 0.0), capacity_kwh[node])
    return path_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class Batteries:
    """What a target needs of each battery; [n_batteries], all in one grid loop."""

    capacity_kwh: Floats
    efficiency_ratio: Floats
    min_kw: Floats
    max_kw: Floats


def target_kw(batteries: Batteries, within: Band, soc_ratio: Floats, *, import_kw: float, headroom_kw: float) -> Floats:
    """[n_batteries] Where each battery would be; 0 where its charge is not known.

    `distance C / APPROACH_H`, times `e` when it leaves the battery and divided by it when it enters; shared in proportion
    where the sum is more than there is room for.

    Args:
        batteries: the batteries of one grid loop.
        within: their band.
        soc_ratio: [n_batteries] measured; NaN is unknown.
        import_kw: what the grid loop draws now without its batteries; below 0 it feeds in, and nothing is discharged.
        headroom_kw: what it could draw more, without its batteries; below 0 nothing is charged.
    """
    above = np.fmax(soc_ratio - within.high_ratio - DEAD_RATIO, 0.0)  # an unknown charge is neither
    below = np.fmax(within.low_ratio - DEAD_RATIO - soc_ratio, 0.0)
    pace_kw = batteries.capacity_kwh / APPROACH_H
    out_kw = np.minimum(above * pace_kw * batteries.efficiency_ratio, np.maximum(-batteries.min_kw, 0.0))
    in_kw = np.minimum(below * pace_kw / batteries.efficiency_ratio, np.maximum(batteries.max_kw, 0.0))
    return _fitted(in_kw, headroom_kw) - _fitted(out_kw, import_kw)


def _fitted(power_kw: Floats, room_kw: float) -> Floats:
    """Scaled down until the sum fits the share of the room that may be used; unknown room is none."""
    room_kw = INTO_IMPORT_RATIO * room_kw if room_kw > 0 else 0.0
    total_kw = float(power_kw.sum())
    return power_kw * (room_kw / total_kw) if total_kw > room_kw else power_kw
