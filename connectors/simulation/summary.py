"""The summary of a simulation: the demo's, and what only a simulation can know."""

from connectors.simulation.charging import ChargingFigures
from connectors.simulation.crossings import Crossing
from streams.summary import Summary

LEASES = "leases"
INSTANT = "instantaneous limits"


class SimulationSummary(Summary, frozen=True, kw_only=True):
    """A simulation in figures; a run with the same files, seed and build gives the same bytes."""

    step_s: int
    seed: int
    finished: bool
    """False where it was stopped: then the figures are of what was done."""
    faults: list[str]
    """As asked for."""
    loss_ratio: float
    delay_ms: int
    not_assessed: list[str]
    """What steps this long say nothing of."""
    without_profile: list[str]
    """Connections and assets that neither profile nor session tells of: at the least power they can have, mostly none."""
    crossings: list[Crossing]
    """Of the tolerance curve, by when they began."""
    crossing_count: int
    """All of them, those not told one by one included."""
    charging: ChargingFigures | None
    """None without sessions."""
    unbalanced: "SimulationSummary | None" = None
    """The same period with nobody balancing, where that was asked for: every device does as it would, batteries rest."""
