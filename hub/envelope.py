"""Whether a park is safe with every computer off: what nobody controls, and what devices fall back to (R4). Pure.

A device that reverts takes its reversion value or less: a roof at night produces nothing, a charger without a car takes
nothing. One whose own reversion was not tested counts at whatever is worse of its range.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from hub.limits import tightest_kw
from hub.model import PARK, Accepted, Asset, AssetKind, Certainty, Envelope, Hub, OpenPoint
from hub.open_point import carried, permitted, placed
from hub.tree import Tree, build_tree

ROUNDING_KW: Final = 1e-6
"""Sums of floats; far below what any meter tells."""

Range = tuple[float, float]
"""Least and largest power, kW, load convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """One node over its limit in one direction with every computer off; all figures are magnitudes, kW."""

    node: str
    imports: bool
    limit_kw: float
    residual_kw: float
    """By how much what nobody controls exceeds the limit by itself, and what devices cannot do without."""
    reversion_kw: float
    """By how much devices that fell back exceed it on top of that."""
    accepted_by: str
    """Who answers for the residual; empty where nobody does, or no longer, or for less."""
    open_after: int | None = None
    """Only while its ring is open there; None where the hub folder has it."""

    @property
    def refused(self) -> bool:
        """Whether the park may not start so: reversion never adds to a breach, and a residual needs a name."""
        return self.reversion_kw > ROUNDING_KW or not self.accepted_by

    def __str__(self) -> str:
        """One line: node, kW, remedy."""
        way = "import" if self.imports else "export"
        there = "" if self.open_after is None else f" (open after section {self.open_after})"
        what = f"{self.node}{there}: with every computer off, {way} exceeds {self.limit_kw:.5g} kW"
        if self.reversion_kw > ROUNDING_KW:
            by = f"by {self.reversion_kw:.4g} kW through devices that fall back"
            where = "bring reversion_kw of the assets below closer to 0, or test it (reversion_tested)"
            also = f", after {self.residual_kw:.4g} kW of what nobody controls" if self.residual_kw else ""
            return f"{what} {by}{also}; {where}"
        if self.accepted_by:
            return f"{what} by {self.residual_kw:.4g} kW; accepted by {self.accepted_by}"
        return (
            f"{what} by {self.residual_kw:.4g} kW; state it in [[accepted]] with accepted_by and until, or declare less"
        )


def reversion_range(asset: Asset) -> Range:
    """Return between what powers a device lies when nobody tells it anything."""
    if not asset.kind.controllable:
        return (0.0, 0.0)
    if asset.reversion_tested is None:
        return (asset.min_kw, asset.max_kw)
    if asset.kind is AssetKind.PV:
        return (asset.reversion_kw, asset.max_kw)
    if asset.kind is AssetKind.BATTERY:
        return (min(asset.reversion_kw, 0.0), max(asset.reversion_kw, 0.0))
    return (asset.min_kw, asset.reversion_kw)


def unavoidable_range(asset: Asset) -> Range:
    """Return the power nearest to 0 that a device can have: no reversion value could be less."""
    nearest_kw = min(max(0.0, asset.min_kw), asset.max_kw) if asset.kind.controllable else 0.0
    return (nearest_kw, nearest_kw)


def undeclared(hub: Hub, tree: Tree) -> tuple[str, ...]:
    """Connections that no envelope covers, neither their own nor that of a node above: these prove nothing."""
    stated = {envelope.node for envelope in hub.envelope}
    return tuple(c.ean for c in hub.connections if not stated.intersection(tree.path(c.ean)))


def envelope_ranges(hub: Hub, tree: Tree) -> dict[str, Range]:
    """Return what nobody controls below each node, by its own envelope, else as the sum of those below.

    A connection without one counts at its contracts. The group counts as if all were members.
    """
    stated: Mapping[str, Envelope] = {envelope.node: envelope for envelope in hub.envelope}
    ranges = {c.ean: (0.0 - c.contract_export_kw, c.contract_import_kw) for c in hub.connections}
    for node in reversed(tree.nodes):
        if node.id in stated:
            ranges[node.id] = (stated[node.id].min_kw, stated[node.id].max_kw)
        elif node.id not in ranges:
            ranges[node.id] = _sum(ranges[child] for child in tree.children.get(node.id, ()))
    return ranges


def device_ranges(tree: Tree, range_of: Callable[[Asset], Range]) -> dict[str, Range]:
    """Return what the devices below each node take together, each of them what `range_of` says."""
    ranges: dict[str, Range] = {}
    for node in reversed(tree.nodes):
        own = [range_of(asset) for asset in tree.assets.get(node.id, ())]
        ranges[node.id] = _sum([*own, *(ranges[child] for child in tree.children.get(node.id, ()))])
    return ranges


def _sum(ranges: Iterable[Range]) -> Range:
    low_kw = high_kw = 0.0
    for low, high in ranges:
        low_kw, high_kw = low_kw + low, high_kw + high
    return (low_kw, high_kw)


def excesses(hub: Hub, tree: Tree, today: date) -> tuple[Excess, ...]:
    """Return every node and direction over its tightest limit with every computer off, in tree order."""
    envelope = envelope_ranges(hub, tree)
    unavoidable, reverted = (device_ranges(tree, range_of) for range_of in (unavoidable_range, reversion_range))
    found = []
    for node in tree.nodes:
        for imports in (True, False):
            limit_kw = tightest_kw(tree.limits.get(node.id, ()), imports=imports, cos_phi_ratio=hub.cos_phi_ratio)
            envelope_kw, least_kw, reverted_kw = (
                ranges[node.id][1] if imports else 0.0 - ranges[node.id][0]
                for ranges in (envelope, unavoidable, reverted)
            )
            over_kw = max(envelope_kw + least_kw - limit_kw, 0.0)
            added_kw = max(envelope_kw + reverted_kw - limit_kw, 0.0) - over_kw
            if over_kw > ROUNDING_KW or added_kw > ROUNDING_KW:
                found.append(
                    Excess(
                        node=node.id,
                        imports=imports,
                        limit_kw=limit_kw,
                        residual_kw=over_kw,
                        reversion_kw=added_kw,
                        accepted_by=_accepted_by(hub.accepted, node.id, imports=imports, kw=over_kw, today=today),
                    )
                )
    return tuple(found)


def excesses_anywhere(hub: Hub, today: date) -> tuple[Excess, ...]:
    """Likewise wherever each ring may be opened: what is over only there, or by more, comes last.

    What is declared of arms and sections holds where the folder has the open point; elsewhere their connections count.
    """
    found = list(excesses(hub, build_tree(hub), today))
    for ring in hub.grid_loops:
        cables = set(carried(ring, ring.open_after))
        for position in permitted(ring):
            point = OpenPoint(certainty=Certainty.CONFIRMED, open_after=position, positions=(position,))
            moved = replace(
                placed(hub, {ring.id: point}), envelope=tuple(one for one in hub.envelope if one.node not in cables)
            )
            if position != ring.open_after:
                over = (one for one in excesses(moved, build_tree(moved), today) if one.node in {ring.id, *cables})
                found += [replace(one, open_after=position) for one in over if one not in found]
    return tuple(found)


def refused(hub: Hub, today: date) -> tuple[Excess, ...]:
    """Return what stands between a park and its start: what is over and nobody answers for, in tree order."""
    return tuple(one for one in excesses_anywhere(hub, today) if one.refused)


def _accepted_by(accepted: Iterable[Accepted], node: str, *, imports: bool, kw: float, today: date) -> str:
    for one in accepted:
        accepted_kw = one.import_kw if imports else one.export_kw
        if one.node == node and accepted_kw is not None and kw <= accepted_kw and today <= one.until:
            return one.accepted_by
    return ""


def fallback_shortfall_kw(hub: Hub, tree: Tree) -> tuple[float, float]:
    """Import and export by which the loops' fallback shares together leave less than the park's margin free; 0 if none."""
    import_kw, export_kw = (
        tightest_kw(tree.limits.get(PARK, ()), imports=imports, cos_phi_ratio=hub.cos_phi_ratio)
        for imports in (True, False)
    )
    most_kw = sum(loop.fallback_max_kw for loop in hub.grid_loops) + hub.margin.import_kw
    least_kw = sum(loop.fallback_min_kw for loop in hub.grid_loops) - hub.margin.export_kw
    return max(most_kw - import_kw, 0.0), max(0.0 - least_kw - export_kw, 0.0)
