"""When dispatch last did what it is for: instants for health checks; counts are in `infra.metrics.DispatchMetrics`."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class DispatchProgress:
    """Monotonic seconds, None or absent before the first event; written by dispatch's threads, read by any."""

    started_s: float
    last_turn_s: float | None = None
    """When the lease loop last went round: the process is stuck when this grows old."""
    last_poll_s: float | None = None
    """When the broker was last polled."""
    last_accepted_s: dict[str, float] = field(default_factory=dict)
    """By grid loop: when a frame was last accepted or renewed."""
    last_delivery_s: dict[str, float] = field(default_factory=dict)
    """By grid loop: when all devices of a batch last took it."""
