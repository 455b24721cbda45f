from pathlib import Path

import pytest

from infra.services.errors import FolderUnreachableError
from infra.services.users import SystemUser, closed_folder, require_reachable

STRANGER = SystemUser("stranger", 60123, 60123)


def test_a_folder_below_a_private_one_is_refused_naming_the_private_one(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "data").mkdir()
    closed = closed_folder(private / "data", STRANGER)
    assert closed is not None
    with pytest.raises(FolderUnreachableError, match=f"stranger cannot enter {closed}; use"):
        require_reachable(private / "data", STRANGER)


def test_a_folder_open_to_all_is_reachable():
    assert closed_folder(Path("/usr/bin"), STRANGER) is None


def test_our_own_user_needs_no_check(tmp_path):
    assert closed_folder(tmp_path, None) is None
