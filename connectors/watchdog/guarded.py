"""All nodes that the meters under one key tell of: readings and limits in, what began or ended out (R19). Pure.

It joins the parts that each know one thing: `meters` what was read, `flows` what that comes to at each node,
`breaches` when that is too much. The quarter turns with the readings, not with our clock, so that the last second of a
quarter is judged too; for meters that fell silent it turns by the clock.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.watchdog.breaches import Allowed, Breaches, Figures, Watched
from connectors.watchdog.flows import Flows
from connectors.watchdog.meters import NEVER, Floats, Meters
from hub.margins import running
from hub.model import STATION, Hub, Judged, Measured, NodeKind, NodeLimit
from hub.quarters import QUARTER_US, quarter_start_us
from hub.tree import Tree
from streams.guard_messages import ConditionKind, ConditionPhase
from streams.messages import TelemetryFrame

DIRECTIONS: Final = ("import", "export")

ABSURD_RATIO: Final = 10.0
"""A reading beyond this many times what all connections below can carry is nonsense, not a breach (R14)."""

_MEANINGS: Final = {
    Watched.INSTANT: (ConditionKind.LIMIT_BREACHED, Judged.INSTANT),
    Watched.QUARTER: (ConditionKind.LIMIT_BREACHED, Judged.QUARTER),
    Watched.PROJECTED: (ConditionKind.LIMIT_NEAR, Judged.QUARTER),
}
_H_PER_US: Final = 1 / 3.6e9
_QUARTER_H: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFinding:
    """A breach, of one node in one direction, that began or ended."""

    kind: ConditionKind
    judged: Judged
    node: str
    direction: str
    phase: ConditionPhase
    at_us: int
    text: str
    figures: Mapping[str, float]

    @property
    def id(self) -> str:
        """The condition's id."""
        return f"{self.kind}/{self.node}/{self.direction}/{self.judged}"


@dataclass(slots=True, kw_only=True)
class GuardedNodes:
    """The nodes of one grid loop, or of the station."""

    meters: Meters
    flows: Flows
    cos_phi_ratio: float
    cadence_us: int
    """What a reading tells of the time before it, at most."""
    reaction_s: float
    """From a reading to the power that follows from it (R22)."""
    allowed: Allowed = field(init=False)
    breaches: Breaches = field(init=False)
    findings: list[LimitFinding] = field(default_factory=list)
    """Not taken yet by whoever says them; in order."""
    _origins: dict[tuple[str, str, bool], tuple[float, NodeLimit]] = field(default_factory=dict)
    """The tightest, by node, direction and whether it is judged on the quarter."""
    _said: NDArray[np.int8] = field(init=False)
    """[watched, 2, n_nodes] 1 seen, 0 gone, -1 nothing said yet."""

    def __post_init__(self) -> None:
        self.breaches = Breaches(len(self.flows.ids), self.reaction_s)
        self._said = np.full(self.breaches.seen.shape, -1, np.int8)
        self.take_limits(())

    @property
    def loaded_kva(self) -> Floats:
        """[n_nodes] Present apparent power; where nobody tells reactive power, by the hub's power factor."""
        loaded_kva = np.hypot(self.flows.power_kw, self.flows.reactive_kvar)
        return np.where(np.isnan(loaded_kva), np.abs(self.flows.power_kw) / self.cos_phi_ratio, loaded_kva)

    def take_limits(self, limits: Iterable[NodeLimit]) -> None:
        """Obey these from now on; those of other nodes are passed over."""
        place = {node: at for at, node in enumerate(self.flows.ids)}
        instant_kw, apparent_kva, quarter_kw = (np.full((2, len(place)), np.inf) for _ in range(3))
        self._origins = {}
        for limit in limits:
            is_quarter = limit.judged is Judged.QUARTER
            of = quarter_kw if is_quarter else apparent_kva if limit.apparent else instant_kw
            for side, kw in enumerate((limit.import_kw, limit.export_kw)):
                if limit.node in place and kw is not None:
                    of[side, place[limit.node]] = min(of[side, place[limit.node]], kw)
                    tightest = self._origins.setdefault((limit.node, DIRECTIONS[side], is_quarter), (kw, limit))
                    if kw < tightest[0]:
                        self._origins[limit.node, DIRECTIONS[side], is_quarter] = (kw, limit)
        self.allowed = Allowed(instant_kw=instant_kw, apparent_kva=apparent_kva, quarter_kw=quarter_kw)

    def lay_out(self, tree: Tree) -> None:
        """Sum up by this tree of the same park from now on: an open point moved. What was used until now stays."""
        self.flows.lay_out(_carried(tree, self.flows.ids, self.meters))

    def hear(self, frame: TelemetryFrame, *, now_us: int) -> None:
        """Take a frame and judge the instant of its newest reading."""
        newest_us = self.meters.fold(frame, now_us=now_us)
        if newest_us > self.flows.clock_us:
            self._go_on(newest_us)

    def judge(self, now_us: int) -> None:
        """Judge by the clock what is not heard any more."""
        if self.flows.clock_us != NEVER and now_us - self.flows.clock_us > self.flows.stale_after_s * 1e6:
            self._go_on(now_us)

    def seen(self) -> dict[str, int]:
        """How many breaches are seen now, by kind."""
        counts = dict.fromkeys((str(kind) for kind, _ in _MEANINGS.values()), 0)
        for watched, (kind, _) in _MEANINGS.items():
            counts[kind] += int(self.breaches.seen[watched].sum())
        return counts

    def silent_nodes(self) -> int:
        """How many limited nodes are not heard, and so counted at a bound or, if they never were, not at all."""
        of = self.allowed
        limited = np.isfinite(np.minimum(np.minimum(of.instant_kw, of.apparent_kva), of.quarter_kw)).any(axis=0)
        return int(np.sum(limited & (self.flows.silent | np.isnan(self.flows.power_kw))))

    def _go_on(self, until_us: int) -> None:
        flows = self.flows
        if flows.quarter_us == NEVER:
            flows.begin(quarter_start_us(until_us - 1))
        if until_us >= (end_us := flows.quarter_us + QUARTER_US):
            self._look(end_us)
            flows.begin(quarter_start_us(until_us))
            self.breaches.begin_quarter()
            self._note()
        if until_us > flows.clock_us:
            self._look(until_us)

    def _look(self, at_us: int) -> None:
        passed_us = min(at_us - self.flows.clock_us, self.cadence_us)
        least_kw = np.minimum(np.minimum(self.allowed.instant_kw, self.allowed.apparent_kva), self.allowed.quarter_kw)
        self.flows.count(self.meters, until_us=at_us, limit_kw=least_kw)
        self.breaches.look(self._figures(at_us, passed_us), self.allowed)
        self._note()

    def _figures(self, at_us: int, passed_us: int) -> Figures:
        flows = self.flows
        return Figures(
            at_us=at_us,
            passed_us=passed_us,
            left_us=flows.quarter_us + QUARTER_US - at_us,
            flow_kw=flows.flow_kw,
            apparent_kva=np.where(flows.flow_kw > 0, self.loaded_kva, 0.0),
            energy_kwh=flows.energy_kwh,
        )

    def _note(self) -> None:
        """Keep what changed; of what never was, that it is not, once where there is a limit."""
        seen = self.breaches.seen
        guarded = np.isfinite(np.stack([
            np.minimum(self.allowed.instant_kw, self.allowed.apparent_kva),
            self.allowed.quarter_kw,
            self.allowed.quarter_kw,
        ]))  # fmt: skip
        told = ~np.isnan(self.flows.power_kw)
        changed = (seen != self._said) & told & ((self._said >= 0) | guarded)
        for watched, side, node in np.argwhere(changed).tolist():
            self.findings.append(self._finding(Watched(watched), side, node))
        self._said[changed] = seen[changed]

    def _finding(self, watched: Watched, side: int, at: int) -> LimitFinding:
        (kind, judged), node, direction = _MEANINGS[watched], self.flows.ids[at], DIRECTIONS[side]
        seen = bool(self.breaches.seen[watched, side, at])
        figures = self._told(watched, side, at)
        origin = self._origins.get((node, direction, judged is Judged.QUARTER))
        by = "" if origin is None else f", limited by {origin[1].layer} ({origin[1].source})"
        values = ", ".join(f"{name} {value:g}" for name, value in figures.items())
        return LimitFinding(
            kind=kind,
            judged=judged,
            node=node,
            direction=direction,
            phase=ConditionPhase.SEEN if seen else ConditionPhase.GONE,
            at_us=self.flows.clock_us,
            text=f"{direction} of {node}{by}: {values}" if seen else f"{direction} of {node} is within its limit",
            figures=figures,
        )

    def _told(self, watched: Watched, side: int, at: int) -> dict[str, float]:
        """What people need: how much, how much too much, and how long until it is too late."""
        flow_kw = float(self.flows.flow_kw[side, at])
        if watched is Watched.INSTANT:
            limit_kw, limit_kva = float(self.allowed.instant_kw[side, at]), float(self.allowed.apparent_kva[side, at])
            loaded_kva = float(self.loaded_kva[at])
            if loaded_kva - limit_kva > flow_kw - limit_kw:
                return _rounded(power_kw=flow_kw, limit_kva=limit_kva, over_kva=loaded_kva - limit_kva)
            return _rounded(power_kw=flow_kw, limit_kw=limit_kw, over_kw=flow_kw - limit_kw)
        limit_kw = float(self.allowed.quarter_kw[side, at])
        used_kwh = float(self.flows.energy_kwh[side, at])
        left_h = (self.flows.quarter_us + QUARTER_US - self.flows.clock_us) * _H_PER_US
        projected_kw, left_kwh = (used_kwh + flow_kw * left_h) / _QUARTER_H, limit_kw * _QUARTER_H - used_kwh
        return _rounded(
            power_kw=flow_kw,
            limit_kw=limit_kw,
            projected_kw=projected_kw,
            over_kw=projected_kw - limit_kw,
            reduce_kw=(projected_kw - limit_kw) * _QUARTER_H / left_h if left_h > 0 else math.inf,
            quarter_left_s=left_h * 3600,
            breach_in_s=max(left_kwh, 0.0) / flow_kw * 3600 if flow_kw > 0 else math.inf,
        )


def guard(hub: Hub, tree: Tree, key: str) -> GuardedNodes:
    """Lay out what the meters under a key, a grid loop's or the station's, tell of."""
    nodes = [node for node in tree.nodes if (node.grid_loop or STATION) == key]
    capacity_kw = {connection.ean: connection.capacity_kva for connection in hub.connections}
    meters = Meters({
        node.id: ABSURD_RATIO * sum(capacity_kw[ean] for ean in tree.connections_below(node.id))
        for node in nodes
        if node.measured is Measured.METER
    })  # fmt: skip
    ids = tuple(node.id for node in nodes)
    return GuardedNodes(
        meters=meters,
        flows=Flows(ids, _carried(tree, ids, meters), hub.timing.stale_after_s),
        cos_phi_ratio=hub.cos_phi_ratio,
        cadence_us=round(hub.timing.meter_cadence_s * 1e6),
        reaction_s=running(hub.timing).total_s,
    )


def _carried(tree: Tree, ids: Sequence[str], meters: Meters) -> NDArray[np.bool_]:
    """[n_nodes, n_meters] Whose sum each node is."""
    carries = np.zeros((len(ids), len(meters.place)), np.bool_)
    for at, node in enumerate(tree.by_id[node_id] for node_id in ids):
        if node.measured is Measured.METER:
            below: Iterable[str] = [node.id]
        elif node.kind is NodeKind.GRID_LOOP:
            below = tree.children[node.id]
        else:
            below = tree.connections_below(node.id)
        carries[at, [meters.place[meter] for meter in below]] = True
    return carries


def _rounded(**figures: float) -> dict[str, float]:
    """What JSON can carry: a figure that is not finite says nothing."""
    return {name: round(value, 3) for name, value in figures.items() if math.isfinite(value)}
