"""Why a battery is where the target policy puts it, for people: what it does, or what it waits for. Pure."""

from enum import StrEnum
from typing import Final

from balancer.explanation import Language
from balancer.target_policy import DEAD_RATIO, Band, Floats


class Wish(StrEnum):
    """What a battery does while no limit moves it."""

    REST = "target"
    """Its charge is within the band, or not known."""
    MAKE_ROOM = "makes_room"
    FILL_RESERVE = "fills_reserve"
    WAIT_FOR_IMPORT = "waits_for_import"
    WAIT_FOR_HEADROOM = "waits_for_headroom"


def wishes_of(within: Band, soc_ratio: Floats, power_kw: Floats) -> tuple[Wish, ...]:
    """[n_batteries] What `balancer.target_policy.target_kw` came to, in words.

    Args:
        within: their band.
        soc_ratio: [n_batteries] measured; NaN is unknown.
        power_kw: [n_batteries] the targets.
    """
    return tuple(
        _wish(above=above, below=below, power_kw=kw)
        for above, below, kw in zip(
            (soc_ratio > within.high_ratio + DEAD_RATIO).tolist(),
            (soc_ratio < within.low_ratio - DEAD_RATIO).tolist(),
            power_kw.tolist(),
            strict=True,
        )
    )


def _wish(*, above: bool, below: bool, power_kw: float) -> Wish:
    if above:
        return Wish.MAKE_ROOM if power_kw < 0 else Wish.WAIT_FOR_IMPORT
    if below:
        return Wish.FILL_RESERVE if power_kw > 0 else Wish.WAIT_FOR_HEADROOM
    return Wish.REST


_SENTENCE: Final = {
    Language.EN: {
        Wish.REST: "rests: nothing binds",
        Wish.MAKE_ROOM: "discharges into its grid loop's import: makes room for expected sun",
        Wish.FILL_RESERVE: "charges: fills its reserve for expected peaks",
        Wish.WAIT_FOR_IMPORT: "would make room for expected sun: waits for import to discharge into",
        Wish.WAIT_FOR_HEADROOM: "would fill its reserve for expected peaks: waits for headroom",
    },
    Language.NL: {
        Wish.REST: "rust: niets knelt",
        Wish.MAKE_ROOM: "ontlaadt in de afname van zijn lus: maakt ruimte voor verwachte zon",
        Wish.FILL_RESERVE: "laadt: vult zijn reserve voor verwachte pieken",
        Wish.WAIT_FOR_IMPORT: "wil ruimte maken voor verwachte zon: wacht op afname om in te ontladen",
        Wish.WAIT_FOR_HEADROOM: "wil zijn reserve vullen voor verwachte pieken: wacht op ruimte",
    },
}


def wish_sentence(wish: Wish, language: Language) -> str:
    """One sentence: what the battery does or waits for, and why.

    >>> wish_sentence(Wish.FILL_RESERVE, Language.NL)
    'laadt: vult zijn reserve voor verwachte pieken'
    """
    return _SENTENCE[language][wish]
