"""Which quarters must be recomputed after a batch: pure bookkeeping, no figures.

A reading can change the quarter it lies in and, where it is the nearest to a boundary, the neighbour. A quarter that
is still open changes with every batch; it only becomes `stale`, and whoever keeps the plan recomputes those in turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from connectors.store.rows import BAD_QUALITY
from connectors.store.tables import MISSING, Rows
from hub.quarter_figures import BOUNDARY_GAP_US
from hub.quarters import QUARTER_US, quarter_start_us

PointQuarter = tuple[int, int]
"""A point's id and a quarter's start, microseconds UTC."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What one batch means for the quarters; hand it to `QuarterPlan.committed` when the batch is stored."""

    due: frozenset[PointQuarter]
    """To be recomputed in the batch's transaction."""
    stale: frozenset[PointQuarter]
    """Open quarters that changed too; a provisional figure may lag behind."""
    newest_us: dict[int, int]
    """Newest reading per point of this batch."""


class QuarterPlan:
    """What has been stored and recomputed, as far as it decides what to recompute next; knowing nothing is safe."""

    def __init__(self) -> None:
        self._newest_us: dict[int, int] = {}
        self._stale: set[PointQuarter] = set()

    def touched_by(self, rows: Rows) -> Touched:
        """Tell the quarters that telemetry rows change; rows are sorted by point and instant, with database ids."""
        due: set[PointQuarter] = set()
        stale: set[PointQuarter] = set()
        newest_us: dict[int, int] = {}
        for point, first_us, last_us in _spans(rows):
            known_us = self._newest_us.get(point)
            if known_us is not None and known_us < first_us and (start_us := quarter_start_us(last_us)) <= known_us:
                stale.add((point, start_us))  # most batches, all through a quarter
                newest_us[point] = last_us
                continue
            before_us = newest_us.get(point, known_us)
            newest_us[point] = last_us if before_us is None else max(last_us, before_us)
            if known_us is None or before_us is None or first_us <= known_us:
                due.update(_quarters(point, first_us - BOUNDARY_GAP_US, last_us + BOUNDARY_GAP_US))
                continue
            due.add((point, quarter_start_us(before_us)))
            due.update(_quarters(point, max(before_us, first_us - BOUNDARY_GAP_US), last_us))
            due.discard(open_quarter := (point, quarter_start_us(last_us)))
            stale.add(open_quarter)
        return Touched(frozenset(due), frozenset(stale - due), newest_us)

    def knows(self, point: int) -> bool:
        """Whether a reading of this point was stored by us, and so its quarters are recomputed or stale."""
        return point in self._newest_us

    @property
    def stale(self) -> frozenset[PointQuarter]:
        """Quarters whose figure is behind their readings, or none yet."""
        return frozenset(self._stale)

    def committed(self, touched: Touched) -> None:
        """Take note that a batch was stored and its due quarters were recomputed."""
        self._newest_us |= touched.newest_us
        self._stale |= touched.stale
        self._stale -= touched.due

    def add_stale(self, quarters: Iterable[PointQuarter]) -> None:
        """Take note of quarters that may be behind, as left by a process that was killed."""
        self._stale.update(quarters)

    def forget(self) -> None:
        """Another recorder has been writing: know nothing, so recompute more rather than less."""
        self._newest_us.clear()
        self._stale.clear()


def _spans(rows: Rows) -> list[tuple[int, int, int]]:
    """Point, first and last instant of the usable register readings of each point in each quarter, in order."""
    has_register = (rows["energy_import_wh"] != MISSING) | (rows["energy_export_wh"] != MISSING)
    usable = has_register & (rows["quality"] != BAD_QUALITY)
    points, instants = rows["point_id"][usable], rows["measured_at"][usable]
    if len(points) == 0:
        return []
    is_first = (np.diff(points, prepend=-1) != 0) | (np.diff(instants // QUARTER_US, prepend=-1) != 0)
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(points)) - 1
    return list(zip(points[first].tolist(), instants[first].tolist(), instants[last].tolist(), strict=True))


def _quarters(point: int, from_us: int, to_us: int) -> list[PointQuarter]:
    return [(point, at) for at in range(quarter_start_us(from_us), to_us + 1, QUARTER_US)]
