import os
import subprocess
import sys

import pytest

from infra.services.errors import FolderLockedError, FolderUnreachableError, NoSpaceError
from infra.services.folder import FolderLock, make_folder, require_space


def test_a_second_owner_is_refused_in_one_line_that_names_the_first(tmp_path):
    with FolderLock(tmp_path), pytest.raises(FolderLockedError) as refusal:
        FolderLock(tmp_path)
    assert f"{tmp_path} is in use by process {os.getpid()} since 20" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_released_folder_can_be_owned_again(tmp_path):
    FolderLock(tmp_path).release()
    FolderLock(tmp_path).release()


def test_a_killed_owner_leaves_no_lock(tmp_path):
    code = (
        "import os, pathlib, sys; from infra.services.folder import FolderLock;"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    owner = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert owner.returncode == -9
    FolderLock(tmp_path).release()


def test_a_full_file_system_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(NoSpaceError, match="MiB free and needs 1000000000 MiB; make room"):
        require_space(tmp_path, 1_000_000_000)


def test_folders_that_root_makes_let_another_user_pass(tmp_path):
    before = os.umask(0o077)
    make_folder(tmp_path / "a" / "b")
    os.umask(before)
    expected = 0o755 if os.geteuid() == 0 else 0o700
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")] == [expected, expected]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnreachableError, match=r"file/data cannot be made \(Not a directory\); choose another"):
        make_folder(tmp_path / "file" / "data")
