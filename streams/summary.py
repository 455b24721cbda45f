"""What a run came to: one fold over its messages, the same for the demo on Kafka and for a simulation in virtual time.

Pure. Energies come from registers, limits are judged from readings (`streams.limit_record`), latencies from the
broker's own clock; nothing is taken over that the balancing says of itself, but what it had to leave undone.
"""

from collections import Counter
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hub.model import PARK, STATION, AssetKind, Hub
from hub.quarter_figures import BOUNDARY_GAP_US
from hub.tree import build_tree
from streams.codec import Rejected
from streams.columns import Columns, Points, check_columns
from streams.latencies import Latencies, Latency
from streams.limit_record import LimitFigures, LimitRecord
from streams.messages import LoopState, SetpointFrame, SetpointResult, TelemetryFrame

NEVER: Final = -1

_ABSURD_FACTOR: Final = 10.0
"""No point of a park carries more than this times what all its connections can."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures. Energies are magnitudes in kWh; instants microseconds UTC."""

    hub: str
    began_us: int | None
    """First reading; None where there is none."""
    until_us: int | None
    """Last reading."""
    readings: int
    """In all telemetry frames that could be read, masked ones included."""
    setpoints: int
    """In full frames; a renewal repeats none."""
    setpoint_frames: int
    """Full frames and renewals."""
    results: dict[str, int]
    """Answers of dispatch by outcome: accepted and refused frames, reverted and failing assets."""
    ticks: int
    """In which every grid loop that had begun was balanced."""
    missed_ticks: int
    """Between the first and the last, in which some grid loop was not."""
    fallback_ticks: int
    """Of all grid loops and the station together: on fixed shares (R7)."""
    violations: int
    """Limits that no setpoint could keep, counted once per tick (R21)."""
    tick_latency: Latency
    """From the start of the tick until the broker had the setpoint frame."""
    setpoint_latency: Latency
    """From the newest reading that a decision knew of until the broker had its setpoint frame."""
    imported_kwh: float
    """Through the park boundary, by its meter's register from the first to the last reading."""
    exported_kwh: float
    charged_kwh: float
    """Into batteries and cars, by their meters' registers."""
    curtailed_kwh: float
    """What the sun gave and PV did not deliver: from its range and its power, over time."""
    limits: list[LimitFigures]
    """Every limit of the hub folder, in its order; the station's first."""
    quarters_breached: int
    """Limits times quarters whose mean was above the limit."""
    limits_breached: int
    """Limits with a breached quarter, or above 1.02 times an instantaneous limit for longer than 10 s."""
    rows_stored: dict[str, int] = {}
    """Rows of this run by table; empty where nothing was stored."""
    first_setpoint_after_s: float | None = None
    """From the start of the program; None where that has no meaning."""


class SummaryFold:
    """Takes the messages of a run, in the order of the log, and tells what they come to."""

    def __init__(self, hub: Hub) -> None:
        tree = build_tree(hub)
        most_kw = _ABSURD_FACTOR * sum(connection.capacity_kva for connection in hub.connections)
        self._hub = hub
        self._period_us = round(hub.timing.tick_s * 1e6)
        self._gateways: dict[str, _Gateway] = {}
        for name in (STATION, *(grid_loop.id for grid_loop in hub.grid_loops)):
            meters = tree.meters[name]
            limits = [limit for limit in hub.limits if (tree.by_id[limit.node].grid_loop or STATION) == name]
            points = Points(meters, np.full(len(meters), most_kw))
            self._gateways[name] = _Gateway(hub, points, LimitRecord(tree, meters, limits))
        self._ticks = _Ticks()
        self._tick_latency, self._setpoint_latency = Latencies(), Latencies()
        self._results: Counter[str] = Counter()
        self._setpoints = self._setpoint_frames = self._fallback_ticks = self._violations = 0

    def take_telemetry(self, grid_loop: str, frame: TelemetryFrame, *, received_at_us: int) -> None:
        """Take a frame that came under the key of a grid loop or of `@station`; unknown ones are no part of the park."""
        gateway = self._gateways.get(grid_loop)
        if gateway is not None:
            gateway.take(frame, received_at_us=received_at_us)

    def remember_telemetry(self, grid_loop: str, frame: TelemetryFrame, *, received_at_us: int) -> None:
        """Take a frame from before the run: the quarter in which the run begins is judged with it, nothing else."""
        gateway = self._gateways.get(grid_loop)
        if gateway is not None:
            gateway.remember(frame, received_at_us=received_at_us)

    def take_state(self, state: LoopState) -> None:
        """Take what a tick could not do."""
        self._fallback_ticks += state.mode != "closed"
        self._violations += len(state.violations)

    def take_setpoints(self, frame: SetpointFrame, *, appended_us: int | None) -> None:
        """Take a setpoint frame; `appended_us` is the broker's time of arrival, None where there is no broker."""
        self._setpoint_frames += 1
        self._setpoints += len(frame.ids)
        self._ticks.take(frame.grid_loop, frame.tick)
        if appended_us is not None:
            self._tick_latency.take(appended_us - frame.tick * self._period_us)
            if frame.folded_until_us > 0:
                self._setpoint_latency.take(appended_us - frame.folded_until_us)

    def take_result(self, result: SetpointResult) -> None:
        """Take an answer of dispatch."""
        self._results[result.outcome] += max(len(result.ids), 1)

    def summary(self) -> Summary:
        """Tell what the run came to so far."""
        gateways = self._gateways.values()
        limits = [figures for gateway in gateways for figures in gateway.limits.figures()]
        instants = [at for gateway in gateways for at in (gateway.began_us, gateway.last_us) if at != NEVER]
        park_wh = self._gateways[STATION].gained_wh([PARK])
        charged_wh = sum(gateway.gained_wh(gateway.charging)[0] for gateway in gateways)
        balanced, missed = self._ticks.figures()
        return Summary(
            hub=self._hub.id,
            began_us=min(instants, default=None),
            until_us=max(instants, default=None),
            readings=sum(gateway.readings for gateway in gateways),
            setpoints=self._setpoints,
            setpoint_frames=self._setpoint_frames,
            results=dict(sorted(self._results.items())),
            ticks=balanced,
            missed_ticks=missed,
            fallback_ticks=self._fallback_ticks,
            violations=self._violations,
            tick_latency=self._tick_latency.figures(),
            setpoint_latency=self._setpoint_latency.figures(),
            imported_kwh=park_wh[0] / 1000,
            exported_kwh=park_wh[1] / 1000,
            charged_kwh=charged_wh / 1000,
            curtailed_kwh=round(sum(gateway.curtailed_kwh for gateway in gateways), 3),
            limits=limits,
            quarters_breached=sum(figures.quarters_breached for figures in limits),
            limits_breached=sum(figures.breached for figures in limits),
        )


class _Gateway:
    """What came under one key: readings, registers of all points, and what PV could have given."""

    def __init__(self, hub: Hub, points: Points, limits: LimitRecord) -> None:
        kinds = {asset.id: asset.kind for asset in hub.assets}
        self.limits = limits
        self.readings = 0
        self.curtailed_kwh = 0.0
        self.began_us = self.last_us = NEVER
        self.charging = [p for p in points.ids if kinds.get(p) in {AssetKind.BATTERY, AssetKind.CHARGER}]
        self._points = points
        self._index = points.index()
        self._pv = np.array([kinds.get(point) is AssetKind.PV for point in points.ids], np.bool_)
        self._last_wh = np.full((len(points.ids), 2), -1, np.int64)
        self._gained_wh = np.zeros((len(points.ids), 2), np.int64)

    def take(self, frame: TelemetryFrame, *, received_at_us: int) -> None:
        columns = check_columns(frame, points=self._points, index=self._index, received_at_us=received_at_us)
        if isinstance(columns, Rejected):
            return
        self.readings += len(frame.ids)
        if len(columns.at_us) == 0 or (at_us := int(columns.at_us.max())) <= self.last_us:
            return
        power_kw, register_wh = self._spread(columns, columns.power_kw), self._registers_wh(columns)
        self._count_energy(register_wh)
        self._count_curtailed(at_us, power_kw - self._spread(columns, columns.min_kw))
        self.limits.take(at_us, power_kw, register_wh)
        self.began_us = at_us if self.began_us == NEVER else self.began_us
        self.last_us = at_us

    def remember(self, frame: TelemetryFrame, *, received_at_us: int) -> None:
        columns = check_columns(frame, points=self._points, index=self._index, received_at_us=received_at_us)
        if not isinstance(columns, Rejected) and len(columns.at_us):
            power_kw, register_wh = self._spread(columns, columns.power_kw), self._registers_wh(columns)
            self.limits.remember(int(columns.at_us.max()), power_kw, register_wh)

    def gained_wh(self, points: list[str]) -> tuple[int, int]:
        """A+ and A- that some points' registers gained between the first reading and the last."""
        gained = self._gained_wh[[self._index[point] for point in points]].sum(axis=0)
        return int(gained[0]), int(gained[1])

    def _spread(self, columns: Columns, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[points] of a column, NaN where missing."""
        spread = np.full(len(self._index), np.nan)
        spread[columns.point] = values
        return spread

    def _registers_wh(self, columns: Columns) -> NDArray[np.int64]:
        """[points, 2] A+ and A-, -1 where missing."""
        register_wh = np.full_like(self._last_wh, -1)
        register_wh[columns.point] = np.stack([columns.import_wh, columns.export_wh], axis=1)
        return register_wh

    def _count_energy(self, register_wh: NDArray[np.int64]) -> None:
        """A register that went back was replaced: what it counted in between is unknown."""
        known = (register_wh >= 0) & (self._last_wh >= 0)
        self._gained_wh += np.where(known, np.maximum(register_wh - self._last_wh, 0), 0)
        self._last_wh = np.where(register_wh >= 0, register_wh, self._last_wh)

    def _count_curtailed(self, at_us: int, unused_kw: NDArray[np.float64]) -> None:
        """PV above the least power it could take now holds back the difference, in the step that ends here."""
        gap_us = at_us - self.last_us
        if self.last_us != NEVER and gap_us < BOUNDARY_GAP_US:
            held_back_kw = np.nansum(np.maximum(unused_kw[self._pv], 0.0))
            self.curtailed_kwh += float(held_back_kw) * gap_us / 3.6e9


class _Ticks:
    """Which ticks were balanced; per grid loop they only ever go up."""

    def __init__(self) -> None:
        self._first = NEVER
        self._last: dict[str, int] = {}
        self._missed: set[int] = set()

    def take(self, grid_loop: str, tick: int) -> None:
        last = self._last.get(grid_loop, tick - 1)
        if tick <= last:
            return  # a second writer, which dispatch refuses
        self._missed.update(range(last + 1, tick))
        self._last[grid_loop] = tick
        self._first = tick if self._first == NEVER else min(self._first, tick)

    def figures(self) -> tuple[int, int]:
        """Balanced and missed; in the very last tick a run may be cut off between two loops, which is no miss."""
        if not self._last:
            return 0, 0
        end = max(self._last.values())
        missed = self._missed.union(*(range(last + 1, end) for last in self._last.values()))
        return end - self._first + 1 - len(missed), len(missed)
