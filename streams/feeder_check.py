"""Whether the meters of a ring's feeders fit where it should be open: else somebody switched it unannounced. Pure.

A feeder carries what hangs on its arm. Where one measures more than the meters of these connections can add up to, and
the other as much less, for some time, the ring is not open where it was said to be. Where only one is off, a meter is
wrong, and that is for `streams.adding_up`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hub.open_point import carried
from streams.bounds import Floats
from streams.estimate import Estimate
from streams.plant import Plant

TOLERANCE_RATIO: Final = 0.03
"""Share of what flows in and out below a feeder by which meters may differ: their class and the cable's losses."""

TOLERANCE_KW: Final = 10.0
"""... and at least this much. Less than that on the wrong feeder is within any cable's own tolerance."""

SHARED_RATIO: Final = 0.5
"""What one feeder has too much the other must lack to this share at least; meters differ by far less."""

LEAST_PATIENCE_S: Final = 10.0
PATIENCE_CADENCES: Final = 5
"""A contradiction must last so many cadences of the slowest meter, 10 s at least: meters are not read at one instant, and
a battery turns round in a second. While it lasts a cable may carry what its limit does not know: no longer than a relay
lets a few per cent pass."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A feeder that does not fit its arm."""

    arm: str
    over_kw: float
    """How much more the feeder measures than its arm can come to; negative where it is less."""
    fits: tuple[int, ...]
    """Positions that the meters of both feeders would fit."""

    def __str__(self) -> str:
        """One line, for people."""
        more = f"{abs(self.over_kw):.1f} kW {'more' if self.over_kw > 0 else 'less'}"
        fits = f"; the meters fit open after {' or '.join(map(str, self.fits))}" if self.fits else ""
        return f"{self.arm} measures {more} than all that should hang on it{fits}"


@dataclass(slots=True)
class FeederCheck:
    """Since when the feeders of one grid loop contradict its open point."""

    patience_s: float
    since_us: int | None = None

    @classmethod
    def for_cadence(cls, meter_cadence_s: float) -> "FeederCheck":
        """Be patient with meters that are read so seldom."""
        return cls(max(LEAST_PATIENCE_S, PATIENCE_CADENCES * meter_cadence_s))

    def look(self, plant: Plant, known: Estimate) -> Contradiction | None:
        """Judge one tick; tells of a contradiction that has lasted, once, and then waits as long again.

        Where nobody knows which section hangs on which feeder, or a feeder is not heard, nothing contradicts.
        """
        found = contradiction(plant, known) if plant.arms_known and known.feeders_fresh else None
        if found is None:
            self.since_us = None
            return None
        if self.since_us is None:
            self.since_us = known.now_us
        if known.now_us - self.since_us < self.patience_s * 1e6:
            return None
        self.since_us = None
        return found


def contradiction(plant: Plant, known: Estimate) -> Contradiction | None:
    """Return the feeder that fits its arm least where the other one makes up for it; None where all fits."""
    arms = np.flatnonzero((plant.parent == 0) & (plant.meter >= 0)).tolist()
    low_kw, high_kw = _connections_kw(plant, known)
    below = [plant.pair_connection[plant.pair_node == arm] for arm in arms]
    over_kw = [_beyond_kw(known, arm, low_kw[at], high_kw[at]) for arm, at in zip(arms, below, strict=True)]
    worst = max(range(len(arms)), key=lambda at: abs(over_kw[at]))
    other_kw = sum(over_kw) - over_kw[worst]
    fits = _tolerated(over_kw[worst], low_kw[below[worst]], high_kw[below[worst]])
    if fits or other_kw * over_kw[worst] >= 0 or abs(other_kw) < SHARED_RATIO * abs(over_kw[worst]):
        return None
    return Contradiction(
        plant.node_ids[arms[worst]], over_kw[worst], _fitting(plant, known, arms, low_kw=low_kw, high_kw=high_kw)
    )


def _connections_kw(plant: Plant, known: Estimate) -> tuple[Floats, Floats]:
    """[n_connections] Between what powers each lies."""
    return known.power.low_kw[plant.connection_node], known.power.high_kw[plant.connection_node]


def _beyond_kw(known: Estimate, arm: int, low_kw: Floats, high_kw: Floats) -> float:
    """By how much a feeder is out of what its connections can add up to."""
    feeder_kw = float(known.power.high_kw[arm])
    return max(feeder_kw - float(high_kw.sum()), 0.0) + min(feeder_kw - float(low_kw.sum()), 0.0)


def _tolerated(over_kw: float, low_kw: Floats, high_kw: Floats) -> bool:
    flow_kw = float(np.maximum(np.abs(low_kw), np.abs(high_kw)).sum())
    return abs(over_kw) <= max(TOLERANCE_KW, TOLERANCE_RATIO * flow_kw)


def _fitting(plant: Plant, known: Estimate, arms: Sequence[int], *, low_kw: Floats, high_kw: Floats) -> tuple[int, ...]:
    """Positions in which both feeders would fit."""
    ring = next(loop for loop in plant.hub.grid_loops if loop.id == plant.grid_loop)
    fits = []
    for position in range(len(ring.sections) + 1):
        on = carried(ring, position)
        below = [[at for at, c in enumerate(plant.connections) if c.section in on[plant.node_ids[arm]]] for arm in arms]
        if all(
            _tolerated(_beyond_kw(known, arm, low_kw[at], high_kw[at]), low_kw[at], high_kw[at])
            for arm, at in zip(arms, below, strict=True)
        ):
            fits.append(position)
    return tuple(fits)
