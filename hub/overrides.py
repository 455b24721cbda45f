"""What an operator makes of one asset whatever the balancing would: stop it, hold it, keep it low. Pure, no clock.

An override is no layer but a box (R10): no limit moves an asset out of it, and it never reaches beyond the asset's own
range. It ends by its `until_us` or when it is withdrawn, which needs two people, as does all that allows the asset
more, or obliges it to more, than before (R18).
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hub.limit_checks import MOST_CHARACTERS, is_line, is_sound_instant
from hub.model import Asset, Hub


class OverrideKind(StrEnum):
    """What it does."""

    STOP = "stop"
    """Kept at rest: no power, or as little as the hub folder lets it take."""
    OUT_OF_SERVICE = "out_of_service"
    """Likewise, because somebody works on it or it is broken: nobody waits for it."""
    HOLD = "hold"
    """Kept at one power, whatever the limits."""
    AT_MOST = "at_most"
    """May take, or give, this much at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """An asset has one at most."""

    asset: str
    kind: OverrideKind
    power_kw: float | None
    """Where to hold it, by the load convention; the most, as a magnitude in both directions; None where it stops."""
    until_us: int | None
    """Before this instant; None: until it is withdrawn."""
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Between what powers an asset is kept, kW, never beyond its own range."""

    min_kw: float
    max_kw: float
    rest_kw: float
    """The power nearest to none that its range lets it have."""

    def towards_rest(self, power_kw: float) -> float:
        """Return the nearest power that is not further from rest than the override allows.

        So one that holds an asset at a power never keeps it from giving way.

        >>> held = Kept(min_kw=50.0, max_kw=50.0, rest_kw=0.0)
        >>> [held.towards_rest(power_kw) for power_kw in (90.0, 20.0, -20.0)]
        [50.0, 20.0, 0.0]
        """
        return min(max(power_kw, min(self.min_kw, self.rest_kw)), max(self.max_kw, self.rest_kw))


def kept_by(asset: Asset, override: Override | None, *, at_us: int) -> Kept:
    """Between what powers an override keeps an asset; without one, or with one that ended, its own range."""
    rest_kw = _within(asset, 0.0)
    if override is None or (override.until_us is not None and at_us >= override.until_us):
        return Kept(min_kw=asset.min_kw, max_kw=asset.max_kw, rest_kw=rest_kw)
    power_kw = 0.0 if override.power_kw is None else override.power_kw
    least_kw = 0.0 - power_kw if override.kind is OverrideKind.AT_MOST else power_kw
    return Kept(min_kw=_within(asset, least_kw), max_kw=_within(asset, power_kw), rest_kw=rest_kw)


def check_override(override: Override, hub: Hub) -> tuple[str, ...]:
    """Return everything that is wrong with an override; empty where it can be used (R14)."""
    return (*_asset_problems(override, hub), *_text_problems(override))


def loosens(asset: Asset, before: Override | None, after: Override | None, *, now_us: int) -> str:
    """What a change of override allows an asset, or obliges it to, beyond before, from now on; empty where nothing."""
    untils_us = [each.until_us for each in (before, after) if each is not None and each.until_us is not None]
    for at_us in sorted({now_us, *(until_us for until_us in untils_us if until_us > now_us)}):
        was, becomes = (kept_by(asset, each, at_us=at_us) for each in (before, after))
        if found := _looser(was, becomes):
            return f"{asset.id} {found}"
    return ""


def _within(asset: Asset, power_kw: float) -> float:
    return min(max(power_kw, asset.min_kw), asset.max_kw)


def _looser(was: Kept, becomes: Kept) -> str:
    for words, was_kw, becomes_kw in zip(_FREEDOM, _freedom_kw(was), _freedom_kw(becomes), strict=True):
        if becomes_kw > was_kw:
            return words.format(becomes_kw, was_kw)
    return ""


_FREEDOM: Final = (
    "may take {:g} kW instead of {:g} kW",
    "may give {:g} kW instead of {:g} kW",
    "could not go below {:g} kW, instead of {:g} kW",
    "could not give less than {:g} kW, instead of {:g} kW",
)


def _freedom_kw(kept: Kept) -> tuple[float, float, float, float]:
    """What it may do, and what it must: no limit makes an asset give way that is held at a power."""
    may_take_kw, must_take_kw = (max(kw, kept.rest_kw) for kw in (kept.max_kw, kept.min_kw))
    may_give_kw, must_give_kw = (0.0 - min(kw, kept.rest_kw) for kw in (kept.min_kw, kept.max_kw))
    return may_take_kw, may_give_kw, must_take_kw, must_give_kw


def _asset_problems(override: Override, hub: Hub) -> Iterator[str]:
    assets = {asset.id: asset for asset in hub.assets}
    asset = assets.get(override.asset)
    if asset is None:
        near = difflib.get_close_matches(override.asset, list(assets), n=3, cutoff=0.5)
        yield f"there is no asset {override.asset!r}" + (f": did you mean {' or '.join(near)}?" if near else "")
    elif not asset.kind.controllable:
        yield f"{asset.id} is a {asset.kind}: nothing can be told to it"
    else:
        yield from _power_problems(override, asset)


def _power_problems(override: Override, asset: Asset) -> Iterator[str]:
    power_kw = override.power_kw
    match override.kind:
        case OverrideKind.STOP | OverrideKind.OUT_OF_SERVICE:
            if power_kw is not None:
                yield f"{override.kind} has no power"
        case OverrideKind.HOLD:
            if power_kw is None or not asset.min_kw <= power_kw <= asset.max_kw:
                yield f"power must be between {asset.min_kw:g} and {asset.max_kw:g} kW, the range of {asset.id}"
            elif 0 < power_kw < asset.min_on_kw:
                yield f"{asset.id} takes nothing, or {asset.min_on_kw:g} kW at least"
        case OverrideKind.AT_MOST:
            if power_kw is None or not 0 <= power_kw <= asset.rated_kw:
                yield f"power must be a magnitude from 0 to {asset.rated_kw:g} kW, the rating of {asset.id}"


def _text_problems(override: Override) -> Iterator[str]:
    if override.until_us is not None and not is_sound_instant(override.until_us):
        yield "until must lie between 1970 and 2100"
    for name, value in (("who", override.who), ("why", override.why)):
        if not is_line(value):
            yield f"{name} must be a text on one line, of {MOST_CHARACTERS} characters at most"
