"""Where a ring is open: which sections hang on which feeder, and what limits hold while nobody is sure. Pure.

While an open point is being moved, or the meters contradict it, some sections may hang on either feeder: they are
contested. Each of them then has a fixed share of every limit that it may come to lie under, and the same share is kept
free at each cable that may come to carry it. So every limit holds wherever the point lies. The others stay steered as
before. No clock, no file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hub.model import Certainty, GridLoop, Hub, Judged, LimitLayer, NodeLimit, OpenPoint, Position, Section

ARMS: Final = ("a", "b")

Place = tuple[str, LimitLayer, bool]
"""Node, layer, and whether import is meant."""


def stated_point(grid_loop: GridLoop) -> OpenPoint:
    """Return the open point as the hub folder has it."""
    here = grid_loop.open_after
    return OpenPoint(certainty=Certainty.CONFIRMED, open_after=here, positions=(here,))


def open_point_of(hub: Hub, grid_loop: GridLoop) -> OpenPoint:
    """Return where a ring of this hub is open."""
    return hub.open_points.get(grid_loop.id) or stated_point(grid_loop)


def permitted(grid_loop: GridLoop) -> tuple[int, ...]:
    """Where the ring may be opened, ascending."""
    return tuple(sorted({grid_loop.open_after, *(position.open_after for position in grid_loop.positions)}))


def possible(grid_loop: GridLoop) -> tuple[int, ...]:
    """Where a ring may be open of which nothing is known: where it is permitted, anywhere if that is not stated."""
    return permitted(grid_loop) if grid_loop.positions else tuple(range(len(grid_loop.sections) + 1))


def contested(grid_loop: GridLoop, open_point: OpenPoint) -> tuple[Section, ...]:
    """Return the sections that may hang on either feeder, in ring order."""
    return grid_loop.sections[open_point.first : open_point.last]


def carried(grid_loop: GridLoop, open_after: int) -> dict[str, tuple[str, ...]]:
    """Return which sections each arm and each section carries where the ring is open there, feeder first.

    >>> from hub.model import GridLoop, Section
    >>> sections = tuple(Section(id=name, import_kw=1, export_kw=1, source="") for name in ("s1", "s2", "s3"))
    >>> ring = GridLoop(id="x", name="", sections=sections, open_after=2, fallback_min_kw=0, fallback_max_kw=0)
    >>> carried(ring, 2)
    {'x/a': ('s1', 's2'), 's1': ('s1', 's2'), 's2': ('s2',), 'x/b': ('s3',), 's3': ('s3',)}
    """
    ids = tuple(section.id for section in grid_loop.sections)
    found = {}
    for arm, chain in zip(ARMS, (ids[:open_after], ids[open_after:][::-1]), strict=True):
        found[f"{grid_loop.id}/{arm}"] = chain
        found |= {section: chain[at:] for at, section in enumerate(chain)}
    return found


def placed(hub: Hub, open_points: Mapping[str, OpenPoint]) -> Hub:
    """Return a hub as its folder states it with the rings open where these say; others stay.

    What a position allows the whole ring replaces what the folder's own position does; of several the tightest holds.
    """
    loops, limits = [], list(hub.limits)
    for loop in hub.grid_loops:
        open_point = open_points.get(loop.id)
        if open_point is None:
            loops.append(loop)
            continue
        here = set(position_limits(loop, (loop.open_after,)))
        limits = [limit for limit in limits if limit not in here]
        limits += position_limits(loop, open_point.positions)
        loops.append(replace(loop, open_after=open_point.open_after))
    return replace(hub, grid_loops=tuple(loops), limits=tuple(limits), open_points=dict(open_points))


def as_confirmed(hub: Hub) -> Hub:
    """Return a placed hub with every ring where it was last confirmed, for who must not judge by a guess."""
    return replace(hub, open_points={})


def position_limits(grid_loop: GridLoop, positions: Iterable[int]) -> tuple[NodeLimit, ...]:
    """Return what the whole ring is allowed in these positions, as limits of its own."""
    there = set(positions)
    return tuple(
        _position_limit(grid_loop, position)
        for position in grid_loop.positions
        if position.open_after in there and (position.import_kw, position.export_kw) != (None, None)
    )


def _position_limit(grid_loop: GridLoop, position: Position) -> NodeLimit:
    return NodeLimit(
        node=grid_loop.id,
        layer=LimitLayer.PROTECTION,
        judged=Judged.INSTANT,
        import_kw=position.import_kw,
        export_kw=position.export_kw,
        source=f"open after section {position.open_after}: {position.source}",
    )


@dataclass(frozen=True, slots=True)
class Shared:
    """Limits of a ring that hold in any of its positions, laid out for a tree in which contested sections stand alone."""

    limits: tuple[NodeLimit, ...]
    """Those of contested sections are fixed shares now, all others as they were."""
    reserved_kw: Mapping[Place, float]
    """What a limit must keep free, a magnitude: contested sections that its node may carry."""


def share_out(hub: Hub, grid_loop: GridLoop, open_point: OpenPoint, limits: Iterable[NodeLimit]) -> Shared:
    """Give each contested section a share of the limits it may lie under, in the ratio of what connections can carry.

    In each layer and direction: of every set of sections that a limited cable carries in some position, all get the same
    part of their capacity, at most all of it; a contested section gets the least of these. Judged at any instant, also
    where the limit is on a quarter's mean: what flowed through a cable before it changed sides must not be netted.
    """
    limits = tuple(limits)
    names = {section.id for section in contested(grid_loop, open_point)}
    if not names:
        return Shared(limits, {})
    carries = [carried(grid_loop, position) for position in open_point.positions]
    limited_kw = _limited_kw([limit for limit in limits if limit.node in carries[0]], hub.cos_phi_ratio)
    capacity_kva = _capacities_kva(hub, grid_loop)
    shares_kw: dict[Place, float] = {}
    for (node, layer, imports), limit_kw in limited_kw.items():
        for below in {each[node] for each in carries}:
            total_kva = sum(capacity_kva[section] for section in below)
            ratio = min(limit_kw / total_kva, 1.0) if total_kva > 0 else 0.0
            for section in names.intersection(below):
                place, share_kw = (section, layer, imports), ratio * capacity_kva[section]
                shares_kw[place] = min(share_kw, shares_kw.get(place, share_kw))
    reserved_kw = {
        (node, layer, imports): sum(shares_kw[section, layer, imports] for section in names)
        for node, layer, imports in limited_kw
        if node not in names
    }
    return Shared((*(limit for limit in limits if limit.node not in names), *_fixed(shares_kw)), reserved_kw)


def _limited_kw(limits: Iterable[NodeLimit], cos_phi_ratio: float) -> dict[Place, float]:
    """The tightest of each place, a magnitude; of kVA what the power factor leaves."""
    tightest_kw: dict[Place, float] = {}
    for limit in limits:
        ratio = cos_phi_ratio if limit.apparent else 1.0
        for imports, kw in ((True, limit.import_kw), (False, limit.export_kw)):
            if kw is not None:
                place = (limit.node, limit.layer, imports)
                tightest_kw[place] = min(ratio * kw, tightest_kw.get(place, ratio * kw))
    return tightest_kw


def _capacities_kva(hub: Hub, grid_loop: GridLoop) -> dict[str, float]:
    """What the connections of each section can carry together."""
    capacity_kva = dict.fromkeys((section.id for section in grid_loop.sections), 0.0)
    for connection in hub.connections:
        if connection.section in capacity_kva:
            capacity_kva[connection.section] += connection.capacity_kva
    return capacity_kva


def _fixed(shares: Mapping[Place, float]) -> Iterator[NodeLimit]:
    for (node, layer, imports), kw in shares.items():
        yield NodeLimit(
            node=node,
            layer=layer,
            judged=Judged.INSTANT,
            import_kw=kw if imports else None,
            export_kw=None if imports else kw,
            source="fixed share while the open point is not confirmed",
        )
