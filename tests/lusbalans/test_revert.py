"""`lusbalans revert` from a terminal: an order on the log, or one clear line why not."""

import uuid

import pytest
from click.testing import CliRunner

from connectors.topic_admin import ensure_topics
from lusbalans.cli import main
from lusbalans.surroundings import account_name
from streams.codec import decode_revert
from streams.guard_messages import RevertBy
from streams.topics import REVERT
from tests.faults.park import DE_KOUMEN, Listener, copy_hub

WHY = ("--why", "smoke at the substation")


def run(*arguments, **env):
    return CliRunner(env=env).invoke(main, ["revert", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "env", "expected"),
    [
        (("lus-9", *WHY), {}, (3, "no grid loop lus-9 in de-koumen; there is lus-")),
        (("lus-1",), {}, (2, "Missing option '--why'")),
        (("lus-1", *WHY), {"LUSBALANS_SIGNING_KEYS": "mine:c0ffee"}, (2, "signing key mine has 3 bytes")),
        (("lus-1", *WHY, "--bootstrap", "127.0.0.1:1"), {}, (3, "lus-1: no broker took the order: hub.revert.v1: ")),
    ],
    ids=["no such loop", "no reason", "keys that cannot be used", "no broker"],
)
def test_a_revert_that_cannot_be_ordered_says_why(arguments, env, expected):
    code, says = expected
    failed = run(*arguments, "--hub", DE_KOUMEN, **env)
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.services
def test_R18_one_person_stops_a_grid_loop_at_once(kafka, tmp_path):  # noqa: N802
    ensure_topics(kafka.bootstrap)
    hub_id = f"park-{uuid.uuid4().hex[:8]}"
    done = run("lus-1", *WHY, "--hub", copy_hub(tmp_path, hub_id), "--bootstrap", kafka.bootstrap)
    assert done.exit_code == 0, done.stderr
    (heard,) = Listener(kafka.bootstrap, hub_id, REVERT).so_far(REVERT)
    revert = decode_revert(heard.value)
    assert (revert.grid_loop, revert.by, revert.who, revert.why) == (
        "lus-1",
        RevertBy.OPERATOR,
        account_name(),
        "smoke at the substation",
    )
