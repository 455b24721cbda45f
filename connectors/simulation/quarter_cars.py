"""Charging in steps of a quarter: how much energy the cars at each charger can take, and who gets what. Pure.

Within a quarter a charger serves the car that is there first, then the one that comes after it; a third car within
fifteen minutes at one charger gets nothing.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from connectors.simulator.arrays import Floats, Ints
from connectors.simulator.chargers import Chargers

_US_PER_H: Final = 3_600_000_000


@dataclass(slots=True, eq=False)
class QuarterCars:
    """State of the cars of n chargers; `taken_kwh` is [chargers, sessions]."""

    chargers: Chargers
    from_us: int
    session: Ints = field(init=False)
    """[chargers] The car that is there, or comes next."""
    taken_kwh: Floats = field(init=False)
    _stays: Floats = field(init=False)
    """[chargers, sessions, 4] Arrival and departure, us, what it came for, kWh, and the most it takes, kW: side by side,
    since looking them up is what costs time."""

    def __post_init__(self) -> None:
        cars = self.chargers
        most_kw = np.minimum(cars.car_kw, cars.max_kw[:, None])
        self._stays = np.stack([cars.arrival_us, cars.departure_us, cars.energy_kwh, most_kw], axis=2)
        start = self.chargers.start(self.from_us)
        self.session = start.session
        self.taken_kwh = np.zeros(self.chargers.energy_kwh.shape)
        self.taken_kwh[self._rows, self.session] = start.taken_kwh

    @property
    def _rows(self) -> Ints:
        return np.arange(len(self.session))

    def could_kwh(self, from_us: int, until_us: int) -> tuple[Floats, Floats]:
        """What the car that is there and the one after it could take in a step [chargers] each."""
        after = np.minimum(self.session + 1, self.taken_kwh.shape[1] - 1)
        first_kwh = self._one_kwh(self.session, from_us, until_us)
        return first_kwh, np.where(after > self.session, self._one_kwh(after, from_us, until_us), 0.0)

    def _one_kwh(self, session: Ints, from_us: int, until_us: int) -> Floats:
        at = (self._rows, session)
        arrival_us, departure_us, energy_kwh, most_kw = self._stays[at].T
        stay_us = np.minimum(departure_us, until_us) - np.maximum(arrival_us, from_us)
        needed_kwh = energy_kwh - self.taken_kwh[at]
        could_kwh: Floats = np.maximum(np.minimum(needed_kwh, most_kw * (stay_us / _US_PER_H)), 0.0)
        return could_kwh

    def give(self, given_kwh: Floats, first_kwh: Floats, *, until_us: int) -> None:
        """Hand out what the chargers [chargers] gave in the step that ends at `until_us`, the first car first."""
        to_first_kwh = np.minimum(given_kwh, first_kwh)
        self.taken_kwh[self._rows, self.session] += to_first_kwh
        after = np.minimum(self.session + 1, self.taken_kwh.shape[1] - 1)
        self.taken_kwh[self._rows, after] += given_kwh - to_first_kwh
        while (gone := self.chargers.departure_us[self._rows, self.session] <= until_us).any():
            self.session = self.session + gone
