"""What is wrong with a limit that somebody states, before it counts for anything (R14).

Comparisons are written so that NaN fails them. All problems at once, each with its remedy.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from hub.cells import ABSURD
from hub.limits import Effect, Reference, StatedLimit
from hub.model import Hub, LimitLayer, NodeKind
from hub.time_blocks import DAY_MINUTES, EVERY_DAY, TimeBlock
from hub.tree import Tree

MOST_BLOCKS: Final = 96
"""As many as a day has quarters; a schedule that needs more is several limits of one series."""

MOST_CHARACTERS: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_FIRST_US: Final = 0
_LAST_US: Final = 4_102_444_800_000_000
"""The year 2100: a later instant is in the wrong unit."""
_DAYS_OF_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check_limit(limit: StatedLimit, hub: Hub, tree: Tree) -> tuple[str, ...]:
    """Return everything that is wrong with a limit; empty where it can be used."""
    return (*_name_problems(limit, tree), *_time_problems(limit), *_block_problems(limit), *_right_problems(limit, hub))


def nearest_nodes(node: str, tree: Tree) -> list[str]:
    """Return nodes whose ids look like this one."""
    return difflib.get_close_matches(node, list(tree.by_id), n=3, cutoff=0.5)


def is_line(text: str) -> bool:
    """Whether it is a text on one line that is not too long."""
    return bool(text.strip()) and text.isprintable() and len(text) <= MOST_CHARACTERS


def is_sound_instant(at_us: int) -> bool:
    """Whether it can be an instant in microseconds."""
    return _FIRST_US <= at_us < _LAST_US


def _name_problems(limit: StatedLimit, tree: Tree) -> Iterator[str]:
    if limit.node not in tree.by_id:
        near = nearest_nodes(limit.node, tree)
        remedy = f"did you mean {' or '.join(near)}?" if near else "`lusbalans hub show` lists them"
        yield f"there is no node {limit.node!r}: {remedy}"
    elif limit.reference is Reference.RING and tree.by_id[limit.node].kind is not NodeKind.SEGMENT:
        yield f"{limit.node} is no section: only a section has a direction along its ring"
    for name, value in (("id", limit.id), ("series", limit.series)):
        if not _NAME.fullmatch(value) and (name == "id" or value):
            yield f"{name} {value[:70]!r}: use letters, digits, '-', '_' and '.', 64 at most, first a letter or digit"
    for name, value in (("who", limit.who), ("why", limit.why), ("source", limit.source)):
        if not is_line(value):
            yield f"{name} must be a text on one line, of {MOST_CHARACTERS} characters at most"


def _time_problems(limit: StatedLimit) -> Iterator[str]:
    instants = [limit.from_us] if limit.until_us is None else [limit.from_us, limit.until_us]
    if not all(map(is_sound_instant, instants)):
        yield "from and until must lie between 1970 and 2100"
    elif limit.until_us is not None and not limit.from_us < limit.until_us:
        yield "until must be later than from"


def _block_problems(limit: StatedLimit) -> Iterator[str]:
    if not 1 <= len(limit.blocks) <= MOST_BLOCKS:
        yield f"there must be 1 to {MOST_BLOCKS} blocks, there are {len(limit.blocks)}"
    for number, block in enumerate(limit.blocks[:MOST_BLOCKS], 1):
        for problem in _one_block(block):
            yield f"block {number}: {problem}" if len(limit.blocks) > 1 else problem


def _one_block(block: TimeBlock) -> Iterator[str]:
    given = [kw for kw in (block.import_kw, block.export_kw) if kw is not None]
    if not given:
        yield "neither import nor export is limited: give at least one"
    if not all(0 <= kw <= ABSURD for kw in given):
        yield f"kW must be between 0 and {ABSURD:g}; an export limit is a magnitude"
    if not (0 <= block.begins_minute < DAY_MINUTES and 1 <= block.ends_minute <= DAY_MINUTES):
        yield "a block begins between 00:00 and 23:59 and ends between 00:01 and 24:00"
    if not block.weekdays or not block.weekdays <= EVERY_DAY:
        yield "weekdays are 1 (Monday) to 7 (Sunday), at least one"
    if block.season is not None and not all(_is_day(*day) for day in block.season):
        yield "a season's first and last day are a month and a day of it"
    if block.first_day is not None and block.last_day is not None and not block.first_day <= block.last_day:
        yield "the last effective day must not be before the first"


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= len(_DAYS_OF_MONTH) and 1 <= day <= _DAYS_OF_MONTH[month - 1]


def _right_problems(limit: StatedLimit, hub: Hub) -> Iterator[str]:
    """A right adds to something: without a contract in that direction there is no limit it could lift."""
    if limit.effect is not Effect.RIGHT:
        return
    if limit.layer is not LimitLayer.CONTRACT:
        yield "a transport right belongs to the layer contract"
    contracts = [
        each
        for each in hub.limits
        if each.node == limit.node and each.layer is LimitLayer.CONTRACT and each.judged is limit.judged
    ]
    for name in ("import_kw", "export_kw"):
        wanted = any(getattr(block, name) is not None for block in limit.blocks)
        if wanted and all(getattr(each, name) is None for each in contracts):
            yield (
                f"{limit.node} has no contract for {name.removesuffix('_kw')} that is judged on the {limit.judged} "
                "to add a right to"
            )
