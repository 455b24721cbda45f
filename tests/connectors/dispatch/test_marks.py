import pytest

from connectors.dispatch.marks import FILE_NAME, MarksError, MarksFile, SavedMarks, lowest_mark
from connectors.dispatch.role import start_states
from connectors.dispatch.rules import Mark, is_latched
from streams.messages import Epoch
from tests.connectors.dispatch.lease_tables import RULES

MARKS = {"ring-1": Mark(Epoch(1, 7, 42), 1234), "ring-2": Mark(Epoch(1, 8, 3), 5)}


def test_what_was_saved_is_read_back(tmp_path):
    with MarksFile(tmp_path, "park") as marks:
        assert marks.read() == SavedMarks({}, None)
        marks.save(MARKS, now_us=99)
        assert marks.read() == SavedMarks(MARKS, 99)


def test_R8_a_second_dispatch_on_the_same_folder_is_refused(tmp_path):  # noqa: N802 - rules are numbered so
    with MarksFile(tmp_path, "park"):
        with pytest.raises(MarksError, match="another dispatch"), MarksFile(tmp_path, "park"):
            pass
        with MarksFile(tmp_path, "another-park"):
            pass
    with MarksFile(tmp_path, "park"):
        pass


def test_unreadable_marks_stop_the_start_and_say_the_remedy(tmp_path):
    with MarksFile(tmp_path, "park") as marks:
        marks.save(MARKS, now_us=99)
        file = next(tmp_path.glob("park/*.json"))
        file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(MarksError, match="restore it, or delete it"):
            marks.read()


def test_R8_a_raised_incarnation_is_above_every_saved_mark():  # noqa: N802 - rules are numbered so
    states = start_states({"ring-1": RULES}, SavedMarks(MARKS, 0), incarnation=2, now_us=0, now_s=0)
    assert states["ring-1"].high_water == lowest_mark(2)


@pytest.mark.parametrize(
    ("saved_at_us", "in_failsafe"),
    [(None, True), (0, True), (979_000_001, False), (978_999_999, True), (1_021_000_001, True)],
    ids=["never ran", "long ago", "just now", "longer than any device lease", "clock went back"],
)
def test_R12_devices_count_as_in_failsafe_when_their_leases_have_certainly_ended(saved_at_us, in_failsafe):  # noqa: N802
    states = start_states(
        {"ring-1": RULES}, SavedMarks(MARKS, saved_at_us), incarnation=1, now_us=1_000_000_000, now_s=0
    )
    assert (states["ring-1"].failsafe == frozenset(RULES)) == in_failsafe


def test_R17_what_a_revert_keeps_back_is_kept_back_over_a_restart(tmp_path):  # noqa: N802
    with MarksFile(tmp_path, "park") as marks:
        marks.save(MARKS, now_us=99, latched=["ring-2"])
        saved = marks.read()
    assert saved == SavedMarks(MARKS, 99, frozenset({"ring-2"}))
    both = {"ring-1": RULES, "ring-2": RULES}
    states = start_states(both, saved, incarnation=1, now_us=100, now_s=50.0)
    assert (states["ring-1"].failsafe, is_latched(states["ring-1"])) == (frozenset(), False)
    assert (states["ring-2"].failsafe, is_latched(states["ring-2"])) == (frozenset(RULES), True)


def test_marks_of_a_dispatch_that_knew_no_reverts_are_read(tmp_path):
    with MarksFile(tmp_path, "park") as marks:
        file = tmp_path / "park" / FILE_NAME
        file.write_bytes(b'{"saved_at_us":99,"grid_loops":{"ring-1":{"epoch":[1,7,42],"sequence":1234}}}')
        assert marks.read() == SavedMarks({"ring-1": MARKS["ring-1"]}, 99)
