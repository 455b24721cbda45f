"""Messages, a small hub and an independent computation of quarter energy for the tests of the store."""

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

import msgspec

from connectors.store.batch import Batch, Message
from connectors.store.offsets import LogPartition
from connectors.store.registry import Registry
from hub.model import Hub, Margin, Timing
from hub.quarters import QUARTER_US
from streams.codec import encode
from streams.messages import Epoch, LoopState, NodeStates, SetpointFrame, SetpointResult, TelemetryFrame

SECOND_US = 1_000_000
START_US = 1_790_000_000_000_000 // QUARTER_US * QUARTER_US
KEY = b"park/lus-1"

HUB = Hub(
    id="park",
    name="Park",
    station="Station",
    timezone="Europe/Amsterdam",
    timing=Timing(
        tick_s=1.0,
        meter_cadence_s=1.0,
        stale_after_s=5.0,
        setpoint_valid_s=10.0,
        device_lease_s=60.0,
        budget_lease_s=5.0,
    ),
    margin=Margin(import_kw=0.0, export_kw=0.0, source="invented for the tests"),
    grid_loops=(),
    connections=(),
    assets=(),
    limits=(),
)


def partition(topic: str = "hub.telemetry.v1", number: int = 0) -> LogPartition:
    """A partition of a cluster that nobody else knows."""
    return LogPartition(f"cluster-{uuid.uuid4().hex}", uuid.uuid4(), topic, number)


def frame(at_s: float, registers_wh: dict[str, int | None], **columns: object) -> TelemetryFrame:
    """One reading per point at START + `at_s`; export registers stand at half of import's."""
    at_us = START_US + round(at_s * SECOND_US)
    values = list(registers_wh.values())
    return TelemetryFrame(
        gateway="g",
        sequence=int(at_s),
        sent_at_us=at_us,
        ids=list(registers_wh),
        measured_at_us=[at_us] * len(values),
        power_kw=[1.5] * len(values),
        energy_import_wh=values,
        energy_export_wh=[None if value is None else value // 2 for value in values],
        **columns,
    )


def state(tick: int, ids: Sequence[str] = ("lus-1",)) -> LoopState:
    """One tick of one grid loop."""
    reals = [None] * len(ids)
    names = [name for name in NodeStates.__struct_fields__ if name.endswith(("_kw", "_ratio"))]
    nodes = NodeStates(
        ids=list(ids), binding=["import contract"] * len(ids), fresh=[True] * len(ids), **dict.fromkeys(names, reals)
    )
    at_us = START_US + tick * SECOND_US
    return LoopState(
        grid_loop="lus-1",
        tick=tick,
        at_us=at_us,
        epoch=Epoch(1, 1, 1),
        nodes=nodes,
        missed_ticks=0,
        folded_until_us=at_us,
    )


def setpoint(sequence: int, power_kw: Sequence[float] = (7.0,)) -> SetpointFrame:
    """A full frame for as many assets as there are powers."""
    size = len(power_kw)
    return SetpointFrame(
        grid_loop="lus-1",
        epoch=Epoch(1, 2, 3),
        sequence=sequence,
        tick=sequence,
        issued_at_us=START_US + sequence * SECOND_US,
        valid_for_ms=10_000,
        folded_until_us=START_US,
        full=True,
        ids=[f"asset-{index}" for index in range(size)],
        power_kw=list(power_kw),
        bound=["exact"] * size,
        reason=["target"] * size,
        binding=[""] * size,
    )


def result(sequence: int, ids: Sequence[str] = ()) -> SetpointResult:
    """Dispatch accepted a frame."""
    return SetpointResult(
        grid_loop="lus-1",
        epoch=Epoch(1, 2, 3),
        sequence=sequence,
        at_us=START_US + sequence * SECOND_US + 40_000,
        outcome="accepted",
        ids=list(ids),
        latency_ms=40.0,
    )


def batch_of(
    registry: Registry, log: LogPartition, messages: Sequence[msgspec.Struct | bytes], *, offset: int = 0
) -> Batch:
    """A batch of messages that lie one after another in the log from `offset` on."""
    batch = Batch()
    for number, message in enumerate(messages, start=offset):
        payload = message if isinstance(message, bytes) else encode(message)
        batch.add(Message(log, number, KEY, payload), expected=offset, registry=registry)
    return batch


def register_at(boundary_us: int, readings: Sequence[tuple[int, int]]) -> int:
    """The register at a boundary inside sorted (instant, register), by exact fractions: independent of the code."""
    after = bisect_left(readings, (boundary_us, 0))
    if readings[after][0] == boundary_us:
        return readings[after][1]
    (before_us, before_wh), (after_us, after_wh) = readings[after - 1], readings[after]
    return before_wh + int(Fraction((after_wh - before_wh) * (boundary_us - before_us), after_us - before_us))
