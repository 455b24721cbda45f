"""Measured quarter-hour shapes as smooth functions of time: linear between the middles of the steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from connectors.simulator.arrays import Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shapes:
    """Some shapes, and which of them each of n users follows."""

    values: Floats
    """[steps, shapes]; the year repeats before its start and after its end."""
    of_user: Ints
    """Column of each user [n]."""
    start_us: int
    step_us: int

    def at(self, at_us: int) -> Floats:
        """Value for each user [n]."""
        # A value is the mean of its step, so it stands for the middle of it.
        steps, rest_us = divmod(at_us - self.start_us - self.step_us // 2, self.step_us)
        before, after = self.values[steps % len(self.values)], self.values[(steps + 1) % len(self.values)]
        between: Floats = before + (after - before) * (rest_us / self.step_us)
        return between[self.of_user]


def stack(columns: Sequence[Floats], of_user: Sequence[int], *, start_us: int, step_us: int) -> Shapes:
    """Put shapes of equal length side by side."""
    return Shapes(
        values=np.stack(columns, axis=1), of_user=np.array(of_user, dtype=np.int64), start_us=start_us, step_us=step_us
    )
