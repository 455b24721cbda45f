"""What charging came to: who got the energy they came for. Pure.

Counts the sessions that begin and end within the run; those that were there before or stay after it are played, not
judged.
"""

from typing import Final

import msgspec
import numpy as np

from connectors.simulator.arrays import Floats, Ints
from connectors.simulator.chargers import Chargers

FULL_RATIO: Final = 0.99
"""A car with this share of what it came for was served: a charger stops where the rest would not fill a step."""


class ChargingFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The charging sessions of a run."""

    sessions: int
    fully_served: int
    """Sessions that got 99 % of what they came for, or more."""
    asked_kwh: float
    delivered_kwh: float
    possible_kwh: float
    """What could have been delivered with nothing in the way: car, charger and stay are limits of their own."""
    delivered_percent: float | None
    """Of what was asked; None without a session."""
    jain_index: float | None
    """Of delivered over asked: 1 if all got the same share, 1/n if one got everything."""


def jain_index(shares: Floats) -> float | None:
    """Jain's index of fairness; None where nobody got anything.

    >>> jain_index(np.array([1.0, 1.0])), jain_index(np.array([1.0, 0.0])), jain_index(np.zeros(2))
    (1.0, 0.5, None)
    """
    squares = float((shares**2).sum())
    return None if squares == 0.0 else float(shares.sum()) ** 2 / (len(shares) * squares)


class ChargingRecord:
    """Keeps what each session took: [chargers, sessions]."""

    def __init__(self, chargers: Chargers, *, from_us: int) -> None:
        self._chargers = chargers
        self._from_us = from_us
        self.taken_kwh = np.zeros(chargers.energy_kwh.shape)

    def take(self, session: Ints, taken_kwh: Floats) -> None:
        """What the car of each charger's session has taken so far [chargers]."""
        self.taken_kwh[np.arange(len(session)), session] = taken_kwh

    def figures(self, *, until_us: int) -> ChargingFigures | None:
        """The sessions that came and went by `until_us`; None for a run whose chargers have no sessions."""
        chargers = self._chargers
        if not chargers.energy_kwh.any():
            return None
        judged = (chargers.arrival_us >= self._from_us) & (chargers.departure_us <= until_us)
        asked_kwh, taken_kwh = chargers.energy_kwh[judged], self.taken_kwh[judged]
        stay_h = (chargers.departure_us[judged] - chargers.arrival_us[judged]) / 3.6e9
        most_kw = np.minimum(chargers.car_kw, chargers.max_kw[:, None])[judged]
        shares = taken_kwh / asked_kwh
        fairness = jain_index(shares)
        return ChargingFigures(
            sessions=int(judged.sum()),
            fully_served=int((shares >= FULL_RATIO).sum()),
            asked_kwh=round(float(asked_kwh.sum()), 3),
            delivered_kwh=round(float(taken_kwh.sum()), 3),
            possible_kwh=round(float(np.minimum(asked_kwh, most_kw * stay_h).sum()), 3),
            delivered_percent=round(100 * float(taken_kwh.sum() / asked_kwh.sum()), 3) if judged.any() else None,
            jain_index=None if fairness is None else round(fairness, 4),
        )
