"""The fold: what a grid loop's meters and devices last said, and their quarter registers.

Arrival of telemetry only updates this state; nothing is decided here. The state is a function of the set of readings
folded, whatever their order and however often each was delivered: the newest reading of each point, and the register
readings on both sides of the start of its quarter. So a rebuild from the log gives the same state.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hub.quarter_figures import BOUNDARY_GAP_US
from hub.quarters import registers_at_wh
from streams.columns import BadReading, Columns, PointIndex, Points
from streams.fold_rows import LEAPT, NEVER, WENT_BACK, Floats, Instants, fold_newest, fold_registers
from streams.messages import DeadLetterReason

__all__ = ["NEVER", "PointState", "QuarterSoFar", "fold", "quarter_so_far"]


@dataclass(slots=True)
class PointState:
    """State of all points under one key; arrays are [n_points], registers [n_points, 2] (A+, A-)."""

    points: Points
    index: PointIndex = field(init=False)
    at_us: Instants = field(init=False)
    shown: Floats = field(init=False)
    """[7, n_points] Power, least and largest power, state of charge, reactive power, currents: as the names below."""
    register_us: Instants = field(init=False)
    register_wh: NDArray[np.int64] = field(init=False)
    broken_us: Instants = field(init=False)
    """Newest register reading that did not follow from the one before; older readings count another register."""
    quarter_us: Instants = field(init=False)
    """Start of the quarter that holds the newest register reading."""
    before_us: Instants = field(init=False)
    """Newest register reading at or before that start."""
    before_wh: NDArray[np.int64] = field(init=False)
    after_us: Instants = field(init=False)
    """Oldest register reading at or after that start."""
    after_wh: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        n_points = len(self.points.ids)
        self.index = self.points.index()
        for name in ("at_us", "register_us", "broken_us", "quarter_us", "before_us", "after_us"):
            setattr(self, name, np.full(n_points, NEVER, np.int64))
        for name in ("register_wh", "before_wh", "after_wh"):
            setattr(self, name, np.zeros((n_points, 2), np.int64))
        self.shown = np.full((7, n_points), np.nan)

    def told_throughout(self, quarter_us: int, *, since_us: int) -> bool:
        """Whether each point was heard since an instant, and its registers, where it has any, tell the whole quarter.

        The quarter may be over meanwhile.
        """
        registered = (self.register_us >= since_us) & (self.quarter_us >= quarter_us) & (self.before_us != NEVER)
        return bool(np.all((self.at_us >= since_us) & (registered | (self.register_us == NEVER))))

    @property
    def power_kw(self) -> Floats:
        """[n_points] Newest power."""
        return _row(self.shown, 0)

    @property
    def min_kw(self) -> Floats:
        """[n_points] Least power the device could take by its own limits."""
        return _row(self.shown, 1)

    @property
    def max_kw(self) -> Floats:
        """[n_points] Largest power the device could take."""
        return _row(self.shown, 2)

    @property
    def soc_ratio(self) -> Floats:
        """[n_points] State of charge."""
        return _row(self.shown, 3)

    @property
    def reactive_kvar(self) -> Floats:
        """[n_points] Newest reactive power."""
        return _row(self.shown, 4)

    @property
    def phase_a(self) -> Floats:
        """[2, n_points] Newest largest current of any phase, drawn and fed in."""
        phase_a: Floats = self.shown[5:]
        return phase_a


def _row(shown: Floats, at: int) -> Floats:
    row: Floats = shown[at]
    return row


def fold(state: PointState, columns: Columns) -> tuple[BadReading, ...]:
    """Fold checked columns into the state, in place.

    Returns:
        readings whose register could not be true (it went back, or gained more than the meter can carry); their
        power was folded, and the register's quarter starts anew with them, marked as not covered before.
    """
    fold_newest(
        state.at_us, state.shown, columns.point, columns.at_us, columns.power_kw, columns.min_kw, columns.max_kw,
        columns.soc_ratio, columns.reactive_kvar, columns.phase_a,
    )  # fmt: skip
    faults = np.zeros(len(columns.point), np.int8)
    n_faults = fold_registers(
        state.register_us, state.register_wh, state.broken_us, state.quarter_us, state.before_us, state.before_wh,
        state.after_us, state.after_wh, state.points.max_abs_kw, columns.point, columns.at_us, columns.import_wh,
        columns.export_wh, faults,
    )  # fmt: skip
    return _bad_registers(state, columns, faults) if n_faults else ()


def _bad_registers(state: PointState, columns: Columns, faults: NDArray[np.int8]) -> tuple[BadReading, ...]:
    reasons = ((WENT_BACK, DeadLetterReason.REGISTER_WENT_BACK), (LEAPT, DeadLetterReason.ABSURD_VALUE))
    return tuple(
        BadReading(int(columns.row[at]), state.points.ids[columns.point[at]], reason)
        for fault, reason in reasons
        for at in np.flatnonzero(faults == fault)
    )


@dataclass(frozen=True, slots=True)
class QuarterSoFar:
    """Energy of all points in one quarter up to their newest register reading; arrays are [n_points]."""

    energy_wh: NDArray[np.int64]
    """[n_points, 2] A+ and A-; 0 where the newest reading lies in an earlier quarter."""
    covered_from_us: Instants
    """From when on the registers tell; the quarter's start where a reading lies before it."""
    covered_until_us: Instants
    """The newest register reading, or the quarter's start where there is none in it."""


def quarter_so_far(state: PointState, quarter_us: int) -> QuarterSoFar:
    """Energy in the quarter that starts at `quarter_us`, by `hub.quarters.registers_at_wh`.

    A point whose newest register reading is older than the quarter has used nothing yet that a register tells; one that
    was away around the quarter's start for longer than a boundary bridges is covered from its return on; one that was
    read in the next quarter already, for its clock is ahead of ours, is not covered at all.
    """
    current = state.quarter_us == quarter_us
    covered = (state.before_us != NEVER) & (state.after_us - state.before_us <= BOUNDARY_GAP_US)
    before_us = np.where(covered, state.before_us, state.after_us)
    before_wh = np.where(covered[:, None], state.before_wh, state.after_wh)
    start_wh = registers_at_wh(
        quarter_us,
        before_us=before_us[:, None],
        before_wh=before_wh,
        after_us=state.after_us[:, None],
        after_wh=state.after_wh,
    )
    energy_wh = np.where(current[:, None], state.register_wh - start_wh, 0)
    since_us = np.where(current & ~covered, state.after_us, quarter_us)
    until_us = np.where(current, state.register_us, quarter_us)
    never = (state.register_us == NEVER) | (state.quarter_us > quarter_us)
    return QuarterSoFar(energy_wh, np.where(never, NEVER, since_us), until_us)
