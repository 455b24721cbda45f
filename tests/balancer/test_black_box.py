"""`lusbalans balance`: documents in, documents out, and what is refused."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from balancer.black_box import balance_text
from balancer.model import InputError
from lusbalans.balance import balance

EXAMPLE = {
    "nodes": [
        {"id": "station", "parent": None, "limits": [{"import_kw": 3400.0, "export_kw": 0.0, "layer": "protection"}]},
        {"id": "loop-b", "parent": "station", "uncontrolled_kw": 20, "limits": [{"import_kw": 800}]},
        {"id": "conn-9", "parent": "loop-b", "limits": [{"import_kw": 96.0, "uncontrolled_kw": 0}]},
    ],
    "assets": [
        {"id": "fixed", "node": "conn-9", "min_kw": 100, "max_kw": 100, "target_kw": 100},
        {"id": "bat-1", "node": "loop-b", "min_kw": -100, "max_kw": 100, "target_kw": 0, "order_down": 1},
        {"id": "plaza", "node": "loop-b", "min_kw": 0, "max_kw": 900, "target_kw": 900, "weight": 3},
        {"id": "pv", "node": "station", "min_kw": -50, "max_kw": 0, "target_kw": -50, "order_up": 3},
    ],
}


def test_the_answer_has_every_asset_node_and_violation_in_the_order_of_the_input():
    answer = json.loads(balance_text(json.dumps(EXAMPLE)))
    assert answer == {
        "setpoints": [
            {"id": "fixed", "power_kw": 100.0, "price": -2.0, "binding": ["conn-9", "loop-b"]},
            {"id": "bat-1", "power_kw": 0.0, "price": pytest.approx(-220 / 900), "binding": ["loop-b"]},
            {
                "id": "plaza",
                "power_kw": pytest.approx(680.0),
                "price": pytest.approx(-220 / 900),
                "binding": ["loop-b"],
            },
            {"id": "pv", "power_kw": -50.0, "price": 0.0, "binding": []},
        ],
        "violations": [{"node": "conn-9", "direction": "import", "kw": 4.0, "layer": "contract"}],
        "nodes": [
            {"id": "station", "power_kw": pytest.approx(730.0), "price": 0.0},
            {"id": "loop-b", "power_kw": pytest.approx(780.0), "price": pytest.approx(-220 / 900)},
            {"id": "conn-9", "power_kw": 100.0, "price": -2.0},
        ],
    }


def changed(path, value):
    document = json.loads(json.dumps(EXAMPLE))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("{", "input: not a JSON document", id="broken"),
        pytest.param("[" * 10**6, "input: not a JSON document", id="nested too deep"),
        pytest.param("[]", "input: must be an object", id="a list"),
        pytest.param('{"nodes": []}', "nodes: there must be a root", id="no nodes"),
        pytest.param(changed(["nodes"], {}), "input: nodes must be a list", id="nodes no list"),
        pytest.param(changed(["extra"], 1), "input: key extra is unknown", id="unknown key"),
        pytest.param(changed(["assets", 0, "min_kW"], 1), "asset fixed: key min_kW is unknown", id="misspelt"),
        pytest.param(changed(["assets", 0, "min_kw"], float("nan")), "asset fixed: min_kw must be a finite", id="nan"),
        pytest.param(changed(["assets", 0, "max_kw"], float("inf")), "asset fixed: max_kw must be a finite", id="inf"),
        pytest.param(changed(["assets", 0, "max_kw"], 10**400), "asset fixed: max_kw must be a finite", id="huge"),
        pytest.param(changed(["assets", 0, "max_kw"], 1e12), "asset fixed: max_kw must be within", id="absurd"),
        pytest.param(changed(["assets", 0, "max_kw"], "100"), "asset fixed: max_kw must be a number", id="text"),
        pytest.param(changed(["assets", 0, "max_kw"], value=True), "asset fixed: max_kw must be a number", id="true"),
        pytest.param(changed(["assets", 0, "max_kw"], None), "asset fixed: max_kw must be a number", id="missing"),
        pytest.param(changed(["assets", 0, "max_kw"], 99), "asset fixed: min_kw 100.0 must not be above", id="crossed"),
        pytest.param(changed(["assets", 0, "weight"], 0), "asset fixed: weight must be between", id="weight 0"),
        pytest.param(changed(["assets", 0, "order_up"], -1), "asset fixed: order_up must be between", id="order -1"),
        pytest.param(changed(["assets", 0, "order_up"], 0.5), "asset fixed: order_up must be a whole", id="order 1/2"),
        pytest.param(changed(["assets", 0, "node"], "x"), "asset fixed: node x is unknown", id="unknown node"),
        pytest.param(changed(["assets", 1, "id"], "fixed"), "asset fixed: id must be unique", id="two assets"),
        pytest.param(changed(["nodes", 1, "id"], "station"), "node station: id must be unique", id="two nodes"),
        pytest.param(changed(["nodes", 1, "id"], ""), "node: id must not be empty", id="empty id"),
        pytest.param(changed(["nodes", 1, "id"], 7), "node: id must be a text", id="number as id"),
        pytest.param(changed(["nodes", 1, "parent"], "x"), "node loop-b: parent x is unknown", id="unknown parent"),
        pytest.param(changed(["nodes", 1, "parent"], "conn-9"), "node loop-b: its parents form a cycle", id="cycle"),
        pytest.param(changed(["nodes", 0, "parent"], "conn-9"), "node station: its parents form", id="no root"),
        pytest.param(changed(["nodes", 1, "parent"], None), "node loop-b: there must be one root", id="two roots"),
        pytest.param(changed(["nodes", 1, "uncontrolled_kw"], "x"), "node loop-b: uncontrolled_kw must be", id="load"),
        pytest.param(
            changed(["nodes", 1, "limits", 0, "import_kw"], -1), "limit of node loop-b: import_kw", id="limit"
        ),
        pytest.param(changed(["nodes", 1, "limits", 0, "layer"], "x"), "limit of node loop-b: layer must", id="layer"),
        pytest.param(changed(["nodes", 1, "limits", 0], 5), "limit of node loop-b: must be an object", id="no limit"),
    ],
)
def test_input_that_means_nothing_is_refused_in_one_line(text, line):
    with pytest.raises(InputError) as refused:
        balance_text(text)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_the_command_prints_an_answer_or_exits_2_with_one_line(tmp_path):
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(EXAMPLE))
    answered = CliRunner().invoke(balance, [str(path)])
    assert (answered.exit_code, answered.stderr) == (0, "")
    assert CliRunner().invoke(balance, ["-"], input=json.dumps(EXAMPLE)).stdout_bytes == answered.stdout_bytes
    refused = CliRunner().invoke(balance, ["-"], input=changed(["assets", 0, "node"], "a\nb"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "asset fixed: node a b is unknown\n"


def test_limits_that_are_null_or_absent_are_none():
    unlimited = changed(["nodes", 1, "limits", 0], {"import_kw": None, "layer": "DSO cap"})
    power = {row["id"]: row["power_kw"] for row in json.loads(balance_text(unlimited))["setpoints"]}
    assert power == {"fixed": 100, "bat-1": 0, "plaza": 900, "pv": -50}


def test_plain_python_and_compiled_code_agree():
    text = json.dumps(EXAMPLE)
    command = [sys.executable, "-c", "import sys; from lusbalans.balance import balance; balance()", "-"]
    plain = json.loads(subprocess.run(command, input=text, text=True, capture_output=True, check=True).stdout)
    compiled = json.loads(balance_text(text))
    assert [row["power_kw"] for row in plain["setpoints"]] == pytest.approx(
        [row["power_kw"] for row in compiled["setpoints"]], abs=1e-9
    )
    assert plain["violations"] == compiled["violations"]
