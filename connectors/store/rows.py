"""Messages to rows: one function per kind of message, pure.

Text ids become codes by the `Codes` they are given; the registry turns those into the database's ids later. What does
not fit the tables is outside data and a value, never an exception: the caller counts it and goes on.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.store.tables import LOOP_STATE, MISSING, Array, Kind, Rows
from streams.codec import Rejected
from streams.messages import (
    DeadLetterReason,
    Epoch,
    Floats,
    LoopState,
    Quality,
    Registers,
    SetpointFrame,
    SetpointResult,
    TelemetryFrame,
)

QUALITY_CODES: Final = {quality.value: code for code, quality in enumerate(Quality)}
"""As the column `telemetry.quality` documents: good 0, estimated 1, bad 2, other 3."""
BAD_QUALITY: Final = QUALITY_CODES[Quality.BAD]

MAX_NAME_CHARS: Final = 200
OLDEST_US: Final = 1_577_836_800_000_000  # 2020-01-01: before any park of ours
LATEST_US: Final = 4_102_444_800_000_000  # 2100-01-01
MAX_AGE_US: Final = 400 * 86_400 * 1_000_000
"""A gateway may deliver a year late; anything older than that in a frame is a broken clock."""
MAX_AHEAD_US: Final = 3_600 * 1_000_000
"""A reading further ahead of its own frame is a broken clock; each day it names would cost a partition."""
MAX_REGISTER_WH: Final = 5_000_000_000_000
"""57 years at 10 MW. Beyond it a register is a fault, and interpolating it would leave 64 bits."""

_STATE_REALS: Final = tuple(column.name for column in LOOP_STATE.columns if column.kind is Kind.REAL)
"""Named alike in the message and in the table."""

Codes = Callable[[str], int]
"""Code of a name; the same name has the same code."""


def telemetry_rows(frame: TelemetryFrame, point: Codes) -> tuple[Rows, int] | Rejected:
    """Rows of the readings with a usable name and instant, and how many readings or registers were left out."""
    columns = (frame.power_kw, frame.energy_import_wh, frame.energy_export_wh, frame.min_kw, frame.max_kw)
    if not _are_equal(frame.ids, frame.measured_at_us, frame.power_kw) or not _are_equal_or_absent(
        frame.ids, *columns, frame.soc_ratio, frame.quality
    ):
        return Rejected(DeadLetterReason.UNEQUAL_COLUMNS, f"{len(frame.ids)} ids")
    size = len(frame.ids)
    try:
        rows: Rows = {
            "measured_at": np.array(frame.measured_at_us, dtype=np.int64),
            "energy_import_wh": _integers(frame.energy_import_wh, size),
            "energy_export_wh": _integers(frame.energy_export_wh, size),
            "point_id": np.array([_code(name, point) for name in frame.ids], dtype=np.int64),
            "power_kw": _reals(frame.power_kw, size),
            "min_kw": _reals(frame.min_kw, size),
            "max_kw": _reals(frame.max_kw, size),
            "soc_ratio": _reals(frame.soc_ratio, size),
            "quality": _qualities(frame.quality, size),
        }
    except OverflowError:
        return Rejected(DeadLetterReason.ABSURD_VALUE, "an integer of more than 64 bits")
    absurd = _mask_absurd(rows["energy_import_wh"]) + _mask_absurd(rows["energy_export_wh"])
    usable = (rows["point_id"] != MISSING) & _plausible(rows["measured_at"], frame.sent_at_us)
    return _keep(rows, usable), size - int(usable.sum()) + absurd


def state_rows(state: LoopState, point: Codes, label: Codes) -> tuple[Rows, int] | Rejected:
    """Rows of the nodes of one tick, and how many had no usable name."""
    nodes = state.nodes
    reals = {name: getattr(nodes, name) for name in _STATE_REALS}
    if not _are_equal(nodes.ids, *reals.values(), nodes.binding, nodes.fresh):
        return Rejected(DeadLetterReason.UNEQUAL_COLUMNS, f"{len(nodes.ids)} nodes")
    if not OLDEST_US <= state.at_us < LATEST_US or not _is_storable(state.tick):
        return Rejected(DeadLetterReason.ABSURD_VALUE, "tick or instant")
    size = len(nodes.ids)
    rows: Rows = {
        "at": _same(state.at_us, size),
        "tick": _same(state.tick, size),
        "point_id": np.array([_code(name, point) for name in nodes.ids], dtype=np.int64),
        "grid_loop_id": _same(_code(state.grid_loop, point), size),
        **{name: _reals(values, size) for name, values in reals.items()},
        "binding": _label_codes(nodes.binding, label),
        "mode": _same(_code(state.mode, label), size),
        "fresh": np.array(nodes.fresh, dtype=np.int64),
    }
    return _keep_named(rows, "point_id", "grid_loop_id", "binding", "mode")


def setpoint_rows(frame: SetpointFrame, point: Codes, label: Codes) -> tuple[Rows, int] | Rejected:
    """Rows of the assets of a full frame, none of a renewal; and how many had no usable name."""
    if not _are_equal(frame.ids, frame.power_kw, frame.bound, frame.reason, frame.binding):
        return Rejected(DeadLetterReason.UNEQUAL_COLUMNS, f"{len(frame.ids)} ids")
    whole = (frame.sequence, frame.tick, frame.valid_for_ms, *_numbers(frame.epoch))
    if not OLDEST_US <= frame.issued_at_us < LATEST_US or not all(map(_is_storable, whole)):
        return Rejected(DeadLetterReason.ABSURD_VALUE, "epoch, sequence, tick, duration or instant")
    size = len(frame.ids) if frame.full else 0
    rows: Rows = {
        "issued_at": _same(frame.issued_at_us, size),
        "sequence": _same(frame.sequence, size),
        "tick": _same(frame.tick, size),
        "valid_for_ms": _same(frame.valid_for_ms, size),
        **_epoch_columns(frame.epoch, size),
        "point_id": np.array([_code(name, point) for name in frame.ids[:size]], dtype=np.int64),
        "grid_loop_id": _same(_code(frame.grid_loop, point), size),
        "power_kw": np.array(frame.power_kw[:size], dtype=np.float64),
        "bound": _label_codes(frame.bound[:size], label),
        "reason": _label_codes(frame.reason[:size], label),
        "binding": _label_codes(frame.binding[:size], label),
    }
    return _keep_named(rows, "point_id", "grid_loop_id", "bound", "reason", "binding")


def result_rows(result: SetpointResult, point: Codes, label: Codes) -> tuple[Rows, int] | Rejected:
    """Rows of the assets concerned, or one of the grid loop itself; and how many had no usable name."""
    whole = (result.sequence, *_numbers(result.epoch))
    if not OLDEST_US <= result.at_us < LATEST_US or not all(map(_is_storable, whole)):
        return Rejected(DeadLetterReason.ABSURD_VALUE, "epoch, sequence or instant")
    names = result.ids or [result.grid_loop]
    size = len(names)
    rows: Rows = {
        "at": _same(result.at_us, size),
        "sequence": _same(result.sequence, size),
        **_epoch_columns(result.epoch, size),
        "point_id": np.array([_code(name, point) for name in names], dtype=np.int64),
        "grid_loop_id": _same(_code(result.grid_loop, point), size),
        "outcome": _same(_code(result.outcome, label), size),
        "refusal": _same(_code(result.refusal, label), size),
        "latency_ms": _reals([result.latency_ms] * size, size),
    }
    return _keep_named(rows, "point_id", "grid_loop_id", "outcome", "refusal")


def _code(name: str, codes: Codes) -> int:
    """Code of a name that the database can keep as text, else MISSING: it refuses a NUL, and an index a long text."""
    return codes(name) if len(name) <= MAX_NAME_CHARS and "\0" not in name else int(MISSING)


def _label_codes(names: Sequence[str], label: Codes) -> NDArray[np.int64]:
    return np.array([_code(name, label) for name in names], dtype=np.int64)


def _epoch_columns(epoch: Epoch, size: int) -> Rows:
    names = ("incarnation", "generation", "claim_offset")
    return {name: _same(number, size) for name, number in zip(names, _numbers(epoch), strict=True)}


def _numbers(epoch: Epoch) -> tuple[int, int, int]:
    return epoch.incarnation, epoch.generation, epoch.claim_offset


def _is_storable(number: int) -> bool:
    """Whether a bigint holds it, MISSING excepted."""
    return abs(number) < -int(MISSING)


def _are_equal(ids: Sequence[str], *columns: Sequence[object]) -> bool:
    return all(len(column) == len(ids) for column in columns)


def _are_equal_or_absent(ids: Sequence[str], *columns: Sequence[object]) -> bool:
    return all(len(column) in (0, len(ids)) for column in columns)


def _same(number: int, size: int) -> NDArray[np.int64]:
    return np.full(size, number, dtype=np.int64)


def _reals(values: Floats, size: int) -> NDArray[np.float64]:
    return np.array(values or [None] * size, dtype=np.float64)


def _integers(values: Registers, size: int) -> NDArray[np.int64]:
    return np.array([MISSING if value is None else value for value in values or [None] * size], dtype=np.int64)


def _qualities(names: Sequence[str], size: int) -> NDArray[np.int64]:
    other = QUALITY_CODES[Quality.OTHER]
    return np.array([QUALITY_CODES.get(name, other) for name in names or [Quality.GOOD] * size], dtype=np.int64)


def _mask_absurd(registers: Array) -> int:
    """Make registers that no meter can show missing, in place; returns how many."""
    absurd = (registers != MISSING) & ((registers < 0) | (registers > MAX_REGISTER_WH))
    registers[absurd] = MISSING
    return int(absurd.sum())


def _plausible(at_us: Array, sent_at_us: int) -> NDArray[np.bool_]:
    oldest_us = max(OLDEST_US, min(sent_at_us, LATEST_US) - MAX_AGE_US)
    latest_us = min(LATEST_US, max(sent_at_us, OLDEST_US) + MAX_AHEAD_US)
    return (at_us >= oldest_us) & (at_us < latest_us)


def _keep(rows: Rows, kept: NDArray[np.bool_]) -> Rows:
    return rows if kept.all() else {name: values[kept] for name, values in rows.items()}


def _keep_named(rows: Rows, *columns: str) -> tuple[Rows, int]:
    named = np.logical_and.reduce([rows[column] != MISSING for column in columns])
    return _keep(rows, named), len(named) - int(named.sum())
