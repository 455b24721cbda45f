"""What a held node knows of its price, and where it looks next.

The give-way of a subtree grows with the price, so the price at which it gives way by what is needed lies between a
*low* price (too little) and a *high* one (enough). Prices are (band, pressure) pairs in lexicographic order. First the
band is found, by trying only where bands begin, then within it the pressure.

Within a band the give-way is piecewise linear and, without limits below, concave. From the end that is closer the next
try follows Newton's tangent; from the low end, where the tangent falls short, by twice what the curvature adds. So
tries fall on alternate sides of the price, and the bracket shrinks from both.
"""

import numpy as np

from balancer.clearing import HELD_NEAR, SAME, Record
from balancer.compiled import compiled
from balancer.topology import Floats

BEFORE, EXACT, BEYOND = -1, 0, 1
"""Where a price lies, seen from the price tried: nearer to 0 or there; there for want of floats between; farther."""

ROUNDING = 2e-16
"""A sum of kW is not known better than this times itself."""

OVERSHOOT = 1.1
"""How far a try from the near end goes beyond the tangent. Measured: less leaves the far end where it is."""

HALVING = 8
"""Each so many steps the bracket is halved, which bounds the steps whatever the tree looks like."""

BracketRecord = np.dtype(
    [
        ("lies", np.int32),  # where the price lies, seen from the price tried before
        ("folds", np.int32),  # whether it shrank enough to fold away what it decides
        ("band", np.int32),  # the price to try; in the end the price
        ("low_band", np.int32),  # the price is not nearer to 0 than low
        ("high_band", np.int32),  # and not farther than high
        ("tried_band", np.int32),  # the price tried before
        ("past_low_band", np.int32),  # low and high at that time
        ("past_high_band", np.int32),
        ("pressure", np.float64),
        ("low", np.float64),
        ("low_given", np.float64),  # give-way there, kW; -inf: never tried
        ("low_moving", np.float64),  # its slope there
        ("high", np.float64),
        ("high_given", np.float64),  # inf: never tried
        ("high_moving", np.float64),
        ("tried", np.float64),
        ("past_low", np.float64),
        ("past_high", np.float64),
        ("folded", np.float64),  # width at the last folding
        ("folded_moving", np.float64),  # and the weight that was undecided
    ],
    align=True,
)
"""The search for the price of a held node."""


@compiled
def need_of(node: Record) -> float:
    """By how much a held node must give way, kW."""
    return float(node.near if node.held == HELD_NEAR else node.far)


@compiled
def tolerance_of(node: Record) -> float:
    """How far its give-way may be off without being different, kW."""
    return float(SAME * need_of(node) + ROUNDING * abs(node.rest))


@compiled
def open_bracket(bracket: Record, node: Record, bands: Floats, hidden_kw: float) -> None:
    """Let a held node search between 0 and the end of the last band, where it gives way by `node.given`.

    `node.moving` is all the weight of the first class below, `hidden_kw` what the limits below take out already at price 0.
    """
    n_bands = bands.shape[1]
    bracket.lies = BEYOND
    bracket.low_band = 0
    bracket.low = bracket.low_given = 0.0
    bracket.low_moving = node.moving if n_bands > 1 else 0.0
    bracket.high_band = n_bands - 1
    bracket.high = bands[0, n_bands - 1] * (1.0 + 1e-12)
    bracket.high_given = node.given
    bracket.high_moving = 0.0
    bracket.folds = 0
    bracket.folded = bracket.high
    bracket.folded_moving = node.moving
    bracket.band, bracket.pressure = n_bands // 2, 0.0
    if n_bands == 1:
        reach_kw = node.given + hidden_kw
        share = (node.near + hidden_kw) / reach_kw if reach_kw > 0.0 else 0.5
        steepness = max(node.moving * bracket.high / reach_kw, 1.0) if reach_kw > 0.0 else 1.0
        bracket.pressure = first_guess(bracket.high, share, steepness)


@compiled
def first_guess(end: float, share: float, steepness: float) -> float:
    """The pressure at which a band that ends at `end` has given this share of its reach, were there no limits below.

    The bounds of its assets are taken to be spread evenly; `steepness` is the slope at its start, relative.
    """
    guess = end * (1.0 - max(1.0 - share, 0.0) ** (1.0 / steepness))
    return guess if 0.0 < guess < end else 0.5 * end


@compiled
def guess_in_band(bracket: Record, need_kw: float) -> float:
    """The pressure to try first in a band just found."""
    end = bracket.high
    reach_kw = bracket.high_given - bracket.low_given
    if 0.0 < reach_kw < np.inf:
        share = (need_kw - bracket.low_given) / reach_kw
        return first_guess(end, share, max(bracket.low_moving * end / reach_kw, 1.0))
    return first_guess(end, 0.5, 1.0)


@compiled
def judge(bracket: Record, node: Record, ends: Floats) -> None:
    """Close in on the price: the node should give way by what it needs, and gave way by `node.given`."""
    bracket.tried_band, bracket.tried = bracket.band, bracket.pressure
    bracket.past_low_band, bracket.past_low = bracket.low_band, bracket.low
    bracket.past_high_band, bracket.past_high = bracket.high_band, bracket.high
    none_between = bracket.low_band == bracket.high_band and bracket.pressure >= bracket.high
    if bracket.low_given >= need_of(node) or none_between:  # if low was enough, it was tried again
        bracket.lies = EXACT
    elif node.given >= need_of(node) - tolerance_of(node):
        bracket.lies = BEFORE
        lower_high(bracket, node, ends)
    else:
        bracket.lies = BEYOND
        raise_low(bracket, node)


@compiled
def inherit(bracket: Record, node: Record, leader: Record, ends: Floats) -> None:
    """Let a follower that is held from now on search in the part of its leader's past bracket that is left to it."""
    bracket.tried_band, bracket.tried = leader.tried_band, leader.tried
    bracket.past_low_band, bracket.past_low = leader.past_low_band, leader.past_low
    bracket.past_high_band, bracket.past_high = leader.past_high_band, leader.past_high
    bracket.low_band, bracket.low, bracket.low_moving = leader.past_low_band, leader.past_low, 0.0
    bracket.low_given = 0.0 if bracket.low_band == 0 and bracket.low == 0.0 else -np.inf
    bracket.high_band, bracket.high = leader.past_high_band, leader.past_high
    bracket.high_given, bracket.high_moving = np.inf, 0.0
    bracket.folded = bracket.folded_moving = np.inf
    if node.held == HELD_NEAR:
        bracket.lies = BEYOND
        raise_low(bracket, node)
    else:
        bracket.lies = BEFORE
        lower_high(bracket, node, ends)


@compiled
def raise_low(bracket: Record, node: Record) -> None:
    """The price tried is not enough: the new near end of the bracket."""
    bracket.low_band, bracket.low = bracket.tried_band, bracket.tried
    bracket.low_given, bracket.low_moving = node.given, node.moving


@compiled
def lower_high(bracket: Record, node: Record, ends: Floats) -> None:
    """The price tried is enough: the new far end of the bracket. The start of a band is the end of the one before."""
    bracket.high_band, bracket.high = bracket.tried_band, bracket.tried
    bracket.high_given, bracket.high_moving = node.given, node.moving
    if bracket.tried == 0.0 and bracket.tried_band > bracket.low_band:
        bracket.high_band -= 1
        while bracket.high_band > bracket.low_band and ends[bracket.high_band] == 0.0:  # nobody in this class can move
            bracket.high_band -= 1
        bracket.high = ends[bracket.high_band]
        bracket.high_moving = 0.0


@compiled
def aim(bracket: Record, node: Record, step: int) -> None:
    """The price to try next, and whether to fold on the way: when the bracket or the weight in it has shrunk enough."""
    need_kw = need_of(node)
    bracket.folds = 0
    if bracket.low_given >= need_kw:  # it was enough already, and nothing is to be done beyond
        bracket.band, bracket.pressure = bracket.low_band, bracket.low
    elif bracket.low_band < bracket.high_band:
        bracket.band, bracket.pressure = (bracket.low_band + bracket.high_band + 1) // 2, 0.0
    elif bracket.tried == 0.0:  # that was where a band begins, and now the band is known
        bracket.band, bracket.pressure = bracket.low_band, guess_in_band(bracket, need_kw)
    else:
        bracket.band = bracket.low_band
        bracket.pressure = next_pressure(
            step, need_kw,
            bracket.low, bracket.low_given, bracket.low_moving,
            bracket.high, bracket.high_given, bracket.high_moving,
        )  # fmt: skip
    if bracket.low_band == bracket.high_band:
        width, undecided = bracket.high - bracket.low, bracket.low_moving - bracket.high_moving
        if width < 0.5 * bracket.folded or 0.0 < undecided < 0.3 * bracket.folded_moving:
            bracket.folds = 1
            bracket.folded = width
            bracket.folded_moving = max(undecided, 0.0)


@compiled
def read_price(bracket: Record, node: Record) -> None:
    """All is decided between low and high: the price is where the line meets what is needed."""
    bracket.band = bracket.low_band
    if node.slope > 0.0 and bracket.low_band == bracket.high_band:
        bracket.pressure = min(max((need_of(node) - node.fixed) / node.slope, bracket.low), bracket.high)
    elif node.fixed >= need_of(node) - tolerance_of(node):
        bracket.pressure = bracket.low
    else:
        bracket.band = bracket.high_band
        bracket.pressure = bracket.high


@compiled
def next_pressure(
    step: int,
    need_kw: float,
    low: float,
    low_kw: float,
    low_moving: float,
    high: float,
    high_kw: float,
    high_moving: float,
) -> float:
    """Between low and high; high itself if no float lies between. `*_kw` is the give-way there, `*_moving` its slope."""
    guess = low
    if step % HALVING < HALVING - 1:
        short_kw, over_kw = need_kw - low_kw, high_kw - need_kw
        if low_moving > 0.0 and (short_kw <= over_kw or high_moving <= 0.0):
            tangent = short_kw / low_moving
            bend = (low_moving - high_moving) / (high - low)
            guess = low + OVERSHOOT * tangent + max(bend, 0.0) * tangent * tangent / low_moving
        elif high_moving > 0.0:
            guess = high - over_kw / high_moving
    if not low < guess < high:
        guess = 0.5 * (low + high)
    return guess if low < guess < high else high
