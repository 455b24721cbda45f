"""The command line as a whole: help everywhere, exit codes, one clear line instead of a traceback."""

import subprocess
import sys
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from lusbalans.cli import main
from lusbalans.roles import ROLES, SIGNING


@pytest.fixture
def run(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return lambda *arguments, **env: CliRunner(env=env).invoke(main, [str(argument) for argument in arguments])


def commands(group, path=()):
    """Every command with its path, groups included."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path) or "lusbalans") for path in commands(main)])
def test_every_command_explains_itself_and_each_of_its_options(run, path):
    shown = run(*path, "--help")
    assert (shown.exit_code, shown.stderr) == (0, "")
    command = main
    for name in path:
        command = command.commands[name]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_version_is_that_of_the_package(run):
    assert run("--version").stdout.strip() == f"lusbalans, version {version('lusbalans')}"


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "lusbalans", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lusbalans, version")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("arguments", "env", "expected"),
    [
        pytest.param((), {}, (2, "no hub folder: give --hub or set LUSBALANS_HUB_DIR"), id="no hub"),
        pytest.param(("--hub", "/nope"), {}, (3, "/nope: no such folder"), id="hub is not there"),
        pytest.param((), {"LUSBALANS_COLOUR": "1"}, (2, "colour"), id="unknown setting"),
        pytest.param((), {"LUSBALANS_INCARNATION": "one"}, (2, "incarnation"), id="setting of the wrong kind"),
        pytest.param(("--http-port", "70000"), {}, (2, "70000"), id="no such port"),
    ],
)
def test_a_role_that_cannot_start_says_why(run, role, arguments, env, expected):
    code, says = expected
    failed = run("run", role, *arguments, **env)
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("role", sorted(SIGNING))
def test_a_role_does_not_start_with_keys_that_cannot_be_used(run, role, tmp_path):
    run("hub", "init", tmp_path / "park")
    failed = run("run", role, "--hub", tmp_path / "park", LUSBALANS_SIGNING_KEYS="mine:c0ffee")
    assert (failed.exit_code, failed.stderr.splitlines()[-1]) == (
        2,
        "LUSBALANS_SIGNING_KEYS: signing key mine has 3 bytes; 32 are the least",
    )


def test_all_errors_of_a_hub_folder_are_told(run, tmp_path):
    (tmp_path / "hub.toml").write_text("[hub]\n")
    failed = run("run", "dispatch", "--hub", tmp_path)
    assert failed.exit_code == 2
    assert {"connections.csv: the file is missing", "assets.csv: the file is missing"} <= {
        line.split(";")[0] for line in failed.stderr.splitlines()
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--scenario", "doomsday"), "doomsday", id="scenario"),
        pytest.param(("--minutes", "0"), "0", id="no time at all"),
        pytest.param(("--database", "oracle"), "oracle", id="database"),
    ],
)
def test_a_demo_that_makes_no_sense_is_refused_before_anything_starts(run, tmp_path, arguments, says):
    refused = run("demo", "--data", tmp_path / "data", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert says in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_demo_of_a_park_without_profiles_is_refused(run, tmp_path):
    run("hub", "init", tmp_path / "new")
    refused = run("demo", "--hub", tmp_path / "new", "--data", tmp_path / "data")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "hub my-park names no profiles: a demo needs them to simulate the park\n",
    )
