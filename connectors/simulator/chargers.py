"""Chargers and their cars: measured sessions spread over the chargers, current in whole amperes, off or at least 6 A.

A setpoint is a ceiling. The car decides what it takes below it, until it has what it came for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np

from connectors.simulator.arrays import Flags, Floats, Ints, Moved, ramped_kw, whole_watts
from hub.model import Asset
from hub.profiles import Session

_AC_CARS_KW: Final = (7.4, 11.0, 11.0, 22.0)
_DC_CARS_KW: Final = (50.0, 75.0, 100.0, 150.0)
_DC_FROM_KW: Final = 30.0
"""A charger above this is a fast charger: it gets the short stays."""

_SHORT_STAY_US: Final = 3 * 3_600_000_000
_NEVER_US: Final = np.iinfo(np.int64).max


class Stay(Protocol):
    """One car at one charger, from whatever source."""

    @property
    def arrival_us(self) -> int:
        """When it comes."""

    @property
    def departure_us(self) -> int:
        """When it leaves, charged or not."""

    @property
    def energy_kwh(self) -> float:
        """What it comes for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChargerState:
    """Which session each charger is at [n], and what its car has taken."""

    session: Ints
    taken_kwh: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chargers:
    """Columns over n chargers; their sessions [n, m] in order, the last never comes."""

    max_kw: Floats
    min_on_kw: Floats
    step_kw: Floats
    ramp_kw_per_s: Floats
    arrival_us: Ints
    departure_us: Ints
    energy_kwh: Floats
    car_kw: Floats

    @classmethod
    def of(cls, assets: Sequence[Asset], sessions: Sequence[Session], *, seed: int) -> Self:
        """Columns of the chargers of a hub, with sessions that never overlap at one charger."""
        per_charger = _spread(assets, sessions)
        max_kw = np.array([asset.max_kw for asset in assets], dtype=np.float64)
        longest = max((len(own) for own in per_charger), default=0) + 1
        return cls.with_cars(assets, per_charger, car_kw=_cars_kw(max_kw, sessions=longest, seed=seed))

    @classmethod
    def with_cars(cls, assets: Sequence[Asset], per_charger: Sequence[Sequence[Stay]], *, car_kw: Floats) -> Self:
        """Columns of chargers [n] whose sessions are known, in order and apart, with what each car can take [n, m]."""
        shape = (len(assets), max((len(own) for own in per_charger), default=0) + 1)
        arrival_us, departure_us = np.full(shape, _NEVER_US), np.full(shape, _NEVER_US)
        energy_kwh = np.zeros(shape)
        for at, own in enumerate(per_charger):
            arrival_us[at, : len(own)] = [session.arrival_us for session in own]
            departure_us[at, : len(own)] = [session.departure_us for session in own]
            energy_kwh[at, : len(own)] = [session.energy_kwh for session in own]
        return cls(
            max_kw=np.array([asset.max_kw for asset in assets], dtype=np.float64),
            min_on_kw=np.array([asset.min_on_kw for asset in assets], dtype=np.float64),
            step_kw=np.array([asset.step_kw for asset in assets], dtype=np.float64),
            ramp_kw_per_s=np.array([asset.ramp_kw_per_s for asset in assets], dtype=np.float64),
            arrival_us=arrival_us,
            departure_us=departure_us,
            energy_kwh=energy_kwh,
            car_kw=car_kw,
        )

    def start(self, at_us: int) -> ChargerState:
        """Cars that are there at `at_us` have taken their share of the stay so far, as if charged evenly."""
        rows = np.arange(len(self.max_kw))
        session = np.sum(self.departure_us <= at_us, axis=1).astype(np.int64)
        arrival_us, departure_us = self.arrival_us[rows, session], self.departure_us[rows, session]
        stayed_ratio = np.clip((at_us - arrival_us) / np.maximum(departure_us - arrival_us, 1), 0.0, 1.0)
        return ChargerState(session=session, taken_kwh=stayed_ratio * self.energy_kwh[rows, session])

    def arrive(self, state: ChargerState, at_us: int) -> ChargerState:
        """State at `at_us`: who left is gone, the next car of the charger has taken nothing."""
        session = np.sum(self.departure_us <= at_us, axis=1).astype(np.int64)
        taken_kwh = np.where(session == state.session, state.taken_kwh, 0.0)
        return ChargerState(session=session, taken_kwh=taken_kwh)

    def range_kw(self, state: ChargerState, *, at_us: int, dt_s: float) -> Floats:
        """The most each car could take now [n]: 0 without a car, and when the rest would not fill a step."""
        rows = np.arange(len(self.max_kw))
        there: Flags = self.arrival_us[rows, state.session] <= at_us
        needed_kwh = self.energy_kwh[rows, state.session] - state.taken_kwh
        most_kw = np.minimum(self.car_kw[rows, state.session], self.max_kw)
        unfinished = needed_kwh * 3600.0 > np.maximum(self.min_on_kw, 1.0) * dt_s
        return np.where(there & unfinished, np.minimum(most_kw, needed_kwh * 3600.0 / dt_s), 0.0)

    def step(
        self, state: ChargerState, power_kw: Floats, *, wanted_kw: Floats, at_us: int, dt_s: float
    ) -> tuple[ChargerState, Moved]:
        """State after and move during the `dt_s` that end at `at_us` [n]."""
        state = self.arrive(state, at_us)
        most_kw = self.range_kw(state, at_us=at_us, dt_s=dt_s)
        allowed_kw = self._in_whole_steps(np.minimum(most_kw, wanted_kw))
        moved_kw = ramped_kw(power_kw, allowed_kw, ramp_kw_per_s=self.ramp_kw_per_s, dt_s=dt_s)
        # A car that left or is full draws nothing, whatever the ramp.
        power_w = whole_watts(np.clip(moved_kw, 0.0, most_kw))
        taken_kwh = state.taken_kwh + power_w / 1000.0 * dt_s / 3600.0
        after = ChargerState(session=state.session, taken_kwh=taken_kwh)
        return after, Moved(power_w, np.zeros_like(most_kw), self.range_kw(after, at_us=at_us, dt_s=dt_s))

    def _in_whole_steps(self, power_kw: Floats) -> Floats:
        """Whole amperes at most `power_kw`, none below the least current; a change within one ampere is ignored."""
        step_kw = np.where(self.step_kw > 0, self.step_kw, 1e-3)
        down_kw = np.floor(power_kw / step_kw + 1e-9) * step_kw
        on_kw = np.maximum(down_kw, np.minimum(self.min_on_kw, power_kw))
        return np.where(power_kw >= self.min_on_kw, on_kw, 0.0)


def _spread(assets: Sequence[Asset], sessions: Sequence[Session]) -> list[list[Session]]:
    """Give each session the free charger of its sort that waited longest; a session that finds none is left out."""
    own: list[list[Session]] = [[] for _ in assets]
    sorts = (
        [at for at, asset in enumerate(assets) if asset.max_kw < _DC_FROM_KW],
        [at for at, asset in enumerate(assets) if asset.max_kw >= _DC_FROM_KW],
    )
    for session in sessions:
        short = session.departure_us - session.arrival_us <= _SHORT_STAY_US
        chargers = sorts[short] or sorts[not short]
        free_since = [(own[at][-1].departure_us if own[at] else 0, at) for at in chargers]
        since_us, at = min(free_since, default=(_NEVER_US, -1))
        if since_us <= session.arrival_us:
            own[at].append(session)
    return own


def _cars_kw(max_kw: Floats, *, sessions: int, seed: int) -> Floats:
    """What the car of each session can take at most [n, sessions]: of a few usual sizes."""
    chance = np.random.default_rng(seed)
    sizes = np.array([_DC_CARS_KW if kw >= _DC_FROM_KW else _AC_CARS_KW for kw in max_kw]).reshape(len(max_kw), -1)
    choice = chance.integers(0, len(_AC_CARS_KW), (len(max_kw), sessions))
    if not len(max_kw):
        return np.zeros((0, sessions))
    return np.take_along_axis(sizes, choice, axis=1)
