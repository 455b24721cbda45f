"""What a quarter-hour amounts to, from the register readings around its two boundaries.

The recorder stores these figures, summaries and reports read them; nobody else computes quarter energy. Energy comes
from register differences only, never from a sum of powers, so a figure can be recomputed from the same readings and
comes out the same to the watt-hour, in whatever order they arrived.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.quarters import QUARTER_US, RegisterReading, register_at_wh

BOUNDARY_GAP_US: Final = 20 * 60 * 1_000_000
"""Readings further apart than this say nothing about the boundary between them (20 min).

Long enough for a meter that reports once a quarter and is a little late; a longer gap is a meter that was away, and
sharing out what it counted meanwhile would invent a profile.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterEdges:
    """The readings of one register that decide a quarter's figure; None where there is no such reading."""

    before: RegisterReading | None = None
    """The newest before the start."""
    first: RegisterReading | None = None
    """The oldest inside; the start belongs to the quarter."""
    last: RegisterReading | None = None
    """The newest inside."""
    after: RegisterReading | None = None
    """The oldest at or after the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterFigures:
    """Energy of one point in one quarter."""

    energy_import_wh: int | None
    """None: no register, too little read to tell, or the register went back."""
    energy_export_wh: int | None
    """Likewise; a magnitude."""
    coverage_ratio: float
    """Share of the quarter that the figures span, 0 to 1; of the register that spans less, where there are two."""
    complete: bool
    """Both boundaries are known: later readings will not change the figures. Else they are provisional."""
    register_went_back: bool
    """A register was lower at the end than at the start (replaced or reset): that direction has no figure."""


@dataclass(frozen=True, slots=True)
class _Span:
    """What one register says of the quarter."""

    energy_wh: int
    covered_us: int


def quarter_figures(start_us: int, energy_import: RegisterEdges, energy_export: RegisterEdges) -> QuarterFigures:
    """Figures of the quarter that starts at `start_us`.

    Args:
        start_us: a quarter's start, microseconds UTC.
        energy_import: readings of register A+; all None where the meter has none.
        energy_export: readings of register A-; likewise.

    """
    spans = _span(start_us, energy_import), _span(start_us, energy_export)
    known = [span for span in spans if span is not None]
    covered_us = min((span.covered_us for span in known), default=0)
    return QuarterFigures(
        energy_import_wh=_energy_wh(spans[0]),
        energy_export_wh=_energy_wh(spans[1]),
        coverage_ratio=covered_us / QUARTER_US,
        complete=covered_us == QUARTER_US,
        register_went_back=any(span.energy_wh < 0 for span in known),
    )


def edges_of(start_us: int, readings: Sequence[RegisterReading]) -> RegisterEdges:
    """Find the readings that decide the quarter at `start_us` among all of one register, sorted by time."""
    begin = bisect_left(readings, start_us, key=_at_us)
    end = bisect_left(readings, start_us + QUARTER_US, key=_at_us)
    inside = readings[begin:end]
    return RegisterEdges(
        before=readings[begin - 1] if begin > 0 else None,
        first=inside[0] if inside else None,
        last=inside[-1] if inside else None,
        after=readings[end] if end < len(readings) else None,
    )


def _at_us(reading: RegisterReading) -> int:
    return reading.at_us


def _energy_wh(span: _Span | None) -> int | None:
    return None if span is None or span.energy_wh < 0 else span.energy_wh


def _span(start_us: int, edges: RegisterEdges) -> _Span | None:
    """From the start, or the first reading inside, to the end, or the last reading inside; None if that is no span."""
    begin = _at_boundary(start_us, edges.before, edges.first or edges.after) or edges.first
    end = _at_boundary(start_us + QUARTER_US, edges.last or edges.before, edges.after) or edges.last
    if begin is None or end is None or end.at_us <= begin.at_us:
        return None
    return _Span(end.register_wh - begin.register_wh, end.at_us - begin.at_us)


def _at_boundary(
    boundary_us: int, before: RegisterReading | None, after: RegisterReading | None
) -> RegisterReading | None:
    """The register at the boundary; None where the readings around it do not tell."""
    if after is not None and after.at_us == boundary_us:
        return after
    if before is None or after is None or after.at_us - before.at_us > BOUNDARY_GAP_US:
        return None
    return RegisterReading(boundary_us, register_at_wh(boundary_us, before, after))
