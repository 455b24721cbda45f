"""What one asset does under pressure.

A price presses an asset away from its target: negative = take less, positive = take more. A price is a *direction*, a
*band* (which class is moving) and a *pressure* r >= 0 in kW per unit of weight. An asset of class k gives way by

    0                      while its band has not begun   (band < k)
    min(reach, w * r)      while its band lasts           (band = k)
    reach                  when its band has passed       (band > k)

kW, where reach is the distance from its target to its bound in that direction. So inside a class deviations are in the
ratio of the weights until a bound is hit. A band ends at the pressure R_k = max reach / w of its class.
"""

import numpy as np

from balancer.compiled import compiled
from balancer.topology import Floats, Ints


@compiled
def press(
    side: int,
    band: int,
    pressure: float,
    begin: int,
    end: int,
    rank: Ints,
    weight: Floats,
    min_kw: Floats,
    max_kw: Floats,
    aim_kw: Floats,
    power_kw: Floats,
) -> None:
    """Set assets `begin` .. `end - 1` under one price; `side` is its sign, `aim_kw` are targets within their boxes."""
    sign = float(side)
    for i in range(np.uint64(begin), np.uint64(end)):
        pressed = pressure if rank[i] == band else (np.inf if rank[i] < band else 0.0)
        power_kw[i] = min(max(aim_kw[i] + sign * (weight[i] * pressed), min_kw[i]), max_kw[i])
