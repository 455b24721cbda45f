"""Which limit holds on a node at an instant, who set it, until when, and what comes next.

The hub folder states limits that stand; people and the grid operator state more, each with a layer, a beginning, an
end and a reason. Within a layer the tightest counts, except that transport rights add up on top of the contract. A
lower layer never loosens a higher one: what is effective is the least of all. Pure; the caller brings the time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Final

from hub.model import Hub, Judged, LimitLayer, NodeLimit
from hub.open_point import contested, open_point_of
from hub.time_blocks import TimeBlock, block_intervals_us

LAYERS: Final = tuple(LimitLayer)
"""Highest first."""

BRIDGE_US: Final = 10_000_000
"""Two stretches of one series this close are one: schedules written to the second must not let a limit dip or leap."""

DAY_US: Final = 86_400_000_000

_LOOK_AHEAD_DAYS: Final = 400
"""Far enough to pass every season."""

_STEP_DAYS: Final = 8
"""A week and a day at a time: what comes next mostly comes soon."""

FOR_EVER_US: Final = 2**62


class Effect(StrEnum):
    """What a stated limit does."""

    CAP = "cap"
    """Power may not pass it."""
    RIGHT = "right"
    """Transport capacity on top of the contract that the hub folder states (time-block right, TBTR)."""


class Reference(StrEnum):
    """What counts as import."""

    TREE = "tree"
    """Away from the station, into what hangs below the node: the load convention."""
    RING = "ring"
    """Of a section: in ring order, from feeder a towards feeder b, wherever the ring is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedLimit:
    """A limit that somebody set, in force from `from_us` until `until_us` while one of its blocks holds."""

    node: str
    id: str
    """Names it at its node."""
    layer: LimitLayer
    judged: Judged
    blocks: tuple[TimeBlock, ...]
    from_us: int
    until_us: int | None
    who: str
    why: str
    source: str
    """Letter, contract, message."""
    effect: Effect = Effect.CAP
    reference: Reference = Reference.TREE
    series: str = ""
    """Limits of a node with one series follow each other; empty is a series of its own."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most a layer allows in one direction at one instant, and by what."""

    layer: LimitLayer
    judged: Judged
    kw: float
    origin: NodeLimit | StatedLimit


@dataclass(frozen=True, slots=True)
class EffectiveLimit:
    """What holds in one direction; None where nothing limits."""

    now: Ceiling | None
    until_us: int | None
    """When the figure or its origin changes; None: not within a year."""
    then: Ceiling | None


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """Every limit of the park at an instant, in the hub folder's form: one per node, layer and judgement."""

    limits: tuple[NodeLimit, ...]
    until_us: int
    """They stay so until then, and must be asked for again."""


@dataclass(frozen=True, slots=True)
class LimitBook:
    """All limits of a park, by node: those that stand and those that were stated, in the tree's directions."""

    timezone: str
    standing: Mapping[str, tuple[NodeLimit, ...]]
    stated: Mapping[str, tuple[StatedLimit, ...]]

    def timeline(self, node: str, *, imports: bool, begin_us: int, end_us: int) -> "Timeline":
        """Lay out one direction of a node over [begin, end)."""
        stretches: list[Stretch] = []
        series = sorted(self.stated.get(node, ()), key=_series)
        for _, limits in groupby(series, key=_series):
            own = list(_stretches(limits, imports=imports, window_us=(begin_us, end_us), timezone=self.timezone))
            stretches += own + _bridges(own)
        standing = tuple(limit for limit in self.standing.get(node, ()) if _kw(limit, imports=imports) is not None)
        return Timeline(imports, standing, tuple(stretches))


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stated limit in force, in one direction, from `begin_us` until before `end_us`."""

    begin_us: int
    end_us: int
    kw: float
    limit: StatedLimit


@dataclass(frozen=True, slots=True)
class Timeline:
    """One direction of one node over some time."""

    imports: bool
    standing: tuple[NodeLimit, ...]
    stretches: tuple[Stretch, ...]

    def edges_us(self) -> list[int]:
        """Instants at which something may change, in order."""
        return sorted({edge for stretch in self.stretches for edge in (stretch.begin_us, stretch.end_us)})

    def ceilings(self, at_us: int) -> dict[tuple[LimitLayer, Judged], Ceiling]:
        """What each layer allows, by judgement; a layer that says nothing is absent."""
        holding = [stretch for stretch in self.stretches if stretch.begin_us <= at_us < stretch.end_us]
        found: dict[tuple[LimitLayer, Judged], Ceiling] = {}
        for limit in self.standing:
            kw = _kw(limit, imports=self.imports)
            if kw is not None:
                _tighten(found, Ceiling(limit.layer, limit.judged, kw, limit))
        for judged in Judged:
            contract = found.get((LimitLayer.CONTRACT, judged))
            rights = _rights(holding, judged)
            if contract is not None and rights:
                largest = max(rights, key=lambda right: right.kw)
                kw = contract.kw + sum(right.kw for right in rights)
                found[LimitLayer.CONTRACT, judged] = Ceiling(LimitLayer.CONTRACT, judged, kw, largest.limit)
        for stretch in holding:
            if stretch.limit.effect is Effect.CAP:
                _tighten(found, Ceiling(stretch.limit.layer, stretch.limit.judged, stretch.kw, stretch.limit))
        return found

    def effective(self, at_us: int) -> Ceiling | None:
        """The least of all; among equals the highest layer."""
        return min(
            self.ceilings(at_us).values(), key=lambda each: (each.kw, LAYERS.index(each.layer)), default=None
        )  # fmt: skip


def limit_book(hub: Hub, stated: Iterable[StatedLimit]) -> LimitBook:
    """Put the folder's limits and the stated ones together; those counted along the ring are turned into the tree's.

    Of a section that may be fed from either side the tighter direction of a limit along the ring holds in both.
    """
    rings = [(loop, open_point_of(hub, loop)) for loop in hub.grid_loops]
    fed_from_b = {section.id for loop, point in rings for section in loop.sections[point.last :]}
    either_way = {section.id for loop, point in rings for section in contested(loop, point)}
    turned = [_in_tree(limit, fed_from_b, either_way) for limit in stated]
    return LimitBook(
        hub.timezone,
        {node: tuple(limits) for node, limits in groupby(sorted(hub.limits, key=_node), key=_node)},
        {node: tuple(limits) for node, limits in groupby(sorted(turned, key=_node), key=_node)},
    )


def effective_limit(book: LimitBook, node: str, *, imports: bool, at_us: int) -> EffectiveLimit:
    """Tell which limit binds a node in one direction, until when, and what comes next."""
    now = book.timeline(node, imports=imports, begin_us=at_us, end_us=at_us + 1).effective(at_us)
    for day in range(0, _LOOK_AHEAD_DAYS, _STEP_DAYS):
        begin_us, end_us = at_us + day * DAY_US, at_us + (day + _STEP_DAYS) * DAY_US
        timeline = book.timeline(node, imports=imports, begin_us=begin_us, end_us=end_us)
        for edge_us in timeline.edges_us():
            if max(begin_us, at_us + 1) <= edge_us < end_us and (then := timeline.effective(edge_us)) != now:
                return EffectiveLimit(now, edge_us, then)
    return EffectiveLimit(now, None, None)


def limits_at(book: LimitBook, at_us: int) -> LimitsNow:
    """Return every limit that holds at an instant, as the balancing wants it."""
    limits = [limit for node, each in book.standing.items() if node not in book.stated for limit in each]
    until_us = at_us + DAY_US
    for node in book.stated:
        limits += [
            limit for limit in book.standing.get(node, ()) if limit.apparent
        ]  # kVA, beside their sum with others
        sides = {}
        for imports in (True, False):
            timeline = book.timeline(node, imports=imports, begin_us=at_us, end_us=at_us + DAY_US)
            sides[imports] = timeline.ceilings(at_us)
            until_us = min([until_us, *(edge for edge in timeline.edges_us() if edge > at_us)])
        limits += [
            _joined(node, sides[True].get(key), sides[False].get(key)) for key in sorted({*sides[True], *sides[False]})
        ]
    return LimitsNow(tuple(limits), until_us)


def _joined(node: str, imports: Ceiling | None, exports: Ceiling | None) -> NodeLimit:
    either = imports or exports
    if either is None:
        raise ValueError(f"{node}: a limit without a direction")
    sources = dict.fromkeys(each.origin.source for each in (imports, exports) if each is not None)
    return NodeLimit(
        node=node,
        layer=either.layer,
        judged=either.judged,
        import_kw=None if imports is None else imports.kw,
        export_kw=None if exports is None else exports.kw,
        source="; ".join(sources),
    )


def _stretches(
    limits: Iterable[StatedLimit], *, imports: bool, window_us: tuple[int, int], timezone: str
) -> Iterator[Stretch]:
    """Yield what is in force within the window, and so near to it that it may have to be bridged."""
    for limit in limits:
        begin_us = max(window_us[0] - BRIDGE_US, limit.from_us)
        end_us = min(window_us[1] + BRIDGE_US, FOR_EVER_US if limit.until_us is None else limit.until_us)
        for block in limit.blocks:
            kw = block.import_kw if imports else block.export_kw
            if kw is not None:
                for since_us, until_us in block_intervals_us(block, begin_us, end_us, timezone):
                    yield Stretch(since_us, until_us, kw, limit)


def _bridges(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Where one stretch ends and another begins soon after, the tighter of the two holds in between."""
    bridges = []
    by_begin = sorted(stretches, key=lambda stretch: stretch.begin_us)
    for ended in stretches:
        for begun in by_begin:
            if ended.end_us < begun.begin_us <= ended.end_us + BRIDGE_US:
                tighter = min(ended, begun, key=lambda stretch: stretch.kw)
                bridges.append(replace(tighter, begin_us=ended.end_us, end_us=begun.begin_us))
    return bridges


def _rights(holding: Sequence[Stretch], judged: Judged) -> list[Stretch]:
    """Of each series of rights, the tightest that holds."""
    tightest: dict[str, Stretch] = {}
    for stretch in holding:
        limit = stretch.limit
        if limit.effect is Effect.RIGHT and limit.judged is judged:
            name = limit.series or limit.id
            tightest[name] = min(stretch, tightest.get(name, stretch), key=lambda each: each.kw)
    return list(tightest.values())


def _tighten(found: dict[tuple[LimitLayer, Judged], Ceiling], ceiling: Ceiling) -> None:
    key = (ceiling.layer, ceiling.judged)
    if key not in found or ceiling.kw < found[key].kw:
        found[key] = ceiling


def _in_tree(limit: StatedLimit, fed_from_b: set[str], either_way: set[str]) -> StatedLimit:
    """Return a limit in the tree's directions: fed from b, the flow in ring order comes back out of the tree."""
    if limit.reference is not Reference.RING or limit.node not in fed_from_b | either_way:
        return limit
    turn = _turned if limit.node in fed_from_b else _both_ways
    return replace(limit, blocks=tuple(turn(block) for block in limit.blocks))


def _turned(block: TimeBlock) -> TimeBlock:
    return replace(block, import_kw=block.export_kw, export_kw=block.import_kw)


def _both_ways(block: TimeBlock) -> TimeBlock:
    kw = min((kw for kw in (block.import_kw, block.export_kw) if kw is not None), default=None)
    return replace(block, import_kw=kw, export_kw=kw)


def tightest_kw(limits: Iterable[NodeLimit], *, imports: bool, cos_phi_ratio: float) -> float:
    """Return the least of some limits in one direction, infinite where there is none; of kVA what `cos_phi_ratio` leaves."""
    stated = ((_kw(limit, imports=imports), cos_phi_ratio if limit.apparent else 1.0) for limit in limits)
    return min((kw * left_ratio for kw, left_ratio in stated if kw is not None), default=float("inf"))


def _kw(limit: NodeLimit, *, imports: bool) -> float | None:
    return limit.import_kw if imports else limit.export_kw


def _node(limit: NodeLimit | StatedLimit) -> str:
    return limit.node


def _series(limit: StatedLimit) -> tuple[str, str, str, str]:
    return limit.layer, limit.judged, limit.effect, limit.series or limit.id
