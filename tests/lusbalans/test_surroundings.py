"""Which parks a worker serves, in which consumer group, and which it refuses to."""

import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from hub.folder import read_hub
from lusbalans.cli import main
from lusbalans.failure import BAD_INPUT, CommandFailedError
from lusbalans.surroundings import MOST_TOLD, want_parks, want_proven
from tests.bench.big_hub import big_hub
from tests.faults.park import STARTER, copy_hub, small_park


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


def test_R4_a_park_that_is_not_safe_with_every_computer_off_is_refused_by_node_kw_and_remedy():  # noqa: N802
    proven = read_hub(STARTER)
    want_proven([proven])
    with pytest.raises(CommandFailedError) as refusal:
        want_proven([proven, replace(proven, id="bare", envelope=())])
    undeclared, first = str(refusal.value).splitlines()[:2]
    assert undeclared.startswith("bare: 4 connections have no envelope and count at their contracts")
    assert first.startswith(
        "bare: park: with every computer off, import exceeds 300 kW by 5 kW through devices that fall"
    )
    assert first.endswith("bring reversion_kw of the assets below closer to 0, or test it (reversion_tested)")
    assert refusal.value.exit_code == BAD_INPUT


def test_of_a_large_park_that_is_not_proven_the_first_limits_are_told_and_how_many_more():
    big = big_hub(200, 1)
    untested = tuple(replace(asset, reversion_tested=None) for asset in big.assets)
    with pytest.raises(CommandFailedError) as refusal:
        want_proven([replace(big, assets=untested)])
    lines = str(refusal.value).splitlines()
    assert len(lines) == MOST_TOLD + 1
    assert lines[-1].endswith("more: `lusbalans hub check` tells all")


def test_R4_no_worker_starts_with_a_park_that_is_not_proven(tmp_path):  # noqa: N802
    folder = small_park(tmp_path, "park-a", "lus-1")
    (folder / "envelope.csv").unlink()
    words = [sys.executable, "-m", "lusbalans", "run", "worker", "--hub", folder, "--data", tmp_path / "data"]
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == BAD_INPUT
    assert "park-a: park: with every computer off, export exceeds 0 kW by 9 kW" in done.stderr


def test_R4_no_demo_starts_with_a_park_that_is_not_proven(tmp_path):  # noqa: N802
    folder = copy_hub(tmp_path, "park-a")
    (folder / "envelope.csv").unlink()
    done = CliRunner().invoke(main, ["demo", "--hub", str(folder), "--data", str(tmp_path / "data"), "--headless"])
    assert (done.exit_code, done.stdout, (tmp_path / "data").exists()) == (BAD_INPUT, "", False)
    assert "park-a: park: with every computer off, import exceeds 3400 kW" in done.stderr
