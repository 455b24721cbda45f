"""Percentiles of what a role counted in a histogram between two looks at its metrics page."""

from dataclasses import dataclass
from itertools import pairwise

from tests.bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many took at most so many seconds."""

    counts: dict[float, float]

    @classmethod
    def of(cls, system: Stand, role: str, *, name: str) -> "Histogram":
        counts: dict[float, float] = {}
        for (sample, labels), value in system.metrics(role).items():
            if sample == f"{name}_bucket":  # of all hubs; the bound is the last label
                counts[float(labels[-1])] = counts.get(float(labels[-1]), 0.0) + value
        return cls(counts)

    def since(self, before: "Histogram") -> "Histogram":
        return Histogram({bound_s: count - before.counts[bound_s] for bound_s, count in self.counts.items()})

    def quantile_ms(self, quantile: float) -> float:
        """As PromQL's `histogram_quantile`: evenly spread within a bucket."""
        bounds = [0.0, *sorted(self.counts)]
        rank = quantile * self.counts[bounds[-1]]
        for low_s, high_s in pairwise(bounds):
            below, up_to = self.counts.get(low_s, 0.0), self.counts[high_s]
            if up_to >= rank and up_to > 0:
                if high_s == float("inf"):
                    return low_s * 1000
                return (low_s + (high_s - low_s) * (rank - below) / (up_to - below)) * 1000
        raise ValueError("nothing was counted")
