"""What one asset does under pressure, and what the assets at one node do together.

A price presses an asset away from its target: negative = take less, positive = take more. A price is a *direction*, a
*band* (which class is moving) and a *pressure* r >= 0 in kW per unit of weight. An asset of class k gives way by

    dev_i = 0                       while its band has not begun   (band < k)
            min(reach_i, w_i * r)   while its band lasts           (band = k)
            reach_i                 when its band has passed       (band > k)

kW, where reach_i is the distance from its target to its bound in that direction. So inside a class deviations are in
the ratio of the weights until a bound is hit. A band ends at the pressure R_k = max reach_i / w_i of its class.
"""

from balancer.compiled import compiled
from balancer.topology import Floats, Ints


@compiled
def deviation(rank: int, band: int, wanted_kw: float, reach_kw: float) -> float:
    """How far one asset of class `rank` gives way, kW; `wanted_kw` is its weight times the pressure."""
    if rank > band:
        return 0.0
    if rank < band or wanted_kw >= reach_kw:
        return reach_kw
    return wanted_kw


@compiled
def given_way(
    begin: int, end: int, band: int, pressure: float, reach_kw: Floats, weight: Floats, rank: Ints
) -> tuple[float, float]:
    """Sum of the deviations of assets `begin` .. `end - 1`, kW, and its slope: the weight that still moves."""
    given_kw = 0.0
    moving = 0.0
    for i in range(begin, end):
        given = deviation(rank[i], band, weight[i] * pressure, reach_kw[i])
        given_kw += given
        if rank[i] == band and given < reach_kw[i]:
            moving += weight[i]
    return given_kw, moving
