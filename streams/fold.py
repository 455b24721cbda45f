"""The fold: what a grid loop's meters and devices last said, and their quarter registers.

Arrival of telemetry only updates this state; nothing is decided here. The state is a function of the set of readings
folded, whatever their order and however often each was delivered: the newest reading of each point, and the register
readings on both sides of the start of its quarter. So a rebuild from the log gives the same state.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.quarter_figures import BOUNDARY_GAP_US
from hub.quarters import QUARTER_US, registers_at_wh
from streams.columns import BadReading, Columns, Points
from streams.messages import DeadLetterReason

NEVER: Final = -1
"""Instant of a reading that does not exist."""

REGISTER_HEADROOM: Final = 1.2
"""A register may gain 120 % of what the meter can carry before the step is absurd (Meetcode 5.3.9)."""

REGISTER_GRAIN_WH: Final = 2
"""Whole-Wh registers step by one; within a second that looks like kilowatts."""

Instants = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class PointState:
    """State of all points under one key; arrays are [n_points], registers [n_points, 2] (A+, A-)."""

    points: Points
    index: dict[str, int] = field(init=False)
    at_us: Instants = field(init=False)
    power_kw: Floats = field(init=False)
    min_kw: Floats = field(init=False)
    max_kw: Floats = field(init=False)
    soc_ratio: Floats = field(init=False)
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
        for name in ("power_kw", "min_kw", "max_kw", "soc_ratio"):
            setattr(self, name, np.full(n_points, np.nan))


def fold(state: PointState, columns: Columns) -> tuple[BadReading, ...]:
    """Fold checked columns into the state, in place.

    Returns:
        readings whose register could not be true (it went back, or gained more than the meter can carry); their
        power was folded, and the register's quarter starts anew with them, marked as not covered before.
    """
    bad: list[BadReading] = []
    for rows in _rounds(columns.point):
        _fold_newest(state, columns, rows)
        bad.extend(_fold_registers(state, columns, rows))
    return tuple(bad)


def _rounds(point: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows grouped so that no point occurs twice in a group, in order; one group unless a frame repeats a point."""
    remaining = np.arange(len(point))
    rounds: list[NDArray[np.int64]] = []
    while len(remaining):
        _, first = np.unique(point[remaining], return_index=True)
        rounds.append(remaining[np.sort(first)])
        remaining = np.delete(remaining, first)
    return rounds


def _fold_newest(state: PointState, columns: Columns, rows: NDArray[np.int64]) -> None:
    known = rows[~np.isnan(columns.power_kw[rows])]
    newer = known[columns.at_us[known] > state.at_us[columns.point[known]]]
    point = columns.point[newer]
    state.at_us[point] = columns.at_us[newer]
    state.power_kw[point] = columns.power_kw[newer]
    state.min_kw[point] = columns.min_kw[newer]
    state.max_kw[point] = columns.max_kw[newer]
    state.soc_ratio[point] = columns.soc_ratio[newer]


def _fold_registers(state: PointState, columns: Columns, rows: NDArray[np.int64]) -> list[BadReading]:
    with_register = rows[(columns.import_wh[rows] >= 0) & (columns.export_wh[rows] >= 0)]
    point = columns.point[with_register]
    at_us = columns.at_us[with_register]
    registers_wh = np.stack([columns.import_wh[with_register], columns.export_wh[with_register]], axis=1)
    newer = at_us > state.register_us[point]
    _fold_late_registers(state, point[~newer], at_us=at_us[~newer], registers_wh=registers_wh[~newer])
    point, at_us, registers_wh = point[newer], at_us[newer], registers_wh[newer]
    known = state.register_us[point] != NEVER
    went_back = known & np.any(registers_wh < state.register_wh[point], axis=1)
    leapt = known & _leapt(
        state, point, gained_wh=registers_wh - state.register_wh[point], passed_us=at_us - state.register_us[point]
    )
    anew = ~known | went_back | leapt
    quarter_us = at_us - at_us % QUARTER_US
    rolled = ~anew & (quarter_us > state.quarter_us[point])
    state.before_us[point[rolled]] = state.register_us[point[rolled]]
    state.before_wh[point[rolled]] = state.register_wh[point[rolled]]
    state.before_us[point[anew]] = NEVER
    broken = went_back | leapt
    state.broken_us[point[broken]] = at_us[broken]
    starts = rolled | anew
    state.quarter_us[point[starts]] = quarter_us[starts]
    state.after_us[point[starts]] = at_us[starts]
    state.after_wh[point[starts]] = registers_wh[starts]
    state.register_us[point] = at_us
    state.register_wh[point] = registers_wh
    return [
        BadReading(int(row), state.points.ids[columns.point[row]], reason)
        for reason, failed in (
            (DeadLetterReason.REGISTER_WENT_BACK, went_back),
            (DeadLetterReason.ABSURD_VALUE, leapt & ~went_back),
        )
        for row in with_register[newer][failed]
    ]


def _fold_late_registers(
    state: PointState, point: NDArray[np.int64], *, at_us: Instants, registers_wh: NDArray[np.int64]
) -> None:
    """Late readings may still tell the register at the start of the quarter better."""
    start_us = state.quarter_us[point]
    gained_wh, passed_us = state.register_wh[point] - registers_wh, state.register_us[point] - at_us
    plausible = np.all(gained_wh >= 0, axis=1) & (at_us >= state.broken_us[point])
    plausible &= ~_leapt(state, point, gained_wh=gained_wh, passed_us=passed_us)
    before = plausible & (at_us <= start_us) & (at_us > state.before_us[point])
    state.before_us[point[before]] = at_us[before]
    state.before_wh[point[before]] = registers_wh[before]
    after = plausible & (at_us >= start_us) & (at_us < state.after_us[point])
    state.after_us[point[after]] = at_us[after]
    state.after_wh[point[after]] = registers_wh[after]


def _leapt(
    state: PointState, point: NDArray[np.int64], *, gained_wh: NDArray[np.int64], passed_us: Instants
) -> NDArray[np.bool_]:
    most_wh = REGISTER_HEADROOM * 1000 * state.points.max_abs_kw[point] * passed_us / 3.6e9 + REGISTER_GRAIN_WH
    leapt: NDArray[np.bool_] = np.any(gained_wh > most_wh[:, None], axis=1)
    return leapt


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
