"""R15: a device's own tighter limit stays, a looser one is told, and nothing wider than the folder is ever written."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.dispatch import rules
from connectors.dispatch.driver import Shown
from connectors.dispatch.own_limits import compare
from streams.guard_messages import ConditionPhase
from tests.connectors.dispatch.lease_tables import BATTERY, cycle, fresh, full, wall_us


def shows(min_kw, max_kw):
    return {"battery": Shown(power_kw=0.0, setpoint_kw=None, min_kw=min_kw, max_kw=max_kw)}


@pytest.mark.parametrize(
    ("own_kw", "range_kw", "said"),
    [
        pytest.param((-50, 50), (-50, 50), "", id="the same"),
        pytest.param((-50.04, 49.96), (-50, 49.96), "", id="rounded"),
        pytest.param((-30, 50), (-30, 50), "the device's is tighter and counts", id="tighter"),
        pytest.param((-80, 90), (-50, 50), "the folder's is tighter and counts", id="looser"),
        pytest.param((-80, 20), (-50, 20), "at each end the tighter counts", id="both"),
        pytest.param(
            (60, 70), (60, 60), "at each end the tighter counts", id="nothing in common: the device's nearest"
        ),
        pytest.param((None, 20), (-50, 50), None, id="it shows none"),
        pytest.param((20, -20), (-50, 50), None, id="upside down"),
        pytest.param((math.nan, 20), (-50, 50), None, id="not a number"),
    ],
)
def test_R15_the_tighter_limit_counts_and_a_difference_is_said(own_kw, range_kw, said):  # noqa: N802
    state, findings = compare(fresh(), shows(*own_kw))
    rule = state.rules["battery"]
    assert (rule.min_kw, rule.max_kw) == range_kw
    assert [finding.text.rpartition("; ")[2] for finding in findings] == ([] if said is None else [said])
    if said is not None:
        assert findings[0].phase is (ConditionPhase.SEEN if said else ConditionPhase.GONE)


def test_R15_what_is_in_force_is_cut_at_once_and_told_anew():  # noqa: N802 - rules are numbered so
    state, _ = cycle(fresh(), 0, full(1, 0, battery=45, charger=11))
    state, _ = compare(state, shows(-50, 30))
    assert cycle(state, 1)[1].told == {"battery": 30}


def test_a_device_that_is_not_the_grid_loops_changes_nothing():
    state = fresh()
    assert compare(state, {"stranger": shows(-1, 1)["battery"]}) == (state, ())


@given(own_kw=st.tuples(st.floats(-200, 200), st.floats(-200, 200)).map(sorted), asked_kw=st.floats(-500, 500))
def test_R15_nothing_is_told_beyond_a_devices_own_limits(own_kw, asked_kw):  # noqa: N802 - rules are numbered so
    state, _ = compare(replace(fresh(), rules={"battery": BATTERY}), shows(*own_kw))
    state, _ = rules.receive(state, full(1, 0, battery=asked_kw), now_s=0, now_us=wall_us(0))
    _, (write,) = rules.due(state, 0)
    assert own_kw[0] <= write.power_kw <= own_kw[1]
