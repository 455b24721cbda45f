"""`lusbalans topology` on a real broker: what it prints, and how it ends when it cannot do what it was asked."""

import json
import re

import pytest
from click.testing import CliRunner

from connectors.operator_commands import TopologyCommands
from hub.folder import read_hub
from lusbalans.cli import main
from lusbalans.failure import BAD_INPUT, FAILED, NOT_FOUND, OK
from lusbalans.surroundings import account_name
from streams.topics import TOPOLOGY
from streams.two_people import Done, Person
from tests.conftest import DE_KOUMEN

services = pytest.mark.services


@pytest.fixture
def call(caller):
    return caller("topology", TOPOLOGY)


@services
def test_an_open_point_is_moved_by_one_person_and_confirmed_by_another(call, kafka, hub_dir):
    assert "lus-1: open after section 4 of 7, as the hub folder says; permitted after 3, 4, 5, 7" in call("list").stdout
    moved = call("move", "lus-1", "--to", "5", "--why", "works on section 5")
    assert (moved.exit_code, moved.stderr) == (OK, "")
    assert moved.stdout.startswith("lus-1: open after section 4 or 5 of 7, SWITCHING; permitted after 3, 4, 5, 7\n")
    assert re.search(r"WAITS for a second person: open after section 5, says .* \(unauthenticated\)", moved.stdout)
    assert "somebody else lets it hold by: lusbalans topology confirm lus-1" in moved.stdout
    alone = call("confirm", "lus-1")
    assert (alone.exit_code, alone.stdout) == (FAILED, "")
    assert "somebody else must confirm where it lies (R18)" in alone.stderr
    with TopologyCommands(kafka.bootstrap, read_hub(hub_dir), Person("a-second-person")) as second:
        assert isinstance(second.confirm("lus-1"), Done)
    (listed,) = json.loads(call("list", "lus-1", "--json").stdout)["rings"]
    assert (listed["certainty"], listed["open_after"], listed["positions"]) == ("confirmed", 5, [5])
    doubted = call("doubt", "lus-1", "--why", "somebody was at the switch")
    assert "open after section 3 or 4 or 5 or 7 of 7, UNKNOWN" in doubted.stdout
    assert f"by {account_name()}: somebody was at the switch" in doubted.stdout


@services
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        pytest.param(("move", "lus-1", "--to", "6", "--why", "?"), BAD_INPUT, "3, 4, 5, 7", id="not permitted"),
        pytest.param(("move", "lus-1", "--to", "4", "--why", "?"), BAD_INPUT, "there already", id="there already"),
        pytest.param(("move", "lus-9", "--to", "4", "--why", "?"), NOT_FOUND, "lus-1, lus-2", id="no such ring"),
        pytest.param(("confirm", "lus-1"), NOT_FOUND, "nothing waits", id="nothing to confirm"),
        pytest.param(("list", "lus-9"), NOT_FOUND, "no grid loop", id="nothing to show"),
    ],
)
def test_what_cannot_be_done_says_so_on_stderr_with_its_exit_code(call, words, code, told):
    result = call(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_broker_it_says_where_it_looked():
    result = CliRunner().invoke(main, ["topology", "list", "--hub", str(DE_KOUMEN), "--bootstrap", "127.0.0.1:9"])
    assert result.exit_code == NOT_FOUND
    assert "127.0.0.1:9" in result.stderr
