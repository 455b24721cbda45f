"""`lusbalans limit` on a real broker: what it prints, and how it ends when it cannot do what it was asked."""

import json
import re

import pytest
from click.testing import CliRunner

from connectors.operator_commands import OperatorCommands
from hub.folder import read_hub
from lusbalans.cli import main
from lusbalans.failure import BAD_INPUT, NOT_FOUND, OK
from lusbalans.surroundings import account_name
from streams.topics import LIMIT
from streams.two_people import Done, Person
from tests.conftest import DE_KOUMEN

services = pytest.mark.services


@pytest.fixture
def call(caller):
    return caller("limit", LIMIT)


CAP = (
    "lus-1",
    "cap-114",
    "--layer",
    "dso_cap",
    "--import-kw",
    "245",
    "--why",
    "cable works",
    "--source",
    "message 114",
)


@services
def test_a_cap_is_set_listed_waits_when_withdrawn_and_goes_when_a_second_person_confirms(call, kafka, hub_dir):
    done = call("set", *CAP)
    assert (done.exit_code, done.stderr) == (OK, "")
    assert re.match(r"lus-1 cap-114: import 245 kW \[dso_cap, instant\] from 20", done.stdout)
    listed = json.loads(call("list", "lus-1", "--json").stdout)
    assert listed["effective"]["import"]["now"] == {
        "kw": 245.0, "layer": "dso_cap", "judged": "instant", "source": "message 114", "limit": "cap-114"
    }  # fmt: skip
    assert (listed["limits"][0]["terms"]["who"], listed["limits"][0]["terms"]["authenticated"]) == (
        account_name(),
        False,
    )
    waits = call("withdraw", "lus-1", "cap-114", "--why", "works are done")
    assert "WAITS for a second person: withdraw it" in waits.stdout
    assert "lusbalans limit confirm lus-1 cap-114" in waits.stdout
    refused = call("confirm", "lus-1", "cap-114")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "somebody else must confirm" in refused.stderr
    with OperatorCommands(kafka.bootstrap, read_hub(hub_dir), Person("a-second-person")) as second:
        assert isinstance(second.confirm_limit("lus-1", "cap-114"), Done)
    assert call("list").stdout == "no limits were stated besides those of the hub folder\n"


@services
def test_a_proposal_is_rejected_and_the_limit_stays(call):
    call("set", *CAP)
    call("set", "lus-1", "cap-114", "--layer", "dso_cap", "--import-kw", "500", "--why", "more")
    assert "WAITS" in call("list").stdout
    assert call("reject", "lus-1", "cap-114", "--why", "not yet").exit_code == OK
    assert "WAITS" not in call("list").stdout
    assert "import 245 kW" in call("list").stdout


@services
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(("set", "lus1", *CAP[1:]), BAD_INPUT, "did you mean lus-1", id="a node that is nearly there"),
        pytest.param(("list", "lus1"), NOT_FOUND, "did you mean lus-1", id="to look at, too"),
        pytest.param(("set", "lus-1", "x", "--why", "?"), BAD_INPUT, "give at least one", id="no limit at all"),
        pytest.param(("set", *CAP[:5], "-5", *CAP[6:]), BAD_INPUT, "kW must be between", id="negative"),
        pytest.param(("set", *CAP[:5], "nan", *CAP[6:]), BAD_INPUT, "kW must be between", id="not a number"),
        pytest.param(("set", *CAP, "--until", "2020-01-01"), BAD_INPUT, "later than from", id="over before it begins"),
        pytest.param(("set", *CAP, "--until", "soon"), BAD_INPUT, "is no time", id="no time"),
        pytest.param(("set", *CAP, "--block", "import=1"), BAD_INPUT, "not both", id="two ways at once"),
        pytest.param(("set", *CAP, "--ring"), BAD_INPUT, "no section", id="the ring's direction of a loop"),
        pytest.param(("withdraw", "lus-1", "cup", "--why", "?"), NOT_FOUND, "has no limit 'cup'", id="not there"),
        pytest.param(("confirm", "lus-1", "cup"), NOT_FOUND, "nothing waits", id="nothing waits"),
    ],
)
def test_what_cannot_be_done_says_why_on_stderr_and_by_its_exit_code(call, words, code, message):
    result = call(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_without_a_broker_it_says_so_in_one_line():
    result = CliRunner().invoke(main, ["limit", "list", "--hub", str(DE_KOUMEN), "--bootstrap", "127.0.0.1:9"])
    assert (result.exit_code, result.stderr.count("\n")) == (NOT_FOUND, 1)
    assert "no broker at 127.0.0.1:9" in result.stderr
