"""Limits as people write and read them: the park's clock, blocks of time, and one line of remedy for what means nothing."""

from datetime import UTC, datetime

import pytest

from hub.limits import Ceiling, EffectiveLimit
from hub.model import Judged, LimitLayer, NodeLimit
from lusbalans.limit_words import WordsError, effective_lines, entry_lines, read_block, read_instant
from streams.limit_messages import LimitBlock, LimitEntry, LimitProposal, LimitTerms

AMSTERDAM = "Europe/Amsterdam"
NOON_US = 1_782_900_000_000_000  # 2026-07-01 12:00 at the park


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-07-01T12:00", "2026-07-01T10:00:00+00:00", id="by the park's clock, in summer"),
        pytest.param("2026-12-01 12:00", "2026-12-01T11:00:00+00:00", id="in winter"),
        pytest.param("2026-07-01T12:00Z", "2026-07-01T12:00:00+00:00", id="universal time"),
        pytest.param("2026-10-25T02:30+01:00", "2026-10-25T01:30:00+00:00", id="the second half past two"),
        pytest.param("2026-07-01", "2026-06-30T22:00:00+00:00", id="a day is its beginning"),
    ],
)
def test_a_time_is_read(text, expected):
    assert datetime.fromtimestamp(read_instant(text, AMSTERDAM) / 1e6, UTC).isoformat() == expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param("tomorrow", "2026-07-01T14:00", id="no time"),
        pytest.param("2026-10-25T02:30", "by an offset", id="shown twice"),
        pytest.param("2026-03-29T02:30", "by an offset", id="never shown"),
    ],
)
def test_a_time_that_says_too_little_is_refused_with_the_remedy(text, remedy):
    with pytest.raises(WordsError, match=remedy):
        read_instant(text, AMSTERDAM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("import=200", LimitBlock(import_kw=200.0), id="always"),
        pytest.param(
            "22:00-06:00 import=200 export=0", LimitBlock(import_kw=200.0, export_kw=0.0, begins_minute=1320, ends_minute=360),
            id="over midnight",
        ),
        pytest.param("18:00-00:00 import=1", LimitBlock(import_kw=1.0, begins_minute=1080), id="until midnight"),
        pytest.param("import=1 days=1-5,7", LimitBlock(import_kw=1.0, weekdays=[1, 2, 3, 4, 5, 7]), id="weekdays"),
        pytest.param(
            "import=1 season=10-01..03-31 dates=2026-10-01..",
            LimitBlock(import_kw=1.0, season_first="10-01", season_last="03-31", first_day="2026-10-01"), id="winters from 2026",
        ),
    ],
)  # fmt: skip
def test_a_block_is_read(text, expected):
    assert read_block(text) == expected


@pytest.mark.parametrize(
    "text", ["22:00", "22:00-06:60 import=1", "import=much", "color=red import=1", "days=1-9 import=1", "22:00-06:00"]
)
def test_a_block_that_means_nothing_names_the_part_and_the_form(text):
    with pytest.raises(WordsError, match=r"HH:MM-HH:MM import=KW"):
        read_block(text)


TERMS = LimitTerms(
    layer="dso_cap", judged="instant", blocks=[LimitBlock(import_kw=245.0, begins_minute=1320, ends_minute=360)],
    from_us=NOON_US, source="message 114", who="els", why="cable works", stated_us=NOON_US, confirmed_by="bas",
)  # fmt: skip


def test_a_limit_and_what_waits_are_told_with_everybody_who_had_a_say():
    proposal = LimitProposal(terms=None, who="els", why="done", proposed_us=NOON_US, loosens="import may rise")
    entry = LimitEntry(
        node="lus-1", id="cap", terms=TERMS, proposed=proposal, changed_us=1, changed_by="els", changed_why="done"
    )  # fmt: skip
    assert list(entry_lines(entry, AMSTERDAM)) == [
        "lus-1 cap: import 245 kW 22:00-06:00 [dso_cap, instant] from 2026-07-01 12:00:00+02:00 until withdrawn",
        "  by els (unauthenticated), confirmed by bas: cable works [message 114]",
        "lus-1 cap: WAITS for a second person: withdraw it",
        "  import may rise; by els (unauthenticated): done",
    ]


def test_what_binds_is_told_with_its_end_and_what_comes_next():
    folder = NodeLimit(
        node="n", layer=LimitLayer.CONTRACT, judged=Judged.QUARTER, import_kw=300.0, export_kw=None, source="letter"
    )
    found = {"import": EffectiveLimit(Ceiling(LimitLayer.CONTRACT, Judged.QUARTER, 300.0, folder), NOON_US, None),
             "export": EffectiveLimit(None, None, None)}  # fmt: skip
    assert list(effective_lines("n", found, AMSTERDAM)) == [
        "n import: 300 kW by contract (quarter; letter), until 2026-07-01 12:00:00+02:00, then no limit",
        "n export: no limit",
    ]
