"""Which parks a worker serves, and in which consumer group."""

import pytest

from lusbalans.failure import CommandFailedError
from lusbalans.surroundings import want_parks
from tests.faults.park import STARTER, small_park


@pytest.fixture
def parks(tmp_path):
    """A folder of two hub folders, and of something else."""
    folder = tmp_path / "heerlen"
    for name in ("park-b", "park-a"):
        small_park(folder, name, "lus-1")
    (folder / "notes").mkdir()
    return folder


def test_one_hub_folder_is_a_group_of_its_own():
    group, hubs = want_parks(str(STARTER))
    assert (group, [hub.id for hub in hubs]) == ("lusbalans-my-park", ["my-park"])


def test_a_folder_of_hub_folders_is_one_group_and_stays_it_when_a_park_is_added(parks):
    group, hubs = want_parks(str(parks))
    assert (group, [hub.id for hub in hubs]) == ("lusbalans-parks-heerlen", ["park-a", "park-b"])
    small_park(parks, "park-c", "lus-1")
    assert want_parks(str(parks))[0] == group


def test_the_same_hub_twice_is_refused_naming_both_folders(parks):
    (parks / "park-a").rename(parks / "copy")
    small_park(parks, "park-a", "lus-1")
    with pytest.raises(CommandFailedError, match="copy and park-a are both the hub park-a"):
        want_parks(str(parks))


def test_one_park_with_errors_is_told_by_its_folder(parks):
    (parks / "park-b" / "assets.csv").write_text("id\n", encoding="utf-8")
    with pytest.raises(CommandFailedError, match="park-b"):
        want_parks(str(parks))


def test_a_folder_without_any_hub_is_refused(tmp_path):
    with pytest.raises(CommandFailedError, match=r"hub\.toml"):
        want_parks(str(tmp_path))
