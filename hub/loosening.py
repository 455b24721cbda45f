"""Whether a change of limits loosens anything, at any instant from now on (R18): then two people are needed.

What counts is what would be effective, layer by layer: a cap that a tighter one of the same or a higher layer covers
may go by one person's word, a cap that is only covered by a lower layer may not, for the lower one would give way. The
end of an `until` that was stated is no change and loosens nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from hub.limits import BRIDGE_US, FOR_EVER_US, LAYERS, LimitBook, StatedLimit, Timeline
from hub.local_days import day_start_us, local_day
from hub.model import Judged
from hub.time_blocks import TimeBlock

CYCLE_DAYS: Final = 28 * 365 + 7
"""After 28 years weekdays fall on the same dates again: what has not loosened anything by then never will."""

_GRAIN_KW: Final = 1e-9
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Loosening:
    """The first instant found at which a direction of a node would be allowed more than it is now."""

    at_us: int
    imports: bool
    before_kw: float
    """`inf` is no limit."""
    after_kw: float


def find_loosening(before: LimitBook, after: LimitBook, node: str, *, now_us: int) -> Loosening | None:
    """Compare two books of limits of one node, from now on."""
    limits = (*before.stated.get(node, ()), *after.stated.get(node, ()))
    for day in _telling_days(limits, now_us=now_us, timezone=before.timezone):
        begin_us = max(day_start_us(day, before.timezone), now_us)
        end_us = day_start_us(day + _DAY, before.timezone)
        for imports in (True, False):
            pair = [
                book.timeline(node, imports=imports, begin_us=begin_us, end_us=end_us) for book in (before, after)
            ]  # fmt: skip
            edges_us = {begin_us, *(edge for timeline in pair for edge in timeline.edges_us())}
            for at_us in sorted(edge for edge in edges_us if begin_us <= edge < end_us):
                looser = _looser(pair[0], pair[1], at_us)
                if looser is not None:
                    return Loosening(at_us, imports, *looser)
    return None


def _looser(before: Timeline, after: Timeline, at_us: int) -> tuple[float, float] | None:
    """What the layers down to some layer allow together, before and after, where that is more after."""
    was, becomes = before.ceilings(at_us), after.ceilings(at_us)
    for judged in Judged:
        was_kw = becomes_kw = float("inf")
        for layer in LAYERS:
            key = (layer, judged)
            was_kw = min(was_kw, was[key].kw) if key in was else was_kw
            becomes_kw = min(becomes_kw, becomes[key].kw) if key in becomes else becomes_kw
            if becomes_kw > was_kw + _GRAIN_KW:
                return was_kw, becomes_kw
    return None


def _telling_days(limits: tuple[StatedLimit, ...], *, now_us: int, timezone: str) -> Iterator[date]:
    """Yield one local day of each kind that there will be.

    Today, each on which something begins or ends for good, and the first of all those on which the same blocks begin
    and the clock runs alike.
    """
    today = local_day(now_us, timezone)
    special = {
        local_day(at_us + near_us, timezone)
        for limit in limits
        for at_us in (limit.from_us, FOR_EVER_US if limit.until_us is None else limit.until_us)
        for near_us in (-BRIDGE_US, 0, BRIDGE_US)
        if now_us <= at_us < now_us + CYCLE_DAYS * 86_400_000_000
    }
    blocks = [(limit, block) for limit in limits for block in limit.blocks if not block.always]
    if not blocks:
        yield from sorted({today, *special})
        return
    seen = set()
    yesterday, begun = _begun(blocks, today - _DAY), _begun(blocks, today)
    for number in range(CYCLE_DAYS):
        day = today + number * _DAY
        tomorrow = _begun(blocks, day + _DAY)
        begin_us, end_us = day_start_us(day, timezone), day_start_us(day + _DAY, timezone)
        alive = tuple(
            limit.from_us < end_us and (limit.until_us is None or limit.until_us > begin_us) for limit in limits
        )
        kind = (yesterday, begun, tomorrow, alive, end_us - begin_us)
        if number == 0 or day in special or kind not in seen:
            seen.add(kind)
            yield day
        yesterday, begun = begun, tomorrow


def _begun(blocks: list[tuple[StatedLimit, TimeBlock]], day: date) -> tuple[bool, ...]:
    return tuple(block.begins_on(day) for _, block in blocks)
