import math

import msgspec
import pytest

from connectors.dispatch import rules
from connectors.dispatch.rules import Accepted, DeviceWrite, Refused, Renewed
from streams.messages import Refusal
from tests.connectors.dispatch.lease_tables import Row, cycle, fresh, full, play, renewal, wall_us, word_of

CYCLES: dict[str, list[Row]] = {
    "R1_a_setpoint_is_told_once_and_renewed_only_when_the_device_lease_needs_it": [
        (0, full(1, 0, battery=20), "accepted", (), {"battery": 20}),
        (1, renewal(2, 1, of=1), "renewed", (), {}),
        (6, full(3, 6, battery=20), "accepted", (), {}),
        (7, renewal(4, 7, of=3), "renewed", (), {"battery": 20}),
        (8, renewal(5, 8, of=3), "renewed", (), {}),
        (9, full(6, 9, battery=-5), "accepted", (), {"battery": -5}),
    ],
    "R3_at_the_end_of_a_lease_pv_falls_back_first_and_the_battery_last": [
        (0, full(1, 0, pv=-60, charger=11, battery=20), "accepted", (), {"pv": -60, "charger": 11, "battery": 20}),
        (9.9, None, "", (), {"pv": -60, "charger": 11, "battery": 20}),
        (10, None, "", ("pv",), {"pv": -10}),
        (13.9, None, "", (), {}),
        (14, None, "", ("charger",), {"charger": 0}),
        (16, None, "", ("battery",), {"battery": 0}),
        (100, None, "", (), {}),
    ],
    "R3_a_device_that_waits_for_its_stage_is_not_renewed_any_more": [
        (0, full(1, 0, battery=20), "accepted", (), {"battery": 20}),
        (7, None, "", (), {"battery": 20}),
        (14.5, None, "", (), {}),
        (16, None, "", ("battery",), {"battery": 0}),
    ],
    "R3_a_renewal_after_the_end_of_the_lease_does_not_bring_it_back": [
        (0, full(1, 0, battery=20), "accepted", (), {"battery": 20}),
        (9, None, "", (), {"battery": 20}),
        (10, renewal(2, 10, of=1), "unknown_renewal", (), {}),
        (16, None, "", ("battery",), {"battery": 0}),
    ],
    "R9_after_a_restart_the_first_accepted_frame_is_full_and_nothing_is_reverted_until_told": [
        (0, None, "", (), {}),
        (1, renewal(8, 1, of=7), "unknown_renewal", (), {}),
        (2, full(9, 2, battery=20), "accepted", (), {"battery": 20}),
    ],
    "R12_after_failsafe_assets_return_after_a_hold_storage_first_and_pv_last": [
        (0, full(1, 0, pv=-60, charger=11, battery=20), "accepted", (), {"pv": -60, "charger": 11, "battery": 20}),
        (16, None, "", ("battery", "charger", "pv"), {"battery": 0, "charger": 0, "pv": -10}),
        (20, full(2, 20, pv=-60, charger=11, battery=20), "accepted", (), {}),
        (21.9, None, "", (), {}),
        (22, None, "", (), {"battery": 20}),
        (24, None, "", (), {"charger": 11}),
        (26, None, "", (), {"pv": -60}),
    ],
    "R12_a_lease_that_ends_while_assets_return_starts_the_hold_again": [
        (0, full(1, 0, pv=-60), "accepted", (), {"pv": -60}),
        (10, None, "", ("pv",), {"pv": -10}),
        (20, full(2, 20, valid_s=1, pv=-60), "accepted", (), {}),
        (21, None, "", (), {}),
        (27, full(3, 27, pv=-60), "accepted", (), {}),
        (32.9, None, "", (), {}),
        (33, None, "", (), {"pv": -60}),
    ],
    "R17_a_revert_ends_what_is_in_force_pv_at_once_and_the_battery_last": [
        (0, full(1, 0, pv=-60, charger=11, battery=20), "accepted", (), {"pv": -60, "charger": 11, "battery": 20}),
        (1, "revert", "reverted", ("battery", "charger", "pv"), {"pv": -10}),
        (4.9, None, "", (), {}),
        (5, None, "", (), {"charger": 0}),
        (7, None, "", (), {"battery": 0}),
        (100, None, "", (), {}),
    ],
    "R17_R12_only_a_full_frame_decided_after_the_revert_lets_assets_return_and_they_do_so_in_turn": [
        (0, full(1, 0, pv=-60, charger=11), "accepted", (), {"pv": -60, "charger": 11}),
        (1, "revert", "reverted", ("battery", "charger", "pv"), {"pv": -10}),
        (2, renewal(2, 2, of=1), "unknown_renewal", (), {}),
        (3, full(3, 1, pv=-70, charger=12), "before_revert", (), {}),
        (5, None, "", (), {"charger": 0}),
        (9, full(4, 9, pv=-60, charger=11), "accepted", (), {}),
        (12.9, None, "", (), {}),
        (13, None, "", (), {"charger": 11}),
        (15, None, "", (), {"pv": -60}),
    ],
    "R17_a_revert_said_again_puts_nothing_off_but_starts_the_return_anew": [
        (0, full(1, 0, pv=-60, charger=11), "accepted", (), {"pv": -60, "charger": 11}),
        (1, "revert", "reverted", ("battery", "charger", "pv"), {"pv": -10}),
        (4, "revert", "reverted", (), {}),
        (5, None, "", (), {"charger": 0}),
        (6, full(2, 6, pv=-60, charger=11), "accepted", (), {}),
        (9, "revert", "reverted", (), {}),
        (10, renewal(3, 10, of=2), "unknown_renewal", (), {}),
        (99, None, "", (), {}),
    ],
    "R17_R12_a_decision_on_old_readings_lets_nothing_return": [
        (0, full(1, 0, pv=-60), "accepted", (), {"pv": -60}),
        (1, "revert", "reverted", ("battery", "charger", "pv"), {"pv": -10}),
        (2, msgspec.structs.replace(full(2, 2, pv=-60), folded_until_us=wall_us(-4)), "accepted", (), {}),
        (11, None, "", (), {}),
        (20, full(3, 20, pv=-60), "accepted", (), {}),
        (26, None, "", (), {"pv": -60}),
    ],
    "R17_a_device_nobody_spoke_of_is_left_to_its_own_lease_and_then_kept_back": [
        (0, "revert", "reverted", ("battery", "charger", "pv"), {}),
        (1, full(1, 1, battery=20), "accepted", (), {}),
        (2.9, None, "", (), {}),
        (3, None, "", (), {"battery": 20}),
    ],
    "R20_of_several_frames_only_the_newest_value_is_told": [
        (0, full(1, 0, battery=20), "accepted", (), {"battery": 20}),
        (1, full(2, 1, battery=30), "accepted", (), {"battery": 30}),
        (1, full(3, 1, battery=31), "accepted", (), {"battery": 31}),
    ],
    "R1_an_asset_that_a_full_frame_leaves_out_reverts": [
        (0, full(1, 0, pv=-60, battery=20), "accepted", (), {"pv": -60, "battery": 20}),
        (1, full(2, 1, pv=-60), "accepted", (), {"battery": 0}),
    ],
    "R15_a_value_beyond_the_assets_range_is_cut_to_it": [
        (0, full(1, 0, pv=-200, charger=40, battery=-70), "accepted", (), {"pv": -100, "charger": 22, "battery": -50}),
    ],
    "R1_a_very_long_duration_counts_as_a_minute": [
        (0, full(1, 0, valid_s=86_400, pv=-60), "accepted", (), {"pv": -60}),
        (60, None, "", ("pv",), {"pv": -10}),
    ],
}


@pytest.mark.parametrize("rows", CYCLES.values(), ids=CYCLES.keys())
def test_cycles(rows):
    play(fresh(), rows)


HELD = full(5, 0, epoch=2, battery=20)

REFUSED = {
    "R1_no_duration": (full(6, 1, epoch=2, valid_s=0, battery=1), 1, Refusal.NO_DURATION),
    "R1_negative_duration": (full(6, 1, epoch=2, valid_s=-5, battery=1), 1, Refusal.NO_DURATION),
    "R2_older_than_3_s": (full(6, 1, epoch=2, battery=1), 4.001, Refusal.TOO_OLD),
    "R2_older_than_its_own_duration": (full(6, 1, epoch=2, valid_s=0.5, battery=1), 1.6, Refusal.TOO_OLD),
    "R2_more_than_2_s_ahead": (full(6, 3.001, epoch=2, battery=1), 1, Refusal.IN_THE_FUTURE),
    "R8_lower_generation": (full(99, 1, epoch=1, battery=1), 1, Refusal.LOWER_EPOCH),
    "R8_same_sequence": (full(5, 1, epoch=2, battery=1), 1, Refusal.NOT_NEWER),
    "R8_lower_sequence": (full(4, 1, epoch=2, battery=1), 1, Refusal.NOT_NEWER),
    "R8_renewal_by_an_old_writer": (renewal(9, 1, of=5, epoch=1), 1, Refusal.LOWER_EPOCH),
    "R8_renewal_of_another_epochs_frame": (renewal(6, 1, of=5, epoch=3), 1, Refusal.UNKNOWN_RENEWAL),
    "renewal_of_a_frame_that_is_not_in_force": (renewal(6, 1, of=4, epoch=2), 1, Refusal.UNKNOWN_RENEWAL),
    "R14_not_a_number": (full(6, 1, epoch=2, battery=math.nan), 1, Refusal.NOT_A_NUMBER),
    "R14_infinity": (full(6, 1, epoch=2, battery=-math.inf), 1, Refusal.NOT_A_NUMBER),
}


@pytest.mark.parametrize(("frame", "at_s", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_frames_change_nothing(frame, at_s, why):
    state, _ = cycle(fresh(), 0, HELD)
    after, outcome = rules.receive(state, frame, now_s=at_s, now_us=wall_us(at_s))
    assert word_of(outcome) == why
    assert after == state


AT_THE_EDGE = {
    "R2_exactly_3_s_old": (full(6, 1, epoch=2, battery=1), 4),
    "R2_exactly_2_s_ahead": (full(6, 3, epoch=2, battery=1), 1),
    "R8_higher_epoch_with_a_lower_sequence": (full(0, 1, epoch=3, battery=1), 1),
}


@pytest.mark.parametrize(("frame", "at_s"), AT_THE_EDGE.values(), ids=AT_THE_EDGE.keys())
def test_frames_at_the_edge_are_taken(frame, at_s):
    state, _ = cycle(fresh(), 0, HELD)
    assert isinstance(rules.receive(state, frame, now_s=at_s, now_us=wall_us(at_s))[1], Accepted)


@pytest.mark.parametrize("column", ["power_kw", "bound", "reason", "binding", "ids"])
def test_unequal_columns_are_refused(column):
    frame = full(1, 0, battery=1, pv=-1)
    getattr(frame, column).pop()
    assert cycle(fresh(), 0, frame)[1].outcome == Refusal.UNEQUAL_COLUMNS


def test_a_renewal_with_rows_is_refused():
    state, _ = cycle(fresh(), 0, full(1, 0, battery=20))
    frame = msgspec.structs.replace(full(2, 1, battery=30), full=False, renews=1)
    assert cycle(state, 1, frame)[1].outcome == Refusal.UNEQUAL_COLUMNS


def test_an_asset_named_twice_is_refused():
    frame = full(1, 0, battery=1, pv=-1)
    frame.ids[1] = "battery"
    assert cycle(fresh(), 0, frame)[1].outcome == Refusal.UNEQUAL_COLUMNS


def test_R2_validity_counts_from_receipt_not_from_the_wall_clock():  # noqa: N802 - rules are numbered so
    state, _ = cycle(fresh(), 0, full(1, -2.5, battery=20))
    assert cycle(state, 15.9)[1].reverted == ()
    assert cycle(state, 16)[1].reverted == ("battery",)


def test_assets_that_are_not_the_grid_loops_are_named_and_the_others_taken():
    frame = full(1, 0, battery=20, stranger=5)
    state, outcome = rules.receive(fresh(), frame, now_s=0, now_us=wall_us(0))
    assert outcome == Accepted(unknown=("stranger",), dropped=())
    assert rules.due(state, 0)[1] == (DeviceWrite("battery", 20, 21),)


def test_a_renewal_extends_only_while_the_frame_it_names_is_in_force():
    state, _ = cycle(fresh(), 0, full(1, 0, battery=20))
    state, outcome = rules.receive(state, renewal(2, 9, of=1), now_s=9, now_us=wall_us(9))
    assert outcome == Renewed()
    assert cycle(state, 24.9)[1].reverted == ()
    assert cycle(state, 25)[1].reverted == ("battery",)


def test_R13_devices_in_failsafe_at_the_start_return_by_R12():  # noqa: N802 - rules are numbered so
    state, seen = cycle(fresh(in_failsafe=True), 0, full(1, 0, pv=-60, battery=20))
    assert seen.told == {}
    state, seen = cycle(state, 2)
    assert seen.told == {"battery": 20}
    assert cycle(state, 6)[1].told == {"pv": -60}


def test_R12_a_decision_on_old_telemetry_brings_nothing_out_of_failsafe():  # noqa: N802 - rules are numbered so
    blind = msgspec.structs.replace(full(1, 0, battery=20), folded_until_us=wall_us(-5.1))
    state, seen = cycle(fresh(in_failsafe=True), 0, blind)
    assert seen.outcome == "accepted"
    assert cycle(state, 9)[1].told == {}


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_R17_a_step_of_the_wall_clock_neither_undoes_a_revert_nor_makes_it_last(step_s):  # noqa: N802
    """After the step both writer and dispatch have the new time; the monotonic clock knows nothing of it."""
    state, _ = cycle(fresh(), 0, full(1, 0, pv=-60))
    state, _ = rules.revert(state, 1.0)
    before, after = full(2, 0.5 + step_s, pv=-60), full(3, 3 + step_s, pv=-60)
    state, refused = rules.receive(state, before, now_s=2, now_us=wall_us(2 + step_s))
    assert refused == Refused(Refusal.BEFORE_REVERT)
    _, taken = rules.receive(state, after, now_s=3, now_us=wall_us(3 + step_s))
    assert isinstance(taken, Accepted)
