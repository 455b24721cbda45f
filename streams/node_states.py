"""What a tick tells the world about each limited node: power, limits, headroom, quarter so far and projected."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.model import Layer
from balancer.quarter_law import QUARTER_S
from streams.bounds import BoundRows, Floats
from streams.estimate import Span
from streams.limits import seconds_left
from streams.messages import NodeStates

_MIN_PASSED_S = 1.0
"""A mean over less than a second of a quarter says nothing yet."""


def node_states(
    node_ids: Sequence[str],
    *,
    bounds: BoundRows,
    bounds_kw: Floats,
    power: Span,
    energy_kwh: Floats,
    uncovered_s: Floats,
    fresh: NDArray[np.bool_],
    binding: Sequence[str],
    now_us: int,
) -> NodeStates:
    """Columns for all nodes; energies as `streams.estimate` gives them.

    The mean so far is over the part of the quarter that registers cover; the projection adds the present power for
    the rest of the quarter and takes the uncovered part at the mean of the covered one.
    """
    left_s = seconds_left(now_us)
    passed_s = QUARTER_S - left_s
    covered_s = np.maximum(passed_s - uncovered_s, 0.0)[:, None]
    mean_kw = np.where(covered_s >= _MIN_PASSED_S, energy_kwh * 3600.0 / np.maximum(covered_s, _MIN_PASSED_S), np.nan)
    flow_kw = np.stack([np.maximum(power.high_kw, 0.0), np.maximum(0.0 - power.low_kw, 0.0)], axis=1)
    so_far_kw = np.where(np.isnan(mean_kw), flow_kw, mean_kw)
    projected_kw = (so_far_kw * passed_s + flow_kw * left_s) / QUARTER_S
    limit_kw = np.full((len(node_ids), 2), np.inf)
    np.minimum.at(limit_kw, (bounds.node, bounds.side), bounds_kw)
    layers = _binding_layers(bounds, bounds_kw, limit_kw)
    return NodeStates(
        ids=list(node_ids),
        power_kw=_column((power.low_kw + power.high_kw) / 2),
        limit_import_kw=_column(limit_kw[:, 0]),
        limit_export_kw=_column(limit_kw[:, 1]),
        headroom_import_kw=_column(limit_kw[:, 0] - power.high_kw),
        headroom_export_kw=_column(limit_kw[:, 1] + power.low_kw),
        quarter_import_kw=_column(mean_kw[:, 0]),
        quarter_export_kw=_column(mean_kw[:, 1]),
        projected_import_kw=_column(projected_kw[:, 0]),
        projected_export_kw=_column(projected_kw[:, 1]),
        coverage_ratio=_column(covered_s[:, 0] / passed_s if passed_s > 0 else np.ones(len(node_ids))),
        binding=list(binding),
        fresh=fresh.tolist(),
        limit_import_layer=layers[0],
        limit_export_layer=layers[1],
    )


_LAYER_NAMES: Final = (*(layer.name.lower() for layer in Layer), "budget", "")


def _binding_layers(bounds: BoundRows, bounds_kw: Floats, limit_kw: Floats) -> tuple[list[str], list[str]]:
    """[n_nodes] for import and for export: the layer of the tightest bound; among equals the highest."""
    none = len(_LAYER_NAMES) - 1
    at = (bounds.node, bounds.side)
    found = np.full(limit_kw.shape, none)
    np.minimum.at(found, at, np.where(np.isfinite(bounds_kw) & (bounds_kw <= limit_kw[at]), bounds.rank, none))
    imports, exports = ([_LAYER_NAMES[layer] for layer in column] for column in found.T.tolist())
    return imports, exports


def _column(values: Floats) -> list[float | None]:
    """Rounded to a watt; None where unknown or unlimited."""
    known = np.isfinite(values).tolist()
    return [
        value if is_known else None for value, is_known in zip((values.round(3) + 0.0).tolist(), known, strict=True)
    ]
