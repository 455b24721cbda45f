"""What each limit of a node allows, laid out: one entry per node, layer and direction, and their figures as arrays.

The limits change with the clock and with what people state; in a tick they are only read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balancer.model import Asset as KernelAsset
from balancer.model import Layer, Limit
from balancer.model import Node as KernelNode
from balancer.topology import Topology, compile_topology
from hub.model import Judged, LimitLayer, NodeLimit
from hub.open_point import Place

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BUDGET_LAYER: Final = Layer.DSO_CAP
"""A budget stands for the park's limits: no cable of the loop gives way to it, each contract in the loop does."""

KERNEL_LAYER: Final = {
    LimitLayer.PROTECTION: Layer.PROTECTION,
    LimitLayer.DSO_CAP: Layer.DSO_CAP,
    LimitLayer.CONTRACT: Layer.CONTRACT,
    LimitLayer.OPERATOR: Layer.OPERATOR,
    LimitLayer.PLAN: Layer.PLAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """All limits of one layer on one node in one direction; `inf` where there is none."""

    node: int
    layer: Layer
    imports: bool
    instant_kw: float
    quarter_kw: float
    apparent_kva: float = np.inf
    """The tightest limit on apparent power."""
    reserve_kw: float = 0.0
    """Kept free of it, a magnitude: for sections that may hang on this node too (`hub.open_point`)."""
    budget: bool = False
    """Stands for the hub agent's budget; its bound comes with each budget."""

    @property
    def place(self) -> tuple[int, Layer, bool]:
        """Node, layer and direction: one entry each, budgets apart."""
        return self.node, self.layer, self.imports

    def lifted(self) -> "Bounds":
        """The same place without a limit."""
        return replace(self, instant_kw=np.inf, quarter_kw=np.inf, apparent_kva=np.inf, reserve_kw=0.0)


class BoundRows(tuple[Bounds, ...]):  # noqa: SLOT001  (what is made once must be kept somewhere)
    """The entries of a grid loop or of the park, and each of their figures as an array [n_bounds], made once."""

    @cached_property
    def node(self) -> Indices:
        """Where each stands."""
        return indices(b.node for b in self)

    @cached_property
    def side(self) -> Indices:
        """0 for import, 1 for export."""
        return indices(0 if b.imports else 1 for b in self)

    @cached_property
    def imports(self) -> NDArray[np.bool_]:
        """Whether each is one of import."""
        return np.array([b.imports for b in self], np.bool_)

    @cached_property
    def budget(self) -> NDArray[np.bool_]:
        """Whether each stands for the budget."""
        return np.array([b.budget for b in self], np.bool_)

    @cached_property
    def instant_kw(self) -> Floats:
        """At each instant."""
        return np.array([b.instant_kw for b in self], np.float64)

    @cached_property
    def quarter_kw(self) -> Floats:
        """As the mean of a quarter."""
        return np.array([b.quarter_kw for b in self], np.float64)

    @cached_property
    def apparent_kva(self) -> Floats:
        """On apparent power."""
        return np.array([b.apparent_kva for b in self], np.float64)

    @cached_property
    def reserve_kw(self) -> Floats:
        """Kept free of each."""
        return np.array([b.reserve_kw for b in self], np.float64)

    @cached_property
    def rank(self) -> Indices:
        """Of the layer, highest first; a budget comes last."""
        return indices(len(Layer) if b.budget else int(b.layer) for b in self)


BUDGET_BOUNDS: Final = tuple(
    Bounds(node=0, layer=BUDGET_LAYER, imports=imports, instant_kw=np.inf, quarter_kw=np.inf, budget=True)
    for imports in (True, False)
)
"""The hub agent's, at the root of a grid loop."""


def lay_out_bounds(
    limits: Sequence[NodeLimit], index: Mapping[str, int], reserved_kw: Mapping[Place, float] | None = None
) -> BoundRows:
    """Limits of the hub folder as one entry per node, layer and direction; within a layer the tightest counts."""
    reserve_kw = {
        (index[node], KERNEL_LAYER[layer], imports): kw for (node, layer, imports), kw in (reserved_kw or {}).items()
    }
    found: dict[tuple[int, Layer, bool], dict[Judged, float]] = {}
    apparent_kva: dict[tuple[int, Layer, bool], float] = {}
    for limit in limits:
        for imports, power_kw in ((True, limit.import_kw), (False, limit.export_kw)):
            if power_kw is not None:
                place = (index[limit.node], KERNEL_LAYER[limit.layer], imports)
                judged = found.setdefault(place, {})
                judged[limit.judged] = min(power_kw, judged.get(limit.judged, np.inf))
                if limit.apparent:
                    apparent_kva[place] = min(power_kw, apparent_kva.get(place, np.inf))
    return BoundRows(
        Bounds(
            node=node,
            layer=layer,
            imports=imports,
            instant_kw=judged.get(Judged.INSTANT, np.inf),
            quarter_kw=judged.get(Judged.QUARTER, np.inf),
            apparent_kva=apparent_kva.get((node, layer, imports), np.inf),
            reserve_kw=reserve_kw.get((node, layer, imports), 0.0),
        )
        for (node, layer, imports), judged in found.items()
    )


def compile_bounds(
    nodes: Sequence[KernelNode], assets: Sequence[KernelAsset], bounds: BoundRows
) -> tuple[Topology, Indices]:
    """Compile a kernel topology with one limit per entry of `bounds`; returns also where each entry went."""
    # the kernel sorts limits by node; a serial number as uncontrolled load finds each back
    limits = [Limit(nodes[b.node].id, layer=b.layer, uncontrolled_kw=float(at)) for at, b in enumerate(bounds)]
    topology = compile_topology(nodes, limits, assets)
    position = {int(limit.uncontrolled_kw): at for at, limit in enumerate(topology.limits)}
    return topology, indices(position[at] for at in range(len(bounds)))


def indices(values: Iterable[int]) -> Indices:
    """As an array."""
    return np.array(list(values), np.int64)
