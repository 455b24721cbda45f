"""Which quarters a batch touches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.store.quarter_plan import QuarterPlan, Touched
from connectors.store.tables import MISSING, Rows
from hub.quarters import QUARTER_US
from tests.connectors.store.messages import SECOND_US, START_US


def rows_of(*readings: tuple[int, float], quality: int = 0, register_wh: int = 1) -> Rows:
    """Telemetry rows of (point, seconds after START)."""
    ordered = sorted(readings)
    size = len(ordered)
    return {
        "point_id": np.array([point for point, _ in ordered], dtype=np.int64),
        "measured_at": np.array([START_US + int(at_s * SECOND_US) for _, at_s in ordered], dtype=np.int64),
        "energy_import_wh": np.full(size, register_wh, dtype=np.int64),
        "energy_export_wh": np.full(size, MISSING, dtype=np.int64),
        "quality": np.full(size, quality, dtype=np.int64),
    }


def numbers(quarters: frozenset[tuple[int, int]]) -> set[tuple[int, int]]:
    """Point and the number of the quarter, counted from START."""
    return {(point, (start_us - START_US) // QUARTER_US) for point, start_us in quarters}


def take(plan: QuarterPlan, *readings: tuple[int, float]) -> Touched:
    touched = plan.touched_by(rows_of(*readings))
    plan.committed(touched)
    return touched


@pytest.mark.parametrize(
    ("second_batch", "due", "stale"),
    [
        pytest.param([(1, 20)], set(), {(1, 0)}, id="open quarter waits"),
        pytest.param([(1, 910)], {(1, 0)}, {(1, 1)}, id="first of the next closes the one before"),
        pytest.param([(1, 900)], {(1, 0)}, {(1, 1)}, id="a boundary belongs to the quarter it starts"),
        pytest.param([(1, 20), (1, 1900)], {(1, 0), (1, 1)}, {(1, 2)}, id="batch over three quarters"),
        pytest.param([(1, 9000)], {(1, 0), (1, 8), (1, 9)}, {(1, 10)}, id="long gap"),
        pytest.param([(1, 5)], {(1, -2), (1, -1), (1, 0), (1, 1)}, set(), id="late, so both neighbours in reach"),
        pytest.param([(2, 20)], {(2, -2), (2, -1), (2, 0), (2, 1)}, set(), id="point not heard before"),
    ],
)
def test_quarters_that_a_second_batch_touches(second_batch, due, stale):
    plan = QuarterPlan()
    take(plan, (1, 10))
    touched = take(plan, *second_batch)
    assert (numbers(touched.due), numbers(touched.stale)) == (due, stale)
    assert stale <= numbers(plan.stale)


@pytest.mark.parametrize("useless", [{"quality": 2}, {"register_wh": MISSING}], ids=["bad reading", "no register"])
def test_reading_that_tells_no_energy_touches_no_quarter(useless):
    assert QuarterPlan().touched_by(rows_of((1, 10), **useless)) == Touched(frozenset(), frozenset(), {})


def test_broken_clock_touches_no_more_quarters_than_its_readings_reach():
    plan = QuarterPlan()
    year_s = 365 * 86_400
    assert len(take(plan, (1, 0), (1, year_s)).due) == 8
    assert len(take(plan, (1, 2 * year_s), (1, 3 * year_s)).due) < 8


def test_batch_that_was_not_stored_changes_nothing():
    plan = QuarterPlan()
    take(plan, (1, 10))
    plan.touched_by(rows_of((1, 910)))
    assert numbers(take(plan, (1, 20)).due) == set()


@given(st.lists(st.lists(st.integers(0, 8000), min_size=1, max_size=5), min_size=1, max_size=8))
def test_every_quarter_a_reading_lies_in_is_due_or_stale_at_some_time(batches):
    plan = QuarterPlan()
    seen: set[tuple[int, int]] = set()
    for batch in batches:
        touched = take(plan, *((1, at_s) for at_s in batch))
        seen |= numbers(touched.due | touched.stale)
    assert {(1, at_s // 900) for batch in batches for at_s in batch} <= seen
