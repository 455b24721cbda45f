"""Second by second light: clouds that cross the park roof after roof. Pure functions of time; nothing is random twice.

The measured profile is a quarter-hour mean; the sky of one second varies around it so that the mean stays.
"""

from typing import Final

import numpy as np

from connectors.simulator.arrays import Floats

_CELL_S: Final = 45.0
"""Between two cloud edges, seconds: cumulus at 10 m/s of some 450 m."""

_EDGE_S: Final = 6.0
"""An edge crosses one roof in this time: about 60 m at 10 m/s."""

_SKY_CELLS: Final = 4096
"""The sky repeats after two days."""


def make_sky(seed: int) -> Floats:
    """Cloudiness of successive cells [4096], 0 clear to 1 dark, of mean one half."""
    sky = np.random.default_rng(seed).beta(0.4, 0.4, _SKY_CELLS)
    return np.asarray(sky + (0.5 - sky.mean()), dtype=np.float64)


def roof_delays_s(roofs: int, seed: int) -> Floats:
    """When each roof sees a cloud edge after the first [roofs]: a park a kilometre wide at 10 m/s."""
    return np.random.default_rng(seed).uniform(0.0, 100.0, roofs)


def light_ratio(sky: Floats, *, at_s: float, delay_s: Floats, depth_ratio: float) -> Floats:
    """Light over its quarter-hour mean, per roof [roofs]; a cloud takes `depth_ratio` of what the clear sky gives."""
    place = (at_s - delay_s) / _CELL_S
    cell = np.floor(place).astype(np.int64)
    crossed = np.clip((place - cell) * _CELL_S / _EDGE_S, 0.0, 1.0)
    smooth = crossed * crossed * (3.0 - 2.0 * crossed)
    dark = sky[(cell - 1) % _SKY_CELLS] * (1.0 - smooth) + sky[cell % _SKY_CELLS] * smooth
    # The mean cloudiness is one half, and the measured mean already holds it.
    return (1.0 - depth_ratio * dark) / (1.0 - depth_ratio * 0.5)
