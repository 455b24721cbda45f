"""What a battery does or waits for, in words, from where its charge is and what its target came to."""

import numpy as np
import pytest

from balancer.explanation import Language
from balancer.target_policy import Band
from balancer.wishes import Wish, wish_sentence, wishes_of

CASES = [
    (0.9, -40.0, Wish.MAKE_ROOM),
    (0.9, 0.0, Wish.WAIT_FOR_IMPORT),
    (0.1, 40.0, Wish.FILL_RESERVE),
    (0.1, 0.0, Wish.WAIT_FOR_HEADROOM),
    (0.5, 0.0, Wish.REST),
    (0.605, 0.0, Wish.REST),
    (np.nan, 0.0, Wish.REST),
]


def test_a_battery_outside_its_band_moves_or_waits():
    soc_ratio, power_kw, expected = zip(*CASES, strict=True)
    within = Band(np.full(len(CASES), 0.2), np.full(len(CASES), 0.6))
    assert wishes_of(within, np.array(soc_ratio), np.array(power_kw)) == expected


@pytest.mark.parametrize(
    ("wish", "english", "dutch"),
    [
        (
            Wish.MAKE_ROOM,
            "discharges into its grid loop's import: makes room for expected sun",
            "ontlaadt in de afname van zijn lus: maakt ruimte voor verwachte zon",
        ),
        (
            Wish.WAIT_FOR_HEADROOM,
            "would fill its reserve for expected peaks: waits for headroom",
            "wil zijn reserve vullen voor verwachte pieken: wacht op ruimte",
        ),
    ],
)
def test_a_wish_is_a_sentence_in_two_languages(wish, english, dutch):
    assert (wish_sentence(wish, Language.EN), wish_sentence(wish, Language.NL)) == (english, dutch)


def test_every_wish_has_its_own_sentence_in_every_language():
    said = {wish_sentence(wish, language) for wish in Wish for language in Language}
    assert len(said) == len(Wish) * len(Language)
