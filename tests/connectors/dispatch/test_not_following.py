"""R16: what is said of a device that does not follow, when, and that dispatch's own failsafe is no such thing."""

from dataclasses import replace

import pytest

from connectors.dispatch.driver import Shown
from connectors.dispatch.not_following import MOST_AT_ONCE, PATIENCE_S, READ_AGAIN_S, NotFollowing
from connectors.dispatch.rules import LoopLease, Mark
from streams.guard_messages import ConditionPhase
from streams.messages import Epoch
from tests.connectors.dispatch.lease_tables import fresh

TOLD_KW = {"pv": -40.0, "charger": 11.0, "battery": 20.0}


def lagging(*asset_ids, failsafe=(), **targets) -> LoopLease:
    """A grid loop with a full frame in force that says these do not follow."""
    told = TOLD_KW | targets
    frame = Mark(Epoch(1, 1, 0), 1)
    return replace(fresh(), full=frame, targets=told, lagging=frozenset(asset_ids), failsafe=frozenset(failsafe))


def shows(power_kw=0.0, setpoint_kw=None):
    return Shown(power_kw=power_kw, setpoint_kw=setpoint_kw, min_kw=None, max_kw=None)


def said_of(watch, state, now_s, **shown):
    """One turn: read what is ripe, say what there is to say; ids with a minus have ended."""
    asked = watch.ripe(state, now_s)
    findings = [*watch.gone(state), *watch.seen(state, asked, shown)]
    return [f.asset_id if f.phase is ConditionPhase.SEEN else f"-{f.asset_id}" for f in findings]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        pytest.param([(0, {"battery"}), (9.9, {"battery"})], [], id="patience"),
        pytest.param([(0, {"battery"}), (10, {"battery"}), (20, {"battery"})], ["battery"], id="once"),
        pytest.param([(0, {"battery"}), (5, set()), (14, {"battery"})], [], id="it followed in between"),
        pytest.param([(0, {"pv"}), (10, {"pv"}), (12, set()), (13, set())], ["pv", "-pv"], id="it follows again"),
        pytest.param(
            [(0, {"pv"}), (10, {"pv"}), (12, set()), (13, {"pv"}), (23, {"pv"})], ["pv", "-pv", "pv"], id="anew"
        ),
    ],
)
def test_R16_it_is_said_once_when_it_lasts_and_once_when_it_ends(turns, expected):  # noqa: N802 - rules are numbered so
    watch = NotFollowing()
    said = [word for at_s, ids in turns for word in said_of(watch, lagging(*ids), at_s)]
    assert said == expected


def test_R16_a_device_that_dispatch_itself_keeps_at_its_reversion_value_is_not_reported():  # noqa: N802
    watch = NotFollowing()
    for at_s in range(60):
        assert said_of(watch, lagging("pv", failsafe=["pv"]), at_s) == []
    assert [at_s for at_s in range(60, 90) if said_of(watch, lagging("pv"), at_s)] == [60 + PATIENCE_S]


def test_without_a_frame_in_force_nobody_knows_whether_it_ended():
    watch = NotFollowing(said={"pv"})
    assert said_of(watch, replace(lagging(), full=None), 0) == []
    assert said_of(watch, lagging(), 1) == ["-pv"]


def test_after_a_restart_it_is_said_again_or_ended():
    watch = NotFollowing(before={"pv", "battery"})
    state = lagging("battery")
    assert said_of(watch, state, 0) == ["-pv"]
    assert said_of(watch, state, PATIENCE_S) == ["battery"]
    assert said_of(watch, state, 2 * PATIENCE_S) == []


def test_R20_a_reading_that_does_not_come_is_asked_for_again_and_only_so_many_at_once():  # noqa: N802
    watch, names = NotFollowing(), [f"dev-{number:03}" for number in range(MOST_AT_ONCE + 3)]
    state = lagging(*names)
    asked = {at_s: len(watch.ripe(state, at_s)) for at_s in (0, 10, 10.1, 10.2, 10 + READ_AGAIN_S)}
    assert asked == {0: 0, 10: MOST_AT_ONCE, 10.1: 3, 10.2: 0, 10 + READ_AGAIN_S: MOST_AT_ONCE}


@pytest.mark.parametrize(
    ("shown", "text", "figures"),
    [
        pytest.param(
            None, "told 20 kW, it does not answer: look at its link and its supply", {"told_kw": 20}, id="no answer"
        ),
        pytest.param(
            shows(0, 20),
            "told 20 kW, shows 0 kW; it has its setpoint: look for a fault, a local mode or a limit of its own",
            {"told_kw": 20, "shown_kw": 0, "shown_setpoint_kw": 20},
            id="it knows and does not do it",
        ),
        pytest.param(
            shows(7.5, 8),
            "told 20 kW, shows 7.5 kW; its setpoint is 8 kW: who else writes to it, or what cuts it?",
            {"told_kw": 20, "shown_kw": 7.5, "shown_setpoint_kw": 8},
            id="somebody else told it",
        ),
        pytest.param(
            shows(7.5),
            "told 20 kW, shows 7.5 kW; it has no setpoint: does it take remote control?",
            {"told_kw": 20, "shown_kw": 7.5},
            id="it took none",
        ),
    ],
)
def test_what_is_said_names_what_was_told_what_it_shows_and_where_to_look(shown, text, figures):
    watch, state = NotFollowing(), lagging("battery")
    watch.ripe(state, 0)
    (finding,) = watch.seen(state, watch.ripe(state, 10), {} if shown is None else {"battery": shown})
    assert (finding.id, finding.text, finding.figures) == ("not_following/battery", text, figures)
