"""Whether a figure grows: a straight line through its course, with a 95 % interval of its slope."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

BLOCKS = 20
"""Neighbouring samples are alike, which would make a slope look surer than it is; means of so many blocks hardly are."""

CONFIDENCE = 0.95
S_PER_H = 3600.0


@dataclass(frozen=True, slots=True)
class Course:
    """A figure over some time; growth is over the whole of it."""

    mean: float
    grown: float
    low: float
    """Lower end of the interval of `grown`."""
    high: float
    passed_h: float

    def is_flat(self, most_grown: float) -> bool:
        """Not shown to have grown by more than this in the time it was watched."""
        return self.low <= most_grown

    def text(self, unit: str) -> str:
        """For people: growth is told per hour."""
        per_h = 1 / self.passed_h
        return (
            f"{self.mean:.1f} {unit}, {self.grown * per_h:+.2f} {unit}/h"
            f" (95 %: {self.low * per_h:+.2f} to {self.high * per_h:+.2f})"
        )


def course(at_s: Sequence[float], values: Sequence[float]) -> Course:
    """The line through the means of equal blocks of the samples, which are at least `BLOCKS`."""
    at_h = np.array([block.mean() for block in np.array_split(np.array(at_s, float), BLOCKS)]) / S_PER_H
    means = np.array([block.mean() for block in np.array_split(np.array(values, float), BLOCKS)])
    from_middle_h = at_h - at_h.mean()
    slope = float(from_middle_h @ means / (from_middle_h @ from_middle_h))
    missed = means - means.mean() - slope * from_middle_h
    error = float(np.sqrt(missed @ missed / (BLOCKS - 2) / (from_middle_h @ from_middle_h)))
    spread = float(stats.t.ppf(0.5 + CONFIDENCE / 2, BLOCKS - 2)) * error
    passed_h = (at_s[-1] - at_s[0]) / S_PER_H
    low, high = slope - spread, slope + spread
    return Course(float(np.mean(values)), slope * passed_h, low * passed_h, high * passed_h, passed_h)
