"""The metrics of every role, each declared once, here.

The only place where kW become watts and microseconds become seconds (Prometheus' base units). Labels are bounded by
the hub folder or by an enum in the code; an asset or a connection is never a label (a hundred companies would be a
hundred series each, and who uses what is not for a monitoring page). Ages are not stored but instants: `time() - x`
also grows when the process that should have set `x` is stuck. docs/reference/metrics.md lists them all; a test
compares.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

Direction = Literal["import", "export"]
FrameKind = Literal["full", "renewal"]

NODE_LEVELS: Final = frozenset({"park", "group", "grid_loop", "arm", "segment"})
"""Levels of the tree that have series of their own; connections and micro groups have none."""

LIMIT_LAYERS: Final = ("protection", "dso_cap", "contract", "operator", "plan")
"""As `hub.model.LimitLayer`, which cannot be imported here."""

FAST_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0)
"""From a quick tick to the 3 s after which dispatch refuses a frame (R2)."""

SLOW_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Rebuilds and database batches."""


@dataclass(frozen=True, slots=True)
class NodeLabels:
    """A node of the tree as its series are labelled."""

    grid_loop: str
    """`@station` for the park boundary and the group contract."""
    node: str
    level: str


class _Declare:
    """Declares metrics in one registry; `labels` are their label names."""

    def __init__(self, role: str, hub: str) -> None:
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        process = self.gauge("lusbalans_process_info", "Which role of which hub this is; always 1.", "role", "hub")
        process.labels(role, hub).set(1)

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def watch_counter(self, name: str, meaning: str, read: Callable[[], int]) -> None:
        """Show a total that somebody else counts, as it is when Prometheus asks."""
        self.registry.register(_WatchedCounter(name, meaning, read))

    def watch_gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a value that somebody else keeps, as it is when Prometheus asks."""
        self.gauge(name, meaning).set_function(read)

    def histogram(self, name: str, meaning: str, buckets_s: tuple[float, ...]) -> Histogram:
        return Histogram(name, meaning, buckets=buckets_s, registry=self.registry)


class _WatchedCounter(Collector):
    def __init__(self, name: str, meaning: str, read: Callable[[], int]) -> None:
        self._name, self._meaning, self._read = name, meaning, read

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._meaning, value=self._read())


class _NodeGauge:
    """A gauge per node of the published levels."""

    def __init__(self, declare: _Declare, name: str, meaning: str, *labels: str) -> None:
        self._gauge = declare.gauge(name, meaning, "grid_loop", "node", "level", *labels)

    def set(self, node: NodeLabels, value: float, *labels: str) -> None:
        if node.level in NODE_LEVELS:
            self._gauge.labels(node.grid_loop, node.node, node.level, *labels).set(value)

    def forget(self, grid_loop: str) -> None:
        self._gauge.remove_by_labels({"grid_loop": grid_loop})


def _watts(power_kw: float | None, missing: float = math.nan) -> float:
    return missing if power_kw is None else power_kw * 1000.0


class WorkerMetrics:
    """What the balancing worker measures; `grid_loop` may also be `@station`, the hub agent's own."""

    def __init__(self, hub: str) -> None:
        declare = _Declare("worker", hub)
        self.registry: Final = declare.registry
        self._folds: dict[str, tuple[Counter, Counter, Gauge]] = {}
        self._declare_ticks(declare)
        self._declare_telemetry(declare)
        self._declare_nodes(declare)

    def _declare_ticks(self, declare: _Declare) -> None:
        counter, gauge = declare.counter, declare.gauge
        self._ticks = counter("lusbalans_worker_ticks_total", "Ticks balanced.", "grid_loop")
        self._missed = counter("lusbalans_worker_missed_ticks_total", "Ticks skipped, one took too long.", "grid_loop")
        self._tick_duration = declare.histogram(
            "lusbalans_worker_tick_duration_seconds", "From snapshot to setpoints with the producer.", FAST_BUCKETS_S
        )
        self._setpoint_frames = counter(
            "lusbalans_worker_setpoint_frames_total", "Setpoint frames published.", "grid_loop", "kind"
        )
        self._setpoints = counter("lusbalans_worker_setpoints_total", "Setpoints in full frames.", "grid_loop")
        self._violations = counter(
            "lusbalans_worker_violations_total",
            "Limits a tick could not keep (R21).",
            "grid_loop",
            "layer",
            "direction",
        )
        self._fallback = gauge("lusbalans_worker_fallback", "1 while a grid loop is on fixed shares (R7).", "grid_loop")
        self._contradicted = gauge(
            "lusbalans_worker_contradicted_points", "Points that report and are not believed (R5).", "grid_loop"
        )
        self._dropped = counter(
            "lusbalans_worker_messages_dropped_total", "Messages the broker did not take in time.", "topic"
        )
        self._limits = gauge("lusbalans_worker_limits_stated", "Limits that somebody set, from now on or later.")
        self._overrides = gauge(
            "lusbalans_worker_overrides_stated", "Assets that somebody stopped, holds or keeps low (R10)."
        )
        self._positions = gauge(
            "lusbalans_worker_open_point_positions",
            "Places where a ring may be open; 1 when it is confirmed.",
            "grid_loop",
        )
        self._unknown = gauge(
            "lusbalans_worker_open_point_unknown", "1 while the meters contradict where a ring is open.", "grid_loop"
        )
        self._owned = gauge("lusbalans_worker_grid_loops_owned", "Grid loops this worker balances now.")
        self._incarnation = gauge("lusbalans_worker_epoch_incarnation", "Incarnation part of the epoch (R8).")
        self._generation = gauge("lusbalans_worker_epoch_generation", "Consumer-group generation in the epoch (R8).")

    def _declare_telemetry(self, declare: _Declare) -> None:
        counter = declare.counter
        self._frames = counter("lusbalans_worker_telemetry_frames_total", "Telemetry frames folded.", "grid_loop")
        self._dropped_frames = counter(
            "lusbalans_worker_telemetry_frames_dropped_total", "Telemetry frames of a flood, not folded.", "grid_loop"
        )
        self._readings = counter("lusbalans_worker_readings_folded_total", "Readings folded.", "grid_loop")
        self._rejected = counter("lusbalans_worker_readings_rejected_total", "Readings masked.", "grid_loop", "reason")
        self._dead_letters = counter(
            "lusbalans_worker_dead_letters_total", "Messages sent to a dead-letter topic.", "topic", "reason"
        )
        self._fold_latency = declare.histogram(
            "lusbalans_worker_fold_latency_seconds", "From a gateway's sending until folded.", FAST_BUCKETS_S
        )
        self._last_event = declare.gauge(
            "lusbalans_worker_last_event_timestamp_seconds", "Newest measured_at folded, Unix time.", "grid_loop"
        )
        self._rebuild = declare.histogram(
            "lusbalans_worker_rebuild_duration_seconds", "From assignment until the state is rebuilt.", SLOW_BUCKETS_S
        )

    def _declare_nodes(self, declare: _Declare) -> None:
        self._power = _NodeGauge(declare, "lusbalans_node_power_watts", "Net power, import positive.")
        self._limit = _NodeGauge(
            declare, "lusbalans_node_limit_watts", "Effective instantaneous limit, a magnitude.", "direction"
        )
        self._headroom = _NodeGauge(declare, "lusbalans_node_headroom_watts", "Limit minus power.", "direction")
        self._quarter = _NodeGauge(
            declare, "lusbalans_node_quarter_mean_watts", "Mean over the quarter so far, a magnitude.", "direction"
        )
        self._projected = _NodeGauge(
            declare, "lusbalans_node_quarter_projected_watts", "Quarter mean if power stays as it is.", "direction"
        )

    def observe_tick(self, grid_loop: str, *, duration_s: float, missed: int = 0) -> None:
        """Count a balanced tick, with the ticks that were skipped since the one before."""
        self._ticks.labels(grid_loop).inc()
        self._missed.labels(grid_loop).inc(missed)
        self._tick_duration.observe(duration_s)

    def observe_fold(self, grid_loop: str, *, readings: int, latency_s: float, measured_at_us: int) -> None:
        """Count a folded frame; `measured_at_us` is the newest one in the state."""
        if grid_loop not in self._folds:  # finding a series costs more than counting in it
            self._folds[grid_loop] = (
                self._frames.labels(grid_loop), self._readings.labels(grid_loop), self._last_event.labels(grid_loop)
            )  # fmt: skip
        frames, rows, last_event = self._folds[grid_loop]
        frames.inc()
        rows.inc(readings)
        last_event.set(measured_at_us / 1e6)
        # Clocks differ: a frame that seems to come from the future was quick.
        self._fold_latency.observe(max(latency_s, 0.0))

    def count_dropped_frames(self, grid_loop: str, *, frames: int) -> None:
        """Count frames that were dropped because their loop sent more than can be folded (R20)."""
        if frames:
            self._dropped_frames.labels(grid_loop).inc(frames)

    def count_rejected_readings(self, grid_loop: str, *, reason: str, readings: int = 1) -> None:
        """Count masked readings; `reason` is a `DeadLetterReason`."""
        self._rejected.labels(grid_loop, reason).inc(readings)

    def set_limits(self, *, stated: int) -> None:
        """Of one park, besides those of its hub folder."""
        self._limits.set(stated)

    def set_overrides(self, *, stated: int) -> None:
        """Of one park, those whose time is over included."""
        self._overrides.set(stated)

    def set_open_point(self, grid_loop: str, *, positions: int, unknown: bool) -> None:
        """Of one ring, whether it is moved or in doubt."""
        self._positions.labels(grid_loop).set(positions)
        self._unknown.labels(grid_loop).set(unknown)

    def count_dead_letter(self, *, topic: str, reason: str) -> None:
        """Count a message of `topic` that went to its dead-letter topic; `reason` is a `DeadLetterReason`."""
        self._dead_letters.labels(topic, reason).inc()

    def count_setpoint_frame(self, grid_loop: str, *, kind: FrameKind, setpoints: int) -> None:
        """Count a published frame and its setpoints (0 in a renewal)."""
        self._setpoint_frames.labels(grid_loop, kind).inc()
        self._setpoints.labels(grid_loop).inc(setpoints)

    def count_violation(self, grid_loop: str, *, layer: str, direction: Direction) -> None:
        """Count one limit that one tick could not keep."""
        self._violations.labels(grid_loop, layer, direction).inc()

    def count_dropped(self, *, topic: str) -> None:
        """Count a message of ours that the broker did not take in time."""
        self._dropped.labels(topic).inc()

    def set_fallback(self, grid_loop: str, *, active: bool) -> None:
        """State whether the grid loop runs on fixed shares."""
        self._fallback.labels(grid_loop).set(active)

    def set_contradicted(self, grid_loop: str, *, points: int) -> None:
        """State of how many points the readings are fresh and not believed."""
        self._contradicted.labels(grid_loop).set(points)

    def observe_rebuild(self, *, duration_s: float) -> None:
        """Record how long the state of newly assigned partitions took to rebuild."""
        self._rebuild.observe(duration_s)

    def set_epoch(self, *, incarnation: int, generation: int, grid_loops: Collection[str]) -> None:
        """State what the last assignment brought: the epoch, and the grid loops this worker balances from now on.

        Their counters begin at 0 here: Prometheus sees no increase in a series that begins at 1, and would miss the
        first limit that was not kept.
        """
        self._incarnation.set(incarnation)
        self._generation.set(generation)
        self._owned.set(len(grid_loops))
        for grid_loop in grid_loops:
            for counter in (self._ticks, self._missed, self._frames, self._readings, self._setpoints):
                counter.labels(grid_loop)
            for layer in LIMIT_LAYERS:
                self._violations.labels(grid_loop, layer, "import")
                self._violations.labels(grid_loop, layer, "export")

    def set_node_power(self, node: NodeLabels, *, power_kw: float | None) -> None:
        """Publish a node's power; `None`, not known now, shows as NaN. Other levels than `NODE_LEVELS` are left out."""
        self._power.set(node, _watts(power_kw))

    def set_node_limit(
        self, node: NodeLabels, direction: Direction, *, limit_kw: float | None, headroom_kw: float | None
    ) -> None:
        """Publish a node's effective limit and headroom; `None`, unlimited, shows as +Inf."""
        self._limit.set(node, _watts(limit_kw, math.inf), direction)
        self._headroom.set(node, _watts(headroom_kw, math.inf), direction)

    def set_node_quarter(
        self, node: NodeLabels, direction: Direction, *, mean_kw: float | None, projected_kw: float | None
    ) -> None:
        """Publish a node's quarter mean so far and as projected; `None` shows as NaN."""
        self._quarter.set(node, _watts(mean_kw), direction)
        self._projected.set(node, _watts(projected_kw), direction)

    def forget_grid_loop(self, grid_loop: str) -> None:
        """Drop what is stated of a grid loop that another worker took, so that no old value stands beside the new."""
        self._fallback.remove_by_labels({"grid_loop": grid_loop})
        self._positions.remove_by_labels({"grid_loop": grid_loop})
        self._unknown.remove_by_labels({"grid_loop": grid_loop})
        self._contradicted.remove_by_labels({"grid_loop": grid_loop})
        self._last_event.remove_by_labels({"grid_loop": grid_loop})
        self._folds.pop(grid_loop, None)
        for gauge in (self._power, self._limit, self._headroom, self._quarter, self._projected):
            gauge.forget(grid_loop)


class DispatchMetrics:
    """What dispatch measures between setpoint frames and devices."""

    def __init__(self, hub: str) -> None:
        declare = _Declare("dispatch", hub)
        counter = declare.counter
        self.registry: Final = declare.registry
        self._accepted = counter("lusbalans_dispatch_frames_accepted_total", "Frames accepted.", "grid_loop", "kind")
        self._refused = counter("lusbalans_dispatch_frames_refused_total", "Frames refused.", "grid_loop", "reason")
        self._latency = declare.histogram(
            "lusbalans_dispatch_setpoint_latency_seconds",
            "From a frame's issue until the devices had it.",
            FAST_BUCKETS_S,
        )
        self._expiries = counter("lusbalans_dispatch_lease_expiries_total", "Leases that ran out (R3).", "grid_loop")
        self._reverted = counter("lusbalans_dispatch_assets_reverted_total", "Assets sent to reversion.", "grid_loop")
        self._reverts = counter("lusbalans_dispatch_reverts_total", "Reverts obeyed (R17).", "grid_loop", "by")
        self._failures = counter("lusbalans_dispatch_device_failures_total", "Writes a device did not take.", "driver")
        self._conditions = declare.gauge(
            "lusbalans_dispatch_device_conditions", "Devices of which a condition holds.", "grid_loop", "kind"
        )
        self._last_frame = declare.gauge(
            "lusbalans_dispatch_last_frame_timestamp_seconds", "When the newest accepted frame was issued.", "grid_loop"
        )

    def count_accepted(self, grid_loop: str, *, kind: FrameKind, issued_at_us: int) -> None:
        """Count an accepted frame."""
        self._accepted.labels(grid_loop, kind).inc()
        self._last_frame.labels(grid_loop).set(issued_at_us / 1e6)

    def count_refused(self, grid_loop: str, *, reason: str) -> None:
        """Count a refused frame; `reason` is a `Refusal`, or a `DeadLetterReason` where it could not be read."""
        self._refused.labels(grid_loop, reason).inc()

    def observe_setpoints(self, *, latency_s: float) -> None:
        """Record how long after its issue the devices had a frame."""
        self._latency.observe(max(latency_s, 0.0))

    def count_expiry(self, grid_loop: str, *, assets_reverted: int) -> None:
        """Count a lease that ran out and the assets that were told to revert."""
        self._expiries.labels(grid_loop).inc()
        self._reverted.labels(grid_loop).inc(assets_reverted)

    def count_revert(self, grid_loop: str, *, by: str, assets_reverted: int) -> None:
        """Count a revert; `by` is a `RevertBy`."""
        self._reverts.labels(grid_loop, by).inc()
        self._reverted.labels(grid_loop).inc(assets_reverted)

    def count_device_failures(self, *, driver: str, failures: int = 1) -> None:
        """Count writes that a device refused or did not answer in time."""
        self._failures.labels(driver).inc(failures)

    def note_conditions(self, grid_loop: str, counts: Mapping[str, int]) -> None:
        """Show of how many devices each kind of condition holds."""
        for kind, devices in counts.items():
            self._conditions.labels(grid_loop, kind).set(devices)


class RecorderTotals(Protocol):
    """What the recorder keeps of its own progress since its start; read whenever Prometheus asks."""

    batches: int
    rows_stored: int
    duplicates: int
    unreadable: int
    skipped_readings: int
    gaps: int
    lag_messages: int
    last_event_us: int
    """0 before the first event."""
    database_away: bool
    standing_by: bool


class RecorderMetrics:
    """What the recorder measures between the topics and the database: its own progress, read when asked."""

    def __init__(self, hub: str, of: RecorderTotals) -> None:
        declare = _Declare("recorder", hub)
        counter, gauge = declare.watch_counter, declare.watch_gauge
        self.registry: Final = declare.registry
        counter("lusbalans_recorder_batches_total", "Transactions committed.", lambda: of.batches)
        counter("lusbalans_recorder_rows_stored_total", "Rows stored.", lambda: of.rows_stored)
        counter("lusbalans_recorder_rows_duplicate_total", "Rows that were there already.", lambda: of.duplicates)
        counter("lusbalans_recorder_unreadable_total", "Messages passed over as unreadable.", lambda: of.unreadable)
        counter(
            "lusbalans_recorder_readings_skipped_total", "Readings without name or time.", lambda: of.skipped_readings
        )
        counter("lusbalans_recorder_gaps_total", "Holes in the log, never recorded.", lambda: of.gaps)
        gauge("lusbalans_recorder_lag_messages", "Messages not read yet.", lambda: of.lag_messages)
        gauge("lusbalans_recorder_database_up", "1 while the database answers.", lambda: not of.database_away)
        gauge("lusbalans_recorder_standing_by", "1 while another recorder is writing.", lambda: of.standing_by)
        gauge(
            "lusbalans_recorder_last_event_timestamp_seconds",
            "Newest measured_at stored, Unix time.",
            lambda: of.last_event_us / 1e6 if of.last_event_us else math.nan,
        )


class WatchdogMetrics:
    """What the watchdog says of itself and of the grid loops it watches."""

    def __init__(self, hub: str, grid_loops: Collection[str]) -> None:
        declare = _Declare("watchdog", hub)
        self.registry: Final = declare.registry
        self._turned = declare.gauge(
            "lusbalans_watchdog_last_round_timestamp_seconds", "When it last went round, Unix time."
        )
        self._judged = declare.gauge(
            "lusbalans_watchdog_last_judged_timestamp_seconds",
            "When it last judged a grid loop, all of the log read.",
            "grid_loop",
        )
        self._conditions = declare.gauge(
            "lusbalans_watchdog_conditions", "1 while a condition is seen.", "grid_loop", "kind"
        )
        self._reverts = declare.counter("lusbalans_watchdog_reverts_total", "Reverts written (R17).", "grid_loop")
        self._lower_epoch = declare.counter(
            "lusbalans_watchdog_lower_epoch_frames_total", "Setpoint frames of a second controller (R8).", "grid_loop"
        )
        self._limits_judged = declare.gauge(
            "lusbalans_watchdog_limits_judged_timestamp_seconds", "When it last judged the limits, all readings read."
        )
        self._limit_conditions = declare.gauge(
            "lusbalans_watchdog_limit_conditions", "Breaches of nodes' limits seen now (R19).", "grid_loop", "kind"
        )
        self._silent_nodes = declare.gauge(
            "lusbalans_watchdog_silent_nodes", "Limited nodes of which a meter is not heard (R19).", "grid_loop"
        )
        for grid_loop in grid_loops:
            self._reverts.labels(grid_loop)
            self._lower_epoch.labels(grid_loop)

    def turned(self, *, at_us: int) -> None:
        """State that it is alive."""
        self._turned.set(at_us / 1e6)

    def judged(self, grid_loop: str, *, at_us: int, conditions: Mapping[str, bool]) -> None:
        """State what was found, by `ConditionKind`."""
        self._judged.labels(grid_loop).set(at_us / 1e6)
        for kind, is_seen in conditions.items():
            self._conditions.labels(grid_loop, kind).set(is_seen)

    def limits_judged(self, grid_loop: str, *, at_us: int, conditions: Mapping[str, int], silent_nodes: int) -> None:
        """State how many breaches are seen, by `ConditionKind`, and how many nodes are not heard."""
        self._limits_judged.set(at_us / 1e6)
        for kind, seen in conditions.items():
            self._limit_conditions.labels(grid_loop, kind).set(seen)
        self._silent_nodes.labels(grid_loop).set(silent_nodes)

    def count_revert(self, grid_loop: str) -> None:
        """Count a revert that the broker took."""
        self._reverts.labels(grid_loop).inc()

    def count_lower_epoch(self, grid_loop: str) -> None:
        """Count a frame of somebody with a lower epoch than the newest."""
        self._lower_epoch.labels(grid_loop).inc()


class SimulatorMetrics:
    """What the simulated park measures of itself."""

    def __init__(self, hub: str) -> None:
        declare = _Declare("simulator", hub)
        counter = declare.counter
        self.registry: Final = declare.registry
        self._sent = counter("lusbalans_simulator_frames_sent_total", "Frames handed to the producer.", "grid_loop")
        self._acknowledged = counter(
            "lusbalans_simulator_frames_acknowledged_total", "Frames the broker confirmed.", "grid_loop"
        )
        self._readings = counter("lusbalans_simulator_readings_total", "Readings in the frames sent.", "grid_loop")
        self._setpoints = counter("lusbalans_simulator_setpoints_received_total", "Setpoints devices took.")
        self._reversions = counter("lusbalans_simulator_reversions_total", "Devices that reverted by themselves (R3).")
        self._missed = counter("lusbalans_simulator_missed_steps_total", "Seconds the simulated park skipped.")

    def count_sent(self, grid_loop: str, *, readings: int) -> None:
        """Count a frame that was handed to the producer."""
        self._sent.labels(grid_loop).inc()
        self._readings.labels(grid_loop).inc(readings)

    def count_acknowledged(self, grid_loop: str) -> None:
        """Count a frame that the broker confirmed."""
        self._acknowledged.labels(grid_loop).inc()

    def count_setpoints(self, setpoints: int) -> None:
        """Count setpoints that devices took."""
        self._setpoints.inc(setpoints)

    def count_reversions(self, devices: int) -> None:
        """Count devices whose own lease ran out."""
        self._reversions.inc(devices)

    def count_missed_steps(self, steps: int) -> None:
        """Count seconds that were skipped because a step took too long."""
        self._missed.inc(steps)
