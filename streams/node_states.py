"""What a tick tells the world about each limited node: power, limits, headroom, quarter so far and projected."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.model import Layer
from balancer.quarter_law import QUARTER_S
from streams.estimate import Span
from streams.limits import seconds_left
from streams.messages import NodeStates
from streams.plant import Bounds, Floats, Indices

_MIN_PASSED_S = 1.0
"""A mean over less than a second of a quarter says nothing yet."""


def node_states(
    node_ids: Sequence[str],
    *,
    bounds: Sequence[Bounds],
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
    node_and_side = (
        np.array([b.node for b in bounds], np.int64),
        np.array([0 if b.imports else 1 for b in bounds], np.int64),
    )
    np.minimum.at(limit_kw, node_and_side, bounds_kw)
    rank = np.array(
        [_BUDGET if b.budget else int(b.layer) for b in bounds], np.int64
    )  # int: numpy takes an enum slowly
    layers = _binding_layers(rank, bounds_kw, limit_kw, node_and_side=node_and_side)
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


_BUDGET: Final = len(Layer)
_LAYER_NAMES: Final = (*(layer.name.lower() for layer in Layer), "budget", "")


def _binding_layers(
    rank: NDArray[np.int64], bounds_kw: Floats, limit_kw: Floats, *, node_and_side: tuple[Indices, Indices]
) -> tuple[list[str], list[str]]:
    """[n_nodes] for import and for export: the layer of the tightest bound; among equals the highest."""
    none = len(_LAYER_NAMES) - 1
    is_tightest = np.isfinite(bounds_kw) & (bounds_kw <= limit_kw[node_and_side])
    found = np.full(limit_kw.shape, none)
    np.minimum.at(found, node_and_side, np.where(is_tightest, rank, none))
    imports, exports = ([_LAYER_NAMES[layer] for layer in column] for column in found.T.tolist())
    return imports, exports


def _column(values: Floats) -> list[float | None]:
    """Rounded to a watt; None where unknown or unlimited."""
    known = np.isfinite(values).tolist()
    return [
        value if is_known else None for value, is_known in zip((values.round(3) + 0.0).tolist(), known, strict=True)
    ]
