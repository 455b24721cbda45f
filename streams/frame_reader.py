"""Telemetry frames straight into arrays, where they are written as this package writes them.

A general decoder makes an object of every number of a frame, only for numpy to take it apart again. A gateway writes
the same frame each second but for the numbers, so the reader remembers how its last one began and ended and reads the
numbers between. Whatever is written in another way, or is not in order, goes to the one decoder, `streams.codec`: what
is believed is the same either way.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from streams.codec import Rejected, decode_telemetry
from streams.columns import ReadFrame
from streams.messages import Quality, TelemetryFrame
from streams.number_columns import NULLABLE, REAL, WHOLE, read_columns

_BEGIN: Final = re.compile(
    rb'\{"gateway":"([ !#-\[\]-~]{0,80})","sequence":(-?(?:0|[1-9][0-9]{0,17})),'
    rb'"sent_at_us":(0|[1-9][0-9]{0,17}),"ids":'
)

_COLUMNS: Final = (
    ("measured_at_us", WHOLE),
    ("power_kw", REAL | NULLABLE),
    ("energy_import_wh", WHOLE | NULLABLE),
    ("energy_export_wh", WHOLE | NULLABLE),
    ("min_kw", REAL | NULLABLE),
    ("max_kw", REAL | NULLABLE),
    ("soc_ratio", REAL | NULLABLE),
)
_NAMES: Final = [f',"{name}":['.encode() for name, _ in _COLUMNS]
_NAME_BYTES: Final = np.frombuffer(b"".join(_NAMES), np.uint8)
_NAME_ENDS: Final = np.cumsum([len(name) for name in _NAMES])
_KINDS: Final = np.array([kind for _, kind in _COLUMNS], np.int8)
_N_REQUIRED: Final = 2
"""Instants and powers; a gateway need not have the others."""

_NEWER_NAME: Final = np.frombuffer(b',"reactive_kvar":[', np.uint8)
_NEWER_END: Final = np.array([len(_NEWER_NAME)])
_NEWER_KIND: Final = np.array([REAL | NULLABLE], np.int8)
"""A column that only newer gateways write, after all others."""

MOST_FORMS: Final = 64
"""Gateways of one grid loop whose frames are remembered; more are read, but slowly."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a gateway's last frame was written."""

    ids: list[str]
    ids_text: bytes
    quality_text: bytes
    """Name and column of the qualities."""


class FrameReader:
    """The frames of one grid loop."""

    def __init__(self) -> None:
        self._forms: dict[bytes, _Form] = {}
        """By gateway."""

    def read(self, payload: bytes) -> ReadFrame | TelemetryFrame | Rejected:
        """Return the frame, or why the payload is none."""
        begin = _BEGIN.match(payload)
        if begin is None:
            return decode_telemetry(payload)
        form = self._forms.get(begin[1])
        frame = None if form is None else _read(payload, form, begin)
        return frame or self._learn(payload, gateway=begin[1])

    def _learn(self, payload: bytes, *, gateway: bytes) -> TelemetryFrame | Rejected:
        frame = decode_telemetry(payload)
        if isinstance(frame, TelemetryFrame) and frame.ids and _is_sound(frame.quality, len(frame.ids)):
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
            quality_text = b',"quality":' + msgspec.json.encode(frame.quality)
            self._forms[gateway] = _Form(frame.ids, msgspec.json.encode(frame.ids), quality_text)
        return frame


def _is_sound(quality: list[str], n_rows: int) -> bool:
    return len(quality) in {0, n_rows} and Quality.BAD not in quality


def _read(payload: bytes, form: _Form, begin: re.Match[bytes]) -> ReadFrame | None:
    """The frame, if it is written in that form."""
    ids_at = begin.end()
    if not payload.startswith(form.ids_text, ids_at):
        return None
    numbers = np.empty((len(_COLUMNS) + 1, len(form.ids)))
    text, at = np.frombuffer(payload, np.uint8), ids_at + len(form.ids_text)
    at = read_columns(text, at, _NAME_BYTES, _NAME_ENDS, _KINDS, _N_REQUIRED, numbers[:-1])
    if at < 0 or not payload.startswith(form.quality_text, at):
        return None
    at += len(form.quality_text)
    frame = ReadFrame(begin[1].decode(), int(begin[2]), int(begin[3]), form.ids, *numbers[:-1])
    if payload[at:] == b"}":
        return frame
    at = read_columns(text, at, _NEWER_NAME, _NEWER_END, _NEWER_KIND, 0, numbers[-1:])
    return replace(frame, reactive_kvar=numbers[-1]) if at >= 0 and payload[at:] == b"}" else None
