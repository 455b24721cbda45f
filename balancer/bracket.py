"""Where to look next for a price, given what is known on either side of it.

The give-way of a subtree grows with the price, so the price at which it gives way by what is needed lies between a
*near* price (too little) and a *far* one (enough). Prices are (band, pressure) pairs in lexicographic order. First the
band is found by halving, then within it the pressure: the give-way is piecewise linear there and, without limits below,
concave, so Newton's tangent from either end stays on the near side and ends exactly on the right piece after a few
steps. Every third step halves, which bounds the number of steps whatever the tree looks like.
"""

import numpy as np

from balancer.compiled import compiled


@compiled
def next_price(
    step: int,
    need_kw: float,
    near_band: int,
    near: float,
    near_kw: float,
    near_moving: float,
    far_band: int,
    far: float,
    far_kw: float,
    far_moving: float,
) -> tuple[int, float]:
    """A price between near and far (or far itself, if near's tangent says so).

    `*_kw` is the give-way there, `*_moving` its slope; `far_kw` is NaN while nothing was tried there.
    """
    if near_kw >= need_kw:  # it was enough already, and nothing is to be done beyond
        return near_band, near
    if near_band < far_band:
        return (near_band + far_band + 1) // 2, 0.0
    guess = near
    if step % 3 == 2:
        guess = 0.5 * (near + far)
    else:
        if near_moving > 0.0:
            guess = near + (need_kw - near_kw) / near_moving
        if far_moving > 0.0 and not np.isnan(far_kw):
            guess = max(guess, far - (far_kw - need_kw) / far_moving)
        if guess >= far and np.isnan(far_kw):
            return far_band, far
        if not near < guess < far:
            guess = 0.5 * (near + far)
    if not near < guess < far:  # neighbours: no float lies between them
        guess = far
    return near_band, guess
