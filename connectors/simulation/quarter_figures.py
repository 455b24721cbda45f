"""What the quarters of a run come to, limit by limit and as energies: exact, in watts times quarters. Pure."""

from typing import Final

import numpy as np

from connectors.simulator.arrays import Ints
from connectors.simulator.park import Park
from hub.model import PARK, Hub, Judged, NodeLimit
from hub.quarters import QUARTER_US
from streams.limit_record import OVER_RATIO, LimitFigures

_GRAIN_WH: Final = 1
"""As the registers of a real meter round (`streams.limit_record`)."""

KWH_PER_W: Final = 0.25e-3
"""Energies are counted in watts times quarters."""


class QuarterFigures:
    """Takes the quarters of a park in order, some at once."""

    def __init__(self, hub: Hub, park: Park) -> None:
        place = {node: at for at, node in enumerate(park.network.node_ids)}
        self._limits: list[tuple[NodeLimit, str, float]] = [
            (limit, direction, limit_kw)
            for limit in hub.limits
            for direction, limit_kw in (("import", limit.import_kw), ("export", limit.export_kw))
            if limit_kw is not None
        ]
        self._node = np.array([place[limit.node] for limit, _, _ in self._limits], np.int64)
        self._sign = np.array([1 if direction == "import" else -1 for _, direction, _ in self._limits], np.int64)
        # A quarter whose mean is above an instantaneous limit was above it for longer than any relay waits.
        allowed_kw = [
            limit_kw * (1.0 if limit.judged is Judged.QUARTER else OVER_RATIO) for limit, _, limit_kw in self._limits
        ]
        self._allowed_w = np.array(allowed_kw, np.float64) * 1000 + 4 * _GRAIN_WH
        self._highest_w = np.full(len(self._limits), -1, np.int64)
        self._highest_us = np.zeros(len(self._limits), np.int64)
        self._breached = np.zeros(len(self._limits), np.int64)
        self._park = place[PARK]
        self._charging = np.concatenate([park.battery_at, park.charger_at])
        self.imported_w = self.exported_w = self.charged_w = self.curtailed_w = 0
        self.quarters = 0

    def take(self, at_us: Ints, *, node_w: Ints, asset_w: Ints, curtailed_w: Ints) -> None:
        """Take quarters: `at_us` [rows] their starts, `node_w` [rows, nodes], `asset_w` [rows, assets]; [rows]."""
        flow_w = np.maximum(node_w[:, self._node] * self._sign, 0)
        row = flow_w.argmax(axis=0)
        most_w = flow_w[row, np.arange(len(row))]
        higher = most_w > self._highest_w
        self._highest_w[higher], self._highest_us[higher] = most_w[higher], at_us[row[higher]]
        self._breached += (flow_w > self._allowed_w).sum(axis=0)
        boundary_w = node_w[:, self._park]
        self.imported_w += int(np.maximum(boundary_w, 0).sum())
        self.exported_w -= int(np.minimum(boundary_w, 0).sum())
        self.charged_w += int(np.maximum(asset_w[:, self._charging], 0).sum())
        self.curtailed_w += int(curtailed_w.sum())
        self.quarters += len(at_us)

    def limits(self) -> list[LimitFigures]:
        """Every limit of the hub folder, in its order; of an instant nothing is said."""
        return [self._figures_of(at) for at in range(len(self._limits))]

    def _figures_of(self, at: int) -> LimitFigures:
        limit, direction, limit_kw = self._limits[at]
        mean_kw = float(self._highest_w[at]) / 1000 if self.quarters else None
        breached = int(self._breached[at])
        return LimitFigures(
            node=limit.node,
            direction=direction,
            layer=str(limit.layer),
            judged=str(limit.judged),
            limit_kw=limit_kw,
            quarter_kw=mean_kw,
            quarter_ratio=None if mean_kw is None or limit_kw == 0 else round(mean_kw / limit_kw, 4),
            quarter_start_us=int(self._highest_us[at]) if self.quarters else None,
            quarters_seen=self.quarters,
            quarters_breached=breached,
            instant_kw=None,
            instant_ratio=None,
            instant_at_us=None,
            over_s=breached * QUARTER_US / 1e6 if limit.judged is Judged.INSTANT else 0.0,
            breached=breached > 0,
        )
