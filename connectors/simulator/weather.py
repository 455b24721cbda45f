"""Second by second light: clouds that cross the park roof after roof. Pure functions of time; nothing is random twice.

The measured profile is a quarter-hour mean; the sky of one second varies around it so that the mean stays.
"""

from typing import Final

import numpy as np

from connectors.simulator.arrays import Floats

_CELL_S: Final = 60.0
"""Between two cloud edges, seconds: cumulus of some 500 m at 8 m/s."""

_EDGE_S: Final = 12.0
"""An edge crosses one roof in this time: about 100 m at 8 m/s. Sharper edges would need a larger margin (R22)."""

_PARK_S: Final = 150.0
"""An edge crosses the park in this time: 1.2 km at 8 m/s."""

_SKY_CELLS: Final = 4096
"""The sky repeats after almost three days."""


def make_sky(seed: int) -> Floats:
    """Cloudiness of successive cells [4096], 0 clear to 1 dark, of mean one half."""
    sky = np.random.default_rng(seed).beta(0.4, 0.4, _SKY_CELLS)
    return np.asarray(sky + (0.5 - sky.mean()), dtype=np.float64)


def roof_delays_s(roofs: int, seed: int) -> Floats:
    """When each roof sees a cloud edge after the first [roofs]: roofs lie all over the park."""
    return np.random.default_rng(seed).uniform(0.0, _PARK_S, roofs)


def light_ratio(sky: Floats, *, at_s: float, delay_s: Floats, depth_ratio: float) -> Floats:
    """Light over its quarter-hour mean, per roof [roofs]; a cloud takes `depth_ratio` of what the clear sky gives."""
    place = (at_s - delay_s) / _CELL_S
    cell = np.floor(place).astype(np.int64)
    crossed = np.clip((place - cell) * _CELL_S / _EDGE_S, 0.0, 1.0)
    smooth = crossed * crossed * (3.0 - 2.0 * crossed)
    dark = sky[(cell - 1) % _SKY_CELLS] * (1.0 - smooth) + sky[cell % _SKY_CELLS] * smooth
    # The mean cloudiness is one half, and the measured mean already holds it.
    return (1.0 - depth_ratio * dark) / (1.0 - depth_ratio * 0.5)
