"""What people see: the live table, the status line and the summary, from messages made by hand."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from connectors.run_log import Happened
from hub.folder import read_hub
from lusbalans.live_table import StatusLines, drawing
from lusbalans.picture import Picture
from lusbalans.summary_text import nearest, print_summary, verdict
from streams.limit_record import LimitFigures
from streams.messages import Epoch, LoopState, NodeStates, SetpointFrame, SetpointResult, TelemetryFrame
from streams.summary import SummaryFold

EPOCH = Epoch(1, 1, 0)
NOON_US = 1_795_521_600_000_000


@pytest.fixture(scope="module")
def hub():
    return read_hub(Path(__file__).parents[2] / "infra" / "hubs" / "de-koumen")


def state_of(node, *, power_kw, mode="closed", fresh=True, binding=""):
    columns = {name: [12.0] for name in NodeStates.__struct_fields__}
    words = {"ids": [node], "power_kw": [power_kw], "binding": [binding], "fresh": [fresh], "limit_export_kw": [None]}
    return LoopState(
        grid_loop=node,
        tick=1,
        at_us=0,
        epoch=EPOCH,
        nodes=NodeStates(**columns | words),
        missed_ticks=0,
        folded_until_us=0,
        mode=mode,
    )


def setpoints(**reasons):
    return SetpointFrame(
        grid_loop="lus-1",
        epoch=EPOCH,
        sequence=1,
        tick=1,
        issued_at_us=0,
        valid_for_ms=10_000,
        folded_until_us=0,
        full=True,
        ids=list(reasons),
        power_kw=[-20.0] * len(reasons),
        bound=["at_least"] * len(reasons),
        reason=list(reasons.values()),
        binding=["park" if reason.endswith("limit") else "" for reason in reasons.values()],
    )


def picture_of(hub, *messages):
    picture = Picture(hub)
    for message in messages:
        picture.take(Happened("lus-1", message, 7))
    return picture


def text_of(renderable, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_table_shows_each_node_with_its_limits_and_what_binds(hub):
    picture = picture_of(hub, state_of("lus-1", power_kw=203.4, binding="export"), state_of("park", power_kw=1_234.5))
    lines = text_of(drawing(picture, "demo", rows=5, now_us=NOON_US)).splitlines()
    park, lus_1 = (next(line for line in lines if line.strip().startswith(name)) for name in ("park", "lus-1"))
    assert lines.index(next(line for line in lines if "park" in line)) < lines.index(lus_1)
    assert "1,234" in park
    assert {"203", "Noordrand", "export"} <= set(lus_1.split())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"mode": "fallback"}, "FALLBACK", id="fixed shares"),
        pytest.param({"fresh": False}, "STALE", id="old readings"),
    ],
)
def test_what_is_wrong_with_a_loop_is_said_in_words(hub, changes, word):
    picture = picture_of(hub, state_of("lus-1", power_kw=1.0, **changes))
    assert word in text_of(drawing(picture, "demo", rows=5, now_us=NOON_US))


def test_setpoints_that_a_limit_decides_come_first_and_targets_last(hub):
    picture = picture_of(hub, setpoints(a="target", b="device_range", c="export_limit", d="fallback"))
    assert [line.asset for line in picture.most_interesting(3)] == ["c", "d", "b"]


def test_a_setpoint_stands_beside_what_is_measured_and_why(hub):
    reading = TelemetryFrame(gateway="g", sequence=1, sent_at_us=0, ids=["pv-01"], measured_at_us=[1], power_kw=[-19.5])
    frame = setpoints(**{"pv-01": "export_limit"})
    refusal = SetpointResult(grid_loop="lus-1", epoch=EPOCH, sequence=1, at_us=0, outcome="refused")
    shown = text_of(drawing(picture_of(hub, reading, frame, refusal), "demo", rows=5, now_us=NOON_US))
    assert " ".join(next(line for line in shown.splitlines() if "pv-01" in line).split()) == (
        "pv-01 lus-1 >= -20.0 -19.5 export limit park"
    )
    assert "1 devices: 1 export limit; 1 frames refused by dispatch" in shown


def test_the_first_setpoint_s_time_is_kept(hub):
    assert picture_of(hub, setpoints(a="target"), setpoints(a="target")).first_setpoint_us == 7


def test_a_status_line_comes_at_most_as_often_as_stated(hub):
    console = Console(width=120, record=True, file=io.StringIO())
    with StatusLines(console, every_s=60.0) as view:
        for _ in range(3):
            view.update(picture_of(hub, state_of("park", power_kw=10.0)))
    assert console.export_text().splitlines() == ["park 10 kW, limits 12 import, - export; 0 of 0 setpoints bound"]


def limit(node, *, ratio=0.5, breached=False, judged="instant"):
    return LimitFigures(
        node=node,
        direction="import",
        layer="contract",
        judged=judged,
        limit_kw=100.0,
        quarter_kw=None,
        quarter_ratio=None,
        quarter_start_us=None,
        quarters_seen=0,
        quarters_breached=0,
        instant_kw=100 * ratio,
        instant_ratio=ratio,
        instant_at_us=1,
        over_s=12.0 if breached else 0.0,
        breached=breached,
    )


def test_the_summary_lists_the_park_the_breached_and_the_nearest():
    limits = [limit(f"n{at}", ratio=at / 100) for at in range(30)] + [limit("low", breached=True), limit("park")]
    names = [each.node for each in nearest(limits)]
    assert names == ["low", "park", *(f"n{at}" for at in range(29, 21, -1))]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        pytest.param([limit("a"), limit("b")], "no limit breached (2 watched)", id="kept"),
        pytest.param([limit("a", breached=True)], "BREACHED: a import at once", id="one breached"),
        pytest.param([limit("a", breached=True)] * 7, "and 2 more", id="many breached"),
    ],
)
def test_the_verdict_names_what_was_breached(hub, limits, says):
    breached = sum(each.breached for each in limits)
    summary = msgspec.structs.replace(SummaryFold(hub).summary(), limits=limits, limits_breached=breached)
    assert says in verdict(summary)


def test_a_summary_of_nothing_can_be_printed(hub):
    console = Console(width=120, record=True, file=io.StringIO())
    print_summary(SummaryFold(hub).summary(), console)
    assert "no readings" in console.export_text()
