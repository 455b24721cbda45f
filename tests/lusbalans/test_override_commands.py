"""`lusbalans override` on a real broker: what it prints, and how it ends when it cannot do what it was asked."""

import json

import pytest
from click.testing import CliRunner

from connectors.operator_commands import OverrideCommands
from hub.folder import read_hub
from lusbalans.cli import main
from lusbalans.failure import BAD_INPUT, NOT_FOUND, OK
from streams.topics import OVERRIDE
from streams.two_people import Done, Person
from tests.conftest import DE_KOUMEN

services = pytest.mark.services


@pytest.fixture
def call(caller):
    return caller("override", OVERRIDE)


@services
def test_r18_an_asset_is_stopped_by_one_person_and_freed_by_two(call, kafka, hub_dir):
    done = call("set", "charger-07", "stop", "--why", "smoke at the plug")
    assert (done.exit_code, done.stderr) == (OK, "")
    assert done.stdout.startswith("charger-07: stop, kept at 0 kW until withdrawn\n  by ")
    (listed,) = json.loads(call("list", "--json").stdout)["overrides"]
    assert (listed["asset"], listed["terms"]["kind"], listed["terms"]["authenticated"]) == ("charger-07", "stop", False)
    waits = call("withdraw", "charger-07", "--why", "mended")
    assert "WAITS for a second person: withdraw it" in waits.stdout
    assert "lusbalans override confirm charger-07" in waits.stdout
    refused = call("confirm", "charger-07")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "somebody else must confirm" in refused.stderr
    with OverrideCommands(kafka.bootstrap, read_hub(hub_dir), Person("a-second-person")) as second:
        assert isinstance(second.confirm_override("charger-07"), Done)
    assert call("list").stdout == "nothing is overridden\n"


@services
def test_a_hold_waits_and_is_rejected(call):
    held = call("set", "bat-1", "hold", "--kw", "50", "--why", "test", "--until", "2099-07-01T14:00")
    assert "hold, kept at 50 kW until 2099-07-01 14:00:00+02:00" in held.stdout
    assert "could not go below 50 kW" in held.stdout
    assert call("reject", "bat-1", "--why", "not today").stdout == "bat-1: no longer overridden\n"


@services
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(("set", "charger-7", "stop", "--why", "?"), BAD_INPUT, "did you mean charger-", id="nearly there"),
        pytest.param(("set", "bat-1", "hold", "--why", "?"), BAD_INPUT, "between -500 and 500 kW", id="held at what?"),
        pytest.param(
            ("set", "bat-1", "hold", "--kw", "nan", "--why", "?"), BAD_INPUT, "between -500", id="not a number"
        ),
        pytest.param(("set", "bat-1", "stop", "--until", "soon", "--why", "?"), BAD_INPUT, "is no time", id="no time"),
        pytest.param(("set", "bat-1", "explode", "--why", "?"), BAD_INPUT, "'explode' is not one of", id="no kind"),
        pytest.param(("withdraw", "bat-1", "--why", "?"), NOT_FOUND, "has no override", id="not there"),
        pytest.param(("confirm", "bat-1"), NOT_FOUND, "nothing waits", id="nothing waits"),
        pytest.param(("list", "bat-99"), NOT_FOUND, "no asset 'bat-99'", id="no such asset"),
    ],
)
def test_what_cannot_be_done_says_why_on_stderr_and_by_its_exit_code(call, words, code, message):
    result = call(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_without_a_broker_it_says_so_in_one_line():
    result = CliRunner().invoke(main, ["override", "list", "--hub", str(DE_KOUMEN), "--bootstrap", "127.0.0.1:9"])
    assert (result.exit_code, result.stderr.count("\n")) == (NOT_FOUND, 1)
    assert "no broker at 127.0.0.1:9" in result.stderr
