import pytest

from infra.services.errors import DownloadFailedError
from infra.services.jars import Jar, ensure_jars, read_lock

SMALL = next(jar for jar in read_lock() if jar.coordinates.startswith("org.slf4j:slf4j-api:"))


def test_the_lock_names_each_archive_once_with_a_whole_hash():
    jars = read_lock()
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


@pytest.mark.services
def test_an_archive_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path):
    forged = Jar(SMALL.coordinates, "00" * 32)
    with pytest.raises(DownloadFailedError, match=f"{SMALL.coordinates} has SHA-256 {SMALL.sha256}, not 0000"):
        ensure_jars([forged], tmp_path, on_progress=print)
    assert list((tmp_path / "jars").iterdir()) == []


@pytest.mark.services
def test_a_damaged_archive_is_fetched_again(tmp_path):
    (path,) = ensure_jars([SMALL], tmp_path, on_progress=print)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert ensure_jars([SMALL], tmp_path, on_progress=print)[0].read_bytes() == whole


@pytest.mark.services
def test_an_archive_that_does_not_exist_is_a_failed_download(tmp_path):
    with pytest.raises(DownloadFailedError, match=r"could not fetch org\.slf4j:slf4j-api:0\.0\.0"):
        ensure_jars([Jar("org.slf4j:slf4j-api:0.0.0", "00" * 32)], tmp_path, on_progress=print)
