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

    def __post_init__(self) -> None:
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
        cars, at = self.chargers, (self._rows, session)
        stay_us = np.minimum(cars.departure_us[at], until_us) - np.maximum(cars.arrival_us[at], from_us)
        most_kw = np.minimum(cars.car_kw[at], cars.max_kw)
        needed_kwh = cars.energy_kwh[at] - self.taken_kwh[at]
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
