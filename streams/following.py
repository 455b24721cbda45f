"""Whether assets do what they are told: a guard counts what is measured, not what was asked for (R16).

An asset that does not move toward its setpoint within its delay is taken out: counted at what it measures, and asked on.
It counts again when it is seen to follow, the first time at once, then after proof that grows with each relapse. Judged
one-sidedly: a charger that takes less than it may, and PV that makes less than it may, follow; but what they leave unused
is not there for a limit that needs it.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.model import ACTUATOR_S
from streams.bounds import Floats
from streams.fold import NEVER
from streams.plant import Plant

PATIENCE_READINGS: Final = 4
"""A setpoint reaches a device within a tick, its first movement shows in the next reading; two more for lateness."""

TOLERANCE_RATIO: Final = 0.02
TOLERANCE_KW: Final = 0.5
"""An asset is where it should be within this share of its rating, or this much."""

PROGRESS_RATIO: Final = 0.1
"""Share of the way it could have gone since the last tick that counts as moving."""

FIRST_PROOF_US: Final = 5_000_000
"""How long an asset that was taken out twice must follow before it counts again; twice as long after each relapse. One
that comes and goes would else be planned on, and missed, every few seconds."""

LONGEST_PROOF_US: Final = 300_000_000
"""No proof takes longer; it costs the park what the asset could do."""

FORGIVEN_US: Final = 2 * LONGEST_PROOF_US
"""An asset that followed for so long is as one that was never taken out."""

_MOST_RELAPSES: Final = 10
"""Beyond the longest proof a further one changes nothing."""


@dataclass(slots=True)
class Following:
    """Memory of one loop's assets; arrays are [n_assets]."""

    plant: Plant
    delay_s: float = ACTUATOR_S
    """Within which a setpoint shows in an asset's power."""
    told_kw: Floats = field(init=False)
    """NaN before the first setpoint."""
    seen_kw: Floats = field(init=False)
    seen_us: NDArray[np.int64] = field(init=False)
    idle: NDArray[np.bool_] = field(init=False)
    """Assets that are taken out: counted as measured."""
    _idle_readings: NDArray[np.int64] = field(init=False)
    _unused_readings: NDArray[np.int64] = field(init=False)
    _asked_us: NDArray[np.int64] = field(init=False)
    """Since when an asset is asked to go the way it is asked now; what it measured before is no answer."""
    _asked_sign: Floats = field(init=False)
    _relapses: NDArray[np.int64] = field(init=False)
    _follows_us: NDArray[np.int64] = field(init=False)
    """Since when it is seen to follow without a break; NEVER where it does not."""

    def __post_init__(self) -> None:
        n_assets = len(self.plant.assets)
        self.told_kw = np.full(n_assets, np.nan)
        self.seen_kw = np.full(n_assets, np.nan)
        self.idle = np.zeros(n_assets, np.bool_)
        self.seen_us, self._asked_us, self._follows_us = (np.full(n_assets, NEVER, np.int64) for _ in range(3))
        self._idle_readings, self._unused_readings, self._relapses = (np.zeros(n_assets, np.int64) for _ in range(3))
        self._asked_sign = np.zeros(n_assets)

    @property
    def unused(self) -> NDArray[np.bool_]:
        """Assets that stay below a ceiling, or above a floor, and do not move toward it."""
        return self._unused_readings >= PATIENCE_READINGS

    def tell(self, told_kw: Floats, *, now_us: int) -> None:
        """Remember what was told at this instant."""
        self.told_kw = told_kw
        sign = np.nan_to_num(np.sign(self._gap_kw(self.seen_kw)))
        self._asked_us = np.where(sign == self._asked_sign, self._asked_us, now_us)
        self._asked_sign = sign

    def observe(self, measured_kw: Floats, *, measured_us: NDArray[np.int64]) -> None:
        """Compare each new reading with the one before and with what was told; an old reading says nothing."""
        new = measured_us > self.seen_us
        answers = new & (measured_us >= self._asked_us)
        gap_kw = self.told_kw - measured_kw
        tolerated = (self.plant.is_ceiling & (gap_kw > 0)) | (self.plant.is_floor & (gap_kw < 0))
        still = self._stands_still(measured_kw, gap_kw, passed_s=(measured_us - self.seen_us) / 1e6)
        stuck, unused = still & ~tolerated, still & tolerated
        self._idle_readings = np.where(answers, np.where(stuck, self._idle_readings + 1, 0), self._idle_readings)
        self._unused_readings = np.where(answers, np.where(unused, self._unused_readings + 1, 0), self._unused_readings)
        follows_us = np.where(stuck, NEVER, np.where(self._follows_us == NEVER, measured_us, self._follows_us))
        self._follows_us = np.where(answers, follows_us, self._follows_us)
        self._judge(measured_us, answers=answers)
        self.seen_kw = np.where(new, measured_kw, self.seen_kw)
        self.seen_us = np.where(new, measured_us, self.seen_us)

    def _stands_still(self, measured_kw: Floats, gap_kw: Floats, *, passed_s: Floats) -> NDArray[np.bool_]:
        """Which are not where they are told to be, nor have come nearer since the reading before."""
        could_kw = np.minimum(np.abs(self.told_kw - self.seen_kw), self.plant.devices.ramp_kw_per_s * passed_s)
        moved_kw = (measured_kw - self.seen_kw) * np.sign(gap_kw)
        there = ~(np.abs(gap_kw) > tolerance_kw(self.plant))
        return ~there & (moved_kw < PROGRESS_RATIO * could_kw)

    def _judge(self, measured_us: NDArray[np.int64], *, answers: NDArray[np.bool_]) -> None:
        """Take out who did not follow in time, take back who has proven to."""
        late = measured_us - self._asked_us >= self.delay_s * 1e6
        falls_out = answers & ~self.idle & late & (self._idle_readings >= PATIENCE_READINGS)
        followed_us = np.where(self._follows_us == NEVER, 0, measured_us - self._follows_us)
        proves = answers & (self._follows_us != NEVER) & (followed_us >= _proof_us(self._relapses))
        self._relapses = np.where(falls_out, np.minimum(self._relapses + 1, _MOST_RELAPSES), self._relapses)
        self._relapses = np.where(answers & (followed_us >= FORGIVEN_US), 0, self._relapses)
        self.idle = (self.idle & ~proves) | falls_out

    def _gap_kw(self, power_kw: Floats) -> Floats:
        """How far the power is from what the setpoint asks, signed towards it; 0 on the side that is allowed."""
        gap_kw = self.told_kw - power_kw
        return np.where(
            self.plant.is_ceiling,
            np.minimum(gap_kw, 0.0),
            np.where(self.plant.is_floor, np.maximum(gap_kw, 0.0), gap_kw),
        )


def tolerance_kw(plant: Plant) -> Floats:
    """[n_assets] Within this of where it should be, each is there."""
    return np.maximum(TOLERANCE_RATIO * plant.devices.rated_kw, TOLERANCE_KW)


def _proof_us(relapses: NDArray[np.int64]) -> NDArray[np.int64]:
    """How long each must follow before it counts again.

    >>> (_proof_us(np.array([1, 2, 3, 9])) / 1e6).tolist()
    [0.0, 5.0, 10.0, 300.0]
    """
    doubled_us = FIRST_PROOF_US * 2 ** np.maximum(relapses - 2, 0)
    return np.where(relapses > 1, np.minimum(doubled_us, LONGEST_PROOF_US), 0)
