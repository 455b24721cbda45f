"""Measured powers on an even time axis: what a file of profiles comes to once it was checked. Pure."""

from dataclasses import dataclass

import numpy as np

from connectors.simulator.arrays import Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Powers:
    """Value i of a column is the mean over `[start_us + i * step_us, start_us + (i + 1) * step_us)`."""

    names: tuple[str, ...]
    """EANs of connections and ids of assets."""
    start_us: int
    step_us: int
    power_kw: Floats
    """[steps, names], load convention."""

    @property
    def end_us(self) -> int:
        """Where the last value ends."""
        return self.start_us + self.step_us * len(self.power_kw)

    def columns_kw(self, names: list[str]) -> Floats:
        """[steps, len(names)] Their columns, zero where there is none."""
        place = {name: at for at, name in enumerate(self.names)}
        found = [(at, place[name]) for at, name in enumerate(names) if name in place]
        columns_kw = np.zeros((len(self.power_kw), len(names)))
        if found:
            to, taken = (list(places) for places in zip(*found, strict=True))
            columns_kw[:, to] = self.power_kw[:, taken]
        return columns_kw

    def between(self, from_us: int, until_us: int) -> "Powers":
        """The values that cover a period."""
        first = (from_us - self.start_us) // self.step_us
        last = -((self.start_us - until_us) // self.step_us)
        return Powers(
            names=self.names,
            start_us=self.start_us + first * self.step_us,
            step_us=self.step_us,
            power_kw=self.power_kw[first:last],
        )


def step_means_w(power_kw: Floats, edges: Floats) -> Ints:
    """[n_edges - 1, columns] Mean power between successive edges, whole watts.

    Rounded on the running sum, so that the energy of any stretch of steps is the profile's to half a watt times a step,
    however long it is.

    Args:
        power_kw: [steps, columns].
        edges: [n_edges] where the steps of the result begin and end, evenly spaced, in steps of `power_kw`.

    >>> step_means_w(np.array([[1.0], [2.0], [4.0]]), np.array([0.0, 1.5, 3.0])).tolist()
    [[1333], [3334]]
    """
    running = np.concatenate([np.zeros((1, power_kw.shape[1])), np.cumsum(power_kw, axis=0)])
    whole = np.minimum(edges.astype(np.int64), len(power_kw) - 1)
    at_edges = running[whole] + (edges - whole)[:, None] * power_kw[whole]
    per_step = (edges[-1] - edges[0]) / (len(edges) - 1)
    means_w: Ints = np.diff(np.rint(at_edges * (1000.0 / per_step)).astype(np.int64), axis=0)
    return means_w
