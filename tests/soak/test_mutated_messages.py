"""A million messages gone wrong, of every kind that comes in: each is rejected with a reason, or means what it says."""

import math
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from streams.codec import (
    Decoder,
    Rejected,
    decode_budget,
    decode_condition,
    decode_limit,
    decode_offer,
    decode_result,
    decode_revert,
    decode_setpoint,
    decode_state,
    decode_telemetry,
    encode,
)
from streams.columns import FUTURE_TOLERANCE_US, LATE_US, MAX_REGISTER_WH, Points, check_columns
from streams.messages import Claim, DeadLetterReason, TelemetryFrame
from tests.streams import wire_oracle
from tests.streams.mutations import MUTATIONS, mutate

pytestmark = pytest.mark.soak

GOLDEN = Path(__file__).parents[1] / "golden/v1"
KINDS = {
    "telemetry": decode_telemetry,
    "loop-state": decode_state,
    "offer": decode_offer,
    "budget": decode_budget,
    "setpoint-full": decode_setpoint,
    "setpoint-renewal": decode_setpoint,
    "setpoint-result": decode_result,
    "claim": Decoder(Claim).decode,
    "limit-entry": decode_limit,
    "limit-pending": decode_limit,
    "revert": decode_revert,
    "condition": decode_condition,
}
MUTATED = 1_000_000
"""By the full soak, of all kinds together."""

POINTS = Points(("lus-1/a", "871242301402200013", "pv-7", "bat-2", "ev-3"), np.full(5, 1000.0))
RECEIVED_US = 1_782_900_000_050_000


@pytest.mark.parametrize("name", KINDS)
def test_a_mutated_message_is_rejected_with_a_reason_or_means_what_it_says(name, scale):
    good, chance = (GOLDEN / f"{name}.json").read_bytes(), random.Random(name)
    outcomes: Counter[str] = Counter()
    began_s = time.monotonic()
    for number in range(round(MUTATED * scale / len(KINDS))):
        payload = mutate(good, number, chance)
        outcomes[f"{MUTATIONS[number % len(MUTATIONS)].__name__:<16} {judged(KINDS[name], payload)}"] += 1
    print(f"{name}: {outcomes.total()} mutated messages in {time.monotonic() - began_s:.1f} s")
    print(*(f"  {outcome:<45} {count}" for outcome, count in sorted(outcomes.items())), sep="\n")
    assert {outcome.split()[0] for outcome in outcomes} == {mutation.__name__ for mutation in MUTATIONS}


def judged(decode, payload: bytes) -> str:
    """The outcome in words; fails when something was believed that the payload does not say."""
    message = decode(payload)
    if isinstance(message, Rejected):
        assert isinstance(message.reason, DeadLetterReason), payload
        assert message.detail, payload
        return f"rejected: {message.reason}"
    tree = wire_oracle.read(payload)
    assert not (difference := wire_oracle.wrong(message, tree)), (difference, payload)
    assert decode(encode(message)) == message, payload
    return judged_rows(message) if isinstance(message, TelemetryFrame) else "accepted as it says"


def judged_rows(frame: TelemetryFrame) -> str:
    """What the worker takes of an accepted frame, against the rules applied row by row in plain Python."""
    checked = check_columns(frame, points=POINTS, index=POINTS.index(), received_at_us=RECEIVED_US)
    optional = (
        frame.energy_import_wh,
        frame.energy_export_wh,
        frame.min_kw,
        frame.max_kw,
        frame.soc_ratio,
        frame.quality,
    )
    required = (frame.measured_at_us, frame.power_kw)
    n_rows = len(frame.ids)
    if any(len(column) != n_rows for column in required) or any(len(column) not in (0, n_rows) for column in optional):
        assert isinstance(checked, Rejected), frame
        return f"rejected: {checked.reason}"
    assert not isinstance(checked, Rejected), frame
    rows = list(zip(frame.ids, *required, *(column or [None] * n_rows for column in optional), strict=True))
    believed = [row[:-1] for row in rows if is_believed(*row)]
    assert taken_from(checked) == believed, frame
    return f"accepted: {'all' if len(believed) == n_rows else 'some'} rows"


def is_believed(point, at_us, power_kw, import_wh, export_wh, *others) -> bool:
    registers_wh = [wh for wh in (import_wh, export_wh) if wh is not None]
    return (
        point in POINTS.ids
        and max(RECEIVED_US - LATE_US, 1) <= at_us <= RECEIVED_US + FUTURE_TOLERANCE_US
        and (power_kw is None or abs(power_kw) <= 1000.0)
        and all(0 <= wh <= MAX_REGISTER_WH for wh in registers_wh)
        and others[-1] != "bad"
    )


def taken_from(columns) -> list[tuple]:
    """Back to rows as the frame has them."""
    names = [POINTS.ids[at] for at in columns.point]
    registers = [
        [None if wh < 0 else wh for wh in column.tolist()] for column in (columns.import_wh, columns.export_wh)
    ]
    reals = [
        [None if math.isnan(value) else value for value in column.tolist()]
        for column in (columns.power_kw, columns.min_kw, columns.max_kw, columns.soc_ratio)
    ]
    return list(zip(names, columns.at_us.tolist(), reals[0], *registers, *reals[1:], strict=True))
