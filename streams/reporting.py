"""What the worker tells Prometheus, its probes and the log about itself."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from msgspec import UnsetType
from prometheus_client import CollectorRegistry

from hub.model import STATION, Certainty, Hub
from hub.tree import build_tree
from infra.health import Check, Health, fresh, fresh_after_grace
from infra.metrics import NODE_LEVELS, Direction, NodeLabels, WorkerMetrics
from infra.metrics_by_hub import by_hub
from streams.messages import LoopState, NodeStates, SetpointFrame

GRACE_S: Final = 60.0
"""Joining a group and rebuilding the state may take this long (R13)."""

STUCK_S: Final = 5.0
"""A tick loop that stands still this long must be restarted."""


@dataclass(slots=True)
class Report:
    """Counters and ages of one worker."""

    hub: Hub
    period_s: float
    metrics: WorkerMetrics = field(init=False)
    started_s: float = field(default_factory=time.monotonic)
    last_turn_s: float | None = None
    last_event_s: float | None = None
    owned: tuple[str, ...] = ()
    rebuilding: bool = True
    _labels: dict[str, NodeLabels] = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = WorkerMetrics(self.hub.id)
        self._labels = {
            node.id: NodeLabels(node.grid_loop or STATION, node.id, node.kind)
            for node in build_tree(self.hub).nodes
            if node.kind in NODE_LEVELS
        }

    def assigned(self, grid_loops: Collection[str], *, incarnation: int, generation: int) -> None:
        """State what this worker balances from now on."""
        for lost in set(self.owned) - set(grid_loops):
            self.metrics.forget_grid_loop(lost)
        self.owned = tuple(grid_loops)
        self.metrics.set_epoch(incarnation=incarnation, generation=generation, grid_loops=grid_loops)

    def ticked(self, state: LoopState, *, duration_s: float, missed: int) -> None:
        """Publish what a tick found."""
        self.metrics.observe_tick(state.grid_loop, duration_s=duration_s, missed=missed)
        self.metrics.set_fallback(state.grid_loop, active=state.mode != "closed")
        if not isinstance(state.contradicted, UnsetType):
            self.metrics.set_contradicted(state.grid_loop, points=len(state.contradicted))
        for violation in state.violations:
            self.metrics.count_violation(
                state.grid_loop, layer=violation.layer, direction=cast("Direction", violation.direction)
            )
        if not isinstance(state.open_after, UnsetType):
            unknown = state.open_point == Certainty.UNKNOWN
            self.metrics.set_open_point(state.grid_loop, positions=len(state.open_after), unknown=unknown)
        self._nodes(state.nodes)

    def wrote(self, frame: SetpointFrame) -> None:
        """Count a setpoint frame."""
        self.metrics.count_setpoint_frame(
            frame.grid_loop, kind="full" if frame.full else "renewal", setpoints=len(frame.ids)
        )

    def count_dropped(self, topic: str) -> None:
        """Count a message that the broker did not take in time."""
        self.metrics.count_dropped(topic=topic)

    def _nodes(self, nodes: NodeStates) -> None:
        for at, node in enumerate(nodes.ids):
            labels = self._labels.get(node)
            if labels is None:  # hundreds of connections have no series
                continue
            self.metrics.set_node_power(labels, power_kw=nodes.power_kw[at])
            self.metrics.set_node_limit(
                labels, "import", limit_kw=nodes.limit_import_kw[at], headroom_kw=nodes.headroom_import_kw[at]
            )
            self.metrics.set_node_limit(
                labels, "export", limit_kw=nodes.limit_export_kw[at], headroom_kw=nodes.headroom_export_kw[at]
            )
            self.metrics.set_node_quarter(
                labels, "import", mean_kw=nodes.quarter_import_kw[at], projected_kw=nodes.projected_import_kw[at]
            )
            self.metrics.set_node_quarter(
                labels, "export", mean_kw=nodes.quarter_export_kw[at], projected_kw=nodes.projected_export_kw[at]
            )

    def health(self) -> Health:
        """Progress: the tick turns. Duty: partitions are held, rebuilt, and telemetry arrives."""
        uptime_s = time.monotonic() - self.started_s
        tick = fresh_after_grace(
            "tick", _age_s(self.last_turn_s), max_age_s=STUCK_S + self.period_s, uptime_s=uptime_s, grace_s=GRACE_S
        )
        held = Check("grid loops", not self.rebuilding, ", ".join(self.owned) or "none assigned: others balance them")
        heard = fresh("telemetry", _age_s(self.last_event_s), max_age_s=self.hub.timing.stale_after_s)
        return Health(progress=(tick,), duty=(held, heard) if self.owned else (held,))


def registry_of(reports: Sequence[Report]) -> CollectorRegistry:
    """The metrics of a worker: as they are for one park, with the label `hub` for several."""
    if len(reports) == 1:
        return reports[0].metrics.registry
    return by_hub({report.hub.id: report.metrics.registry for report in reports})


def health_of(reports: Sequence[Report]) -> Health:
    """The health of a worker: all its parks', each check named after its own where there are several."""
    if len(reports) == 1:
        return reports[0].health()
    health = {report.hub.id: report.health() for report in reports}
    return Health(
        progress=tuple(
            replace(check, name=f"{hub} {check.name}") for hub, one in health.items() for check in one.progress
        ),
        duty=tuple(replace(check, name=f"{hub} {check.name}") for hub, one in health.items() for check in one.duty),
    )


def _age_s(at_s: float | None) -> float | None:
    return None if at_s is None else time.monotonic() - at_s
