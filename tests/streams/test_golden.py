"""Golden messages: what version 1 put on the wire must stay readable, and is still written the same, byte for byte.

A file is what the encoder wrote when the message kind was released. A new optional field gets a file of its own; an
old file is never changed, or the field meters and logs of a running park can no longer be read.
"""

from pathlib import Path

import msgspec
import pytest

from streams.codec import Decoder, encode
from streams.guard_messages import Condition, ConditionKind, ConditionPhase, Revert, RevertBy
from streams.limit_messages import LimitBlock, LimitEntry, LimitProposal, LimitTerms
from streams.messages import (
    Bound,
    Budget,
    Claim,
    Curve,
    Epoch,
    LoopState,
    NodeStates,
    Offer,
    Outcome,
    Quality,
    Reason,
    Refusal,
    SetpointFrame,
    SetpointResult,
    TelemetryFrame,
    Violation,
)
from streams.override_messages import OverrideEntry, OverrideProposal, OverrideTerms
from streams.topology_messages import TopologyEntry, TopologyProposal, TopologyTerms

FOLDER = Path(__file__).parents[1] / "golden/v1"
EPOCH = Epoch(1, 42, 7301)
NOON_US = 1_782_900_000_000_000  # 2026-07-01 10:00:00 UTC

CAP = LimitTerms(
    layer="dso_cap",
    judged="instant",
    blocks=[LimitBlock(import_kw=245.5, export_kw=0.0)],
    from_us=NOON_US,
    until_us=NOON_US + 7_200_000_000,
    source="DSO message 2026-114",
    who="els",
    why="works on the cable",
    stated_us=NOON_US - 60_000_000,
)
STOPPED = OverrideTerms(kind="stop", who="els", why="smoke at the plug", stated_us=NOON_US)
NIGHT_RIGHT = LimitTerms(
    layer="contract",
    judged="quarter",
    blocks=[
        LimitBlock(
            import_kw=200.0,
            begins_minute=1320,
            ends_minute=360,
            weekdays=[1, 2, 3, 4, 5],
            season_first="10-01",
            season_last="03-31",
            first_day="2026-10-01",
            last_day="2028-03-31",
        )
    ],
    from_us=NOON_US,
    effect="right",
    reference="ring",
    series="tbtr",
    source="contract TBTR-7",
    who="els",
    authenticated=True,
    why="blokstroom",
    stated_us=NOON_US,
    confirmed_by="bas",
)

GOLDEN = {
    "telemetry": TelemetryFrame(
        gateway="gw-lus-1",
        sequence=86_401,
        sent_at_us=NOON_US + 4_000,
        ids=["lus-1/a", "871242301402200013", "pv-7", "bat-2", "ev-3"],
        measured_at_us=[NOON_US, NOON_US, NOON_US, NOON_US - 250_000, NOON_US],
        power_kw=[-112.5, 40.25, -181.0, 0.0, None],
        energy_import_wh=[9_007_199_254_740_993, 12_345, 0, None, None],
        energy_export_wh=[412, 0, 55_000_123, None, None],
        min_kw=[None, None, -204.5, -100.0, 0.0],
        max_kw=[None, None, 0.0, 100.0, 11.0],
        soc_ratio=[None, None, None, 0.5, None],
        quality=[Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.ESTIMATED, Quality.BAD],
    ),
    "telemetry-meters-only": TelemetryFrame(
        gateway="gw-station", sequence=1, sent_at_us=NOON_US, ids=["park"], measured_at_us=[NOON_US], power_kw=[3120.0]
    ),
    "telemetry-reactive": TelemetryFrame(
        gateway="gw-lus-1",
        sequence=7,
        sent_at_us=NOON_US,
        ids=["lus-1/a", "pv-7"],
        measured_at_us=[NOON_US, NOON_US],
        power_kw=[80.0, -35.5],
        reactive_kvar=[60.25, None],
    ),
    "telemetry-phases": TelemetryFrame(
        gateway="gw-lus-1",
        sequence=8,
        sent_at_us=NOON_US,
        ids=["871242301402200013"],
        measured_at_us=[NOON_US],
        power_kw=[40.0],
        phase_import_a=[78.5],
        phase_export_a=[0.0],
    ),
    "claim": Claim(grid_loop="lus-1", worker="worker-a", incarnation=1, generation=42, at_us=NOON_US),
    "offer": Offer(
        grid_loop="lus-1",
        tick=1_782_900_000,
        epoch=EPOCH,
        issued_at_us=NOON_US + 20_000,
        curve=Curve(
            order=[-2, -1, 0, 1],
            pressure=[-0.5, -0.25, 0.0, 0.75],
            power_kw=[-180.0, -80.5, 0.0, 100.0],
            error_kw=0.125,
        ),
        power_kw=420.5,
        uncontrolled_low_kw=390.5,
        uncontrolled_high_kw=412.75,
        acknowledged=17,
        acknowledged_epoch=Epoch(1, 42, 7299),
    ),
    "budget": Budget(
        grid_loop="lus-1",
        tick=1_782_900_000,
        epoch=EPOCH,
        number=18,
        issued_at_us=NOON_US + 90_000,
        lease_ms=5_000,
        min_kw=0.0,
        max_kw=680.0,
    ),
    "loop-state": LoopState(
        grid_loop="lus-1",
        tick=1_782_900_000,
        at_us=NOON_US + 110_000,
        epoch=EPOCH,
        nodes=NodeStates(
            ids=["lus-1", "lus-1/a"],
            power_kw=[412.75, None],
            limit_import_kw=[900.0, 450.0],
            limit_export_kw=[0.0, None],
            headroom_import_kw=[487.25, None],
            headroom_export_kw=[412.75, None],
            quarter_import_kw=[398.5, 201.0],
            quarter_export_kw=[0.0, 0.0],
            projected_import_kw=[405.0, None],
            projected_export_kw=[0.0, None],
            coverage_ratio=[1.0, 0.875],
            binding=["export", ""],
            fresh=[True, False],
        ),
        missed_ticks=2,
        folded_until_us=NOON_US,
        violations=[Violation(node="lus-1/a", direction="import", kw=12.5, layer="protection")],
        mode="fallback",
    ),
    "loop-state-layers": LoopState(
        grid_loop="lus-1",
        tick=1_782_900_000,
        at_us=NOON_US + 110_000,
        epoch=EPOCH,
        nodes=NodeStates(
            ids=["lus-1"],
            power_kw=[412.75],
            limit_import_kw=[246.0],
            limit_export_kw=[None],
            headroom_import_kw=[-166.75],
            headroom_export_kw=[None],
            quarter_import_kw=[398.5],
            quarter_export_kw=[0.0],
            projected_import_kw=[405.0],
            projected_export_kw=[0.0],
            coverage_ratio=[1.0],
            binding=["import"],
            fresh=[True],
            limit_import_layer=["dso_cap"],
            limit_export_layer=[""],
        ),
        missed_ticks=0,
        folded_until_us=NOON_US,
    ),
    "setpoint-full": SetpointFrame(
        grid_loop="lus-1",
        epoch=EPOCH,
        sequence=1_201,
        tick=1_782_900_000,
        issued_at_us=NOON_US + 120_000,
        valid_for_ms=10_000,
        folded_until_us=NOON_US,
        full=True,
        ids=["bat-2", "ev-3", "pv-7"],
        power_kw=[100.0, 7.5, -35.0],
        bound=[Bound.EXACT, Bound.AT_MOST, Bound.AT_LEAST],
        reason=[Reason.EXPORT_LIMIT, Reason.TARGET, Reason.EXPORT_LIMIT],
        binding=["park", "", "lus-1/a"],
    ),
    "setpoint-renewal": SetpointFrame(
        grid_loop="lus-1",
        epoch=EPOCH,
        sequence=1_202,
        tick=1_782_900_001,
        issued_at_us=NOON_US + 1_120_000,
        valid_for_ms=10_000,
        folded_until_us=NOON_US + 1_000_000,
        full=False,
        renews=1_201,
    ),
    "setpoint-result": SetpointResult(
        grid_loop="lus-1",
        epoch=EPOCH,
        sequence=1_201,
        at_us=NOON_US + 150_000,
        outcome=Outcome.ACCEPTED,
        ids=["bat-2", "ev-3", "pv-7"],
        detail="3 devices",
        latency_ms=30.25,
    ),
    "setpoint-refused": SetpointResult(
        grid_loop="lus-1",
        epoch=Epoch(1, 41, 7000),
        sequence=1_199,
        at_us=NOON_US + 150_000,
        outcome=Outcome.REFUSED,
        refusal=Refusal.LOWER_EPOCH,
    ),
    "condition": Condition(
        id="controller_silent/lus-1",
        hub="de-koumen",
        subject="lus-1",
        kind=ConditionKind.CONTROLLER_SILENT,
        phase=ConditionPhase.SEEN,
        at_us=NOON_US + 5_000_000,
        role="watchdog",
        text="no setpoint frame of lus-1 for 5.0 s",
        figures={"silence_s": 5.0},
    ),
    "revert": Revert(
        grid_loop="lus-1",
        at_us=NOON_US + 8_000_000,
        by=RevertBy.WATCHDOG,
        who="watchdog-7",
        why="no setpoint frame for 8.0 s",
    ),
    "limit-entry": LimitEntry(
        node="lus-1/a",
        id="works",
        terms=CAP,
        changed_us=NOON_US - 60_000_000,
        changed_by="els",
        changed_why="works on the cable",
    ),
    "limit-pending": LimitEntry(
        node="group",
        id="night",
        terms=NIGHT_RIGHT,
        proposed=LimitProposal(
            terms=None,
            who="els",
            why="contract ended",
            proposed_us=NOON_US,
            loosens="import may rise from 100 to 300 kW",
        ),
        changed_us=NOON_US,
        after_us=NOON_US - 9_000_000,
        changed_by="els",
        changed_why="contract ended",
    ),
    "override-entry": OverrideEntry(
        asset="charger-07",
        terms=STOPPED,
        changed_us=NOON_US,
        changed_by="els",
        changed_why="smoke at the plug",
    ),
    "override-pending": OverrideEntry(
        asset="charger-07",
        terms=STOPPED,
        proposed=OverrideProposal(
            terms=OverrideTerms(
                kind="hold",
                power_kw=7.5,
                until_us=NOON_US + 7_200_000_000,
                who="els",
                why="test after repair",
                stated_us=NOON_US + 9_000_000,
            ),
            who="els",
            why="test after repair",
            proposed_us=NOON_US + 9_000_000,
            loosens="charger-07 may take 7.5 kW instead of 0 kW",
        ),
        changed_us=NOON_US + 9_000_000,
        after_us=NOON_US,
        changed_by="els",
        changed_why="test after repair",
    ),
    "loop-state-open-point": LoopState(
        grid_loop="lus-1",
        tick=1_782_900_000,
        at_us=NOON_US + 110_000,
        epoch=EPOCH,
        nodes=NodeStates(
            ids=[],
            power_kw=[],
            limit_import_kw=[],
            limit_export_kw=[],
            headroom_import_kw=[],
            headroom_export_kw=[],
            quarter_import_kw=[],
            quarter_export_kw=[],
            projected_import_kw=[],
            projected_export_kw=[],
            coverage_ratio=[],
            binding=[],
            fresh=[],
        ),
        missed_ticks=0,
        folded_until_us=NOON_US,
        open_point="switching",
        open_after=[4, 5],
    ),
    "topology-moving": TopologyEntry(
        grid_loop="lus-1",
        terms=TopologyTerms(certainty="switching", open_after=4, moving_to=5, earlier=[4]),
        proposed=TopologyProposal(open_after=5, who="els", why="works on section 5", proposed_us=NOON_US),
        changed_us=NOON_US,
        changed_by="els",
        changed_why="works on section 5",
    ),
    "topology-unknown": TopologyEntry(
        grid_loop="lus-1",
        terms=TopologyTerms(certainty="unknown", open_after=5),
        changed_us=NOON_US + 9_000_000,
        after_us=NOON_US,
        changed_by="worker-a",
        changed_why="lus-1/a measures 41.0 kW more than all that should hang on it",
    ),
}

each = pytest.mark.parametrize("name", GOLDEN)


def payload(name):
    return (FOLDER / f"{name}.json").read_bytes()


def test_there_is_one_file_for_each_golden_message():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(GOLDEN)


@each
def test_what_version_1_wrote_is_read_as_what_was_meant(name):
    assert Decoder(type(GOLDEN[name])).decode(payload(name)) == GOLDEN[name]


@each
def test_the_same_message_is_still_written_with_the_same_bytes(name):
    assert encode(GOLDEN[name]) == payload(name)


def test_every_message_kind_has_a_golden_message():
    on_topics = {
        TelemetryFrame,
        Claim,
        Offer,
        Budget,
        LoopState,
        SetpointFrame,
        SetpointResult,
        Condition,
        Revert,
        LimitEntry,
        OverrideEntry,
        TopologyEntry,
    }
    assert {type(message) for message in GOLDEN.values()} == on_topics


@each
def test_a_field_that_a_newer_writer_adds_is_ignored(name):
    newer = msgspec.json.decode(payload(name)) | {"added_in_2031": {"a": [1, None]}}
    assert Decoder(type(GOLDEN[name])).decode(msgspec.json.encode(newer)) == GOLDEN[name]


@each
def test_an_optional_field_may_be_missing(name):
    kind = type(GOLDEN[name])
    optional = {field.encode_name for field in msgspec.structs.fields(kind) if not field.required}
    required_only = {k: v for k, v in msgspec.json.decode(payload(name)).items() if k not in optional}
    decoded = Decoder(kind).decode(msgspec.json.encode(required_only))
    assert isinstance(decoded, kind)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("telemetry", "quality", ["good", "good", "good", "good", "interpolated"]),
        ("setpoint-full", "bound", ["exact", "at_most", "within_band"]),
        ("setpoint-full", "reason", ["target", "target", "reactive_power"]),
        ("setpoint-refused", "refusal", "signature"),
        ("setpoint-result", "outcome", "queued"),
        ("condition", "kind", "transformer_hot"),
        ("condition", "phase", "suspected"),
        ("revert", "by", "regulator"),
    ],
)
def test_an_enum_member_that_is_not_known_here_stays_readable(name, field, value):
    newer = msgspec.json.decode(payload(name)) | {field: value}
    assert getattr(Decoder(type(GOLDEN[name])).decode(msgspec.json.encode(newer)), field) == value
