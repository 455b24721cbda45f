"""How near the meters came to each limit: a second, simpler calculation than the balancing's own, from readings only.

Instantaneous limits are judged on power at each reading, quarter limits on register differences. Where a node has no
meter of its own it is the sum of the meters below it. Pure; knows nothing of what the balancing says of itself.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hub.model import Judged, Measured, NodeLimit
from hub.quarter_figures import QuarterFigures, RegisterEdges, quarter_figures
from hub.quarters import QUARTER_US, RegisterReading, quarter_start_us
from hub.tolerance import TOLERANCE
from hub.tree import Tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OVER_RATIO, OVER_S = TOLERANCE[0]
"""An instantaneous limit is breached by more than this, for longer than that: the first step of a relay."""

LEAST_COVERED_S: Final = 60.0
"""Of a quarter that was not seen whole: below this a mean says more about a moment than about the quarter."""

OPEN_RATIO: Final = 1.02
"""A quarter that is not over can still be made good: only this much above its limit is it breached."""

_SILENCE_US: Final = 5_000_000
"""After a longer one a sum of meters goes by their registers; before, by power, which counts less than whole Wh."""

_GRAIN_WH: Final = 1
"""Registers count whole watt-hours: a difference of one may be rounding."""

NEVER: Final = -1


class LimitFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One limit in one direction over a run. Ratios are over the limit; None for a limit of zero, or nothing seen.

    Powers are magnitudes in the limit's direction.
    """

    node: str
    direction: str
    """`import` or `export`."""
    layer: str
    judged: str
    """`quarter` or `instant`: which of the two figures decides about a breach."""
    limit_kw: float
    quarter_kw: float | None
    """Highest quarter mean; of a quarter that was not seen whole, the mean over what was seen (a minute at least)."""
    quarter_ratio: float | None
    quarter_start_us: int | None
    quarters_seen: int
    quarters_breached: int
    instant_kw: float | None
    """Highest power of a reading."""
    instant_ratio: float | None
    instant_at_us: int | None
    over_s: float
    """Longest stretch above 1.02 times the limit."""
    breached: bool


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of one gateway that have limits, and which points make up each."""

    ids: tuple[str, ...]
    weights: Floats
    """[nodes, points] 1 where the point's power is part of the node's."""
    own_point: Ints
    """[nodes] The node's own meter; -1 where it has none."""


class LimitRecord:
    """The limits whose meters report through one gateway."""

    def __init__(self, tree: Tree, points: Sequence[str], limits: Sequence[NodeLimit]) -> None:
        self._nodes = _lay_out(tree, points, [limit.node for limit in limits])
        at = {node: i for i, node in enumerate(self._nodes.ids)}
        sided = [
            (limit, direction, limit_kw)
            for limit in limits
            for direction, limit_kw in (("import", limit.import_kw), ("export", limit.export_kw))
            if limit_kw is not None
        ]
        self._limits = [(limit, direction) for limit, direction, _ in sided]
        self._node = np.array([at[limit.node] for limit, _, _ in sided], np.int64)
        self._side = np.array([direction == "export" for _, direction, _ in sided], np.int64)
        self._limit_kw = np.array([limit_kw for _, _, limit_kw in sided], np.float64)
        n_nodes, n_limits = len(self._nodes.ids), len(sided)
        self._instant_kw = np.full(n_limits, np.nan)
        self._instant_us = np.full(n_limits, NEVER, np.int64)
        self._over_since_us = np.full(n_limits, NEVER, np.int64)
        self._over_us = np.zeros(n_limits, np.int64)
        self._quarter_kw = np.full(n_limits, np.nan)
        self._quarter_us = np.full(n_limits, NEVER, np.int64)
        self._seen = np.zeros(n_limits, np.int64)
        self._breached = np.zeros(n_limits, np.int64)
        self._summed_wh = np.zeros((n_nodes, 2))
        self._edges: list[tuple[RegisterEdges, RegisterEdges] | None] = [None] * n_nodes
        self._last_us = NEVER
        self._last_net_wh = np.full(n_nodes, np.nan)
        self._began = False

    def take(self, at_us: int, power_kw: Floats, register_wh: Ints) -> None:
        """Take one gateway's readings of one instant; an instant that is not newer is ignored.

        Args:
            at_us: the instant.
            power_kw: [points], NaN where missing.
            register_wh: [points, 2] A+ and A-, -1 where missing.

        """
        if at_us <= self._last_us:
            return
        flow_kw = self._flows_kw(power_kw)
        self._take_instant(at_us, flow_kw[self._node, self._side])
        self._take_registers(at_us, flow_kw, register_wh)
        if not self._began:  # quarters that ended before the run are no part of it
            self._quarter_kw[:], self._quarter_us[:], self._seen[:], self._breached[:] = np.nan, NEVER, 0, 0
            self._began = True

    def remember(self, at_us: int, power_kw: Floats, register_wh: Ints) -> None:
        """Take readings from before the run: they count towards the quarter in which it begins, and nothing else."""
        if at_us > self._last_us and not self._began:
            self._take_registers(at_us, self._flows_kw(power_kw), register_wh)

    def figures(self) -> list[LimitFigures]:
        """Every limit so far; the quarters that are still open count with what was seen of them."""
        return copy.deepcopy(self).finish()

    def finish(self) -> list[LimitFigures]:
        """Judge the open quarters by what was seen of them; nothing may be taken after that."""
        for node, edges in enumerate(self._edges):
            if edges is not None:
                self._close_quarter(node, edges, ratio=OPEN_RATIO)
        return [self._figures_of(i) for i in range(len(self._limits))]

    def _take_instant(self, at_us: int, flow_kw: Floats) -> None:
        """[limits] Power in each limit's direction; a reading that is missing neither starts nor ends a stretch."""
        known = ~np.isnan(flow_kw)
        higher = known & ~(flow_kw <= self._instant_kw)
        self._instant_kw[higher] = flow_kw[higher]
        self._instant_us[higher] = at_us
        over = known & (flow_kw > OVER_RATIO * self._limit_kw)
        self._over_since_us[known & ~over] = NEVER
        self._over_since_us[over & (self._over_since_us == NEVER)] = at_us
        stretch_us = np.where(self._over_since_us == NEVER, 0, at_us - self._over_since_us)
        self._over_us = np.maximum(self._over_us, stretch_us)

    def _flows_kw(self, power_kw: Floats) -> Floats:
        """[nodes, 2] Import and export, magnitudes; NaN where a meter of the node is missing."""
        weights = self._nodes.weights
        node_kw = np.where(weights @ np.isnan(power_kw) > 0, np.nan, weights @ np.nan_to_num(power_kw))
        flow_kw: Floats = np.maximum(np.stack([node_kw, 0.0 - node_kw], axis=1), 0.0)
        return flow_kw

    def _take_registers(self, at_us: int, flow_kw: Floats, register_wh: Ints) -> None:
        """Keep the readings that decide the open quarter of each node; judge the one that ended."""
        self._sum_up(at_us, flow_kw, register_wh)
        own = self._nodes.own_point
        node_wh = np.where((own >= 0)[:, None], register_wh[own], np.round(self._summed_wh).astype(np.int64))
        start_us = quarter_start_us(at_us)
        for node, (import_wh, export_wh) in enumerate(node_wh.tolist()):
            if import_wh < 0 or export_wh < 0:
                continue
            now = (RegisterReading(at_us, import_wh), RegisterReading(at_us, export_wh))
            edges = self._edges[node]
            if edges is not None and _start_of(edges) == start_us:
                self._edges[node] = (_later(edges[0], now[0]), _later(edges[1], now[1]))
                continue
            if edges is not None:
                self._close_quarter(node, (_closed(edges[0], now[0]), _closed(edges[1], now[1])), ratio=1.0)
            self._edges[node] = (_opened(edges and edges[0], now[0]), _opened(edges and edges[1], now[1]))

    def _sum_up(self, at_us: int, flow_kw: Floats, register_wh: Ints) -> None:
        """Count on what stands in for registers at nodes without a meter."""
        net_wh = np.where((register_wh < 0).any(axis=1), np.nan, register_wh[:, 0] - register_wh[:, 1])
        missing = self._nodes.weights @ np.isnan(net_wh) > 0
        node_wh = np.where(missing, np.nan, self._nodes.weights @ np.nan_to_num(net_wh))
        gap_us = at_us - self._last_us
        if self._last_us != NEVER and gap_us <= _SILENCE_US:
            self._summed_wh += np.nan_to_num(flow_kw) * (gap_us / 3.6e6)
        else:
            gained_wh = np.nan_to_num(node_wh - self._last_net_wh)
            self._summed_wh += np.maximum(np.stack([gained_wh, 0.0 - gained_wh], axis=1), 0.0)
        self._last_net_wh = np.where(missing, self._last_net_wh, node_wh)
        self._last_us = at_us

    def _close_quarter(self, node: int, edges: tuple[RegisterEdges, RegisterEdges], *, ratio: float) -> None:
        start_us = _start_of(edges)
        figures = quarter_figures(start_us, *edges)
        for limit in np.flatnonzero(self._node == node).tolist():
            self._judge_quarter(limit, start_us, figures, ratio=ratio)

    def _judge_quarter(self, limit: int, start_us: int, figures: QuarterFigures, *, ratio: float) -> None:
        energy_wh = figures.energy_export_wh if self._side[limit] else figures.energy_import_wh
        covered_s = figures.coverage_ratio * QUARTER_US / 1e6
        if energy_wh is None or covered_s < LEAST_COVERED_S:
            return
        mean_kw = energy_wh * 3.6 / covered_s
        limit_wh = ratio * self._limit_kw[limit] * covered_s / 3.6
        self._seen[limit] += 1
        self._breached[limit] += energy_wh > limit_wh + _GRAIN_WH
        if not mean_kw <= self._quarter_kw[limit]:
            self._quarter_kw[limit] = mean_kw
            self._quarter_us[limit] = start_us

    def _figures_of(self, i: int) -> LimitFigures:
        limit, direction = self._limits[i]
        by_quarter = limit.judged is Judged.QUARTER
        over_s = float(self._over_us[i]) / 1e6
        quarters_breached = int(self._breached[i]) if by_quarter else 0
        return LimitFigures(
            node=limit.node,
            direction=direction,
            layer=str(limit.layer),
            judged=str(limit.judged),
            limit_kw=float(self._limit_kw[i]),
            quarter_kw=_known(self._quarter_kw[i]),
            quarter_ratio=_ratio(self._quarter_kw[i], self._limit_kw[i]),
            quarter_start_us=_instant(self._quarter_us[i]),
            quarters_seen=int(self._seen[i]),
            quarters_breached=quarters_breached,
            instant_kw=_known(self._instant_kw[i]),
            instant_ratio=_ratio(self._instant_kw[i], self._limit_kw[i]),
            instant_at_us=_instant(self._instant_us[i]),
            over_s=over_s,
            breached=quarters_breached > 0 if by_quarter else over_s > OVER_S,
        )


def _lay_out(tree: Tree, points: Sequence[str], limited: Sequence[str]) -> _Nodes:
    ids = tuple(dict.fromkeys(limited))
    at = {point: i for i, point in enumerate(points)}
    weights = np.zeros((len(ids), len(points)))
    for i, node in enumerate(ids):
        weights[i, [at[meter] for meter in _meters_of(tree, node)]] = 1.0
    own = [at[node] if tree.by_id[node].measured is Measured.METER else -1 for node in ids]
    return _Nodes(ids, weights, np.array(own, np.int64))


def _meters_of(tree: Tree, node: str) -> list[str]:
    """The node's own meter, or the nearest ones below it."""
    if tree.by_id[node].measured is Measured.METER:
        return [node]
    return [meter for child in tree.children.get(node, ()) for meter in _meters_of(tree, child)]


def _start_of(edges: tuple[RegisterEdges, RegisterEdges]) -> int:
    """Start of the quarter that the readings are in; there always is a first one."""
    first = edges[0].first
    assert first is not None  # noqa: S101 - `_opened` sets it
    return quarter_start_us(first.at_us)


def _opened(edges: RegisterEdges | None, now: RegisterReading) -> RegisterEdges:
    return RegisterEdges(before=edges.last if edges is not None else None, first=now, last=now)


def _later(edges: RegisterEdges, now: RegisterReading) -> RegisterEdges:
    return RegisterEdges(before=edges.before, first=edges.first, last=now)


def _closed(edges: RegisterEdges, now: RegisterReading) -> RegisterEdges:
    return RegisterEdges(before=edges.before, first=edges.first, last=edges.last, after=now)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def _ratio(value: float, limit: float) -> float | None:
    return None if np.isnan(value) or limit == 0 else round(float(value / limit), 4)


def _instant(at_us: int) -> int | None:
    return None if at_us == NEVER else int(at_us)
