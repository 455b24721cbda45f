"""What a process loads, seen from a fresh one: one client library's fault must not silence the other's users.

Dispatch, watchdog, recorder and simulator never load Faust or aiokafka; the worker loads no database driver and no
kafka-python. Import-linter reads our own imports; only a real process shows what comes along with them.
"""

import importlib.util
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = "import importlib, json, sys; [importlib.import_module(n) for n in sys.argv[1:]]; print(json.dumps(list(sys.modules)))"


def modules_below(package):
    """Every module of a package, without those that run when imported."""
    below = [module.name for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")]
    return [package, *(name for name in below if not name.endswith("__main__"))]


def libraries_loaded(modules):
    program = [sys.executable, "-c", PROGRAM, *modules]
    done = subprocess.run(program, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


SURROUNDINGS = ("infra.settings", "infra.logs", "infra.metrics", "infra.health", "lusbalans.cli")
PROCESS = [name for name in SURROUNDINGS if importlib.util.find_spec(name)]
RULES = {
    "connectors": {"faust", "mode", "aiokafka"},
    "streams": {"psycopg", "kafka"},
    "hub": {"faust", "aiokafka", "kafka", "psycopg", "prometheus_client"},
    "balancer": {"faust", "aiokafka", "kafka", "psycopg", "prometheus_client"},
    "infra": {"faust", "aiokafka", "kafka"},
}


@pytest.mark.parametrize("package", RULES)
def test_a_package_never_loads_the_libraries_of_another(package):
    assert not libraries_loaded(modules_below(package)) & RULES[package]


@pytest.mark.parametrize("package", ["connectors", "streams"])
def test_nor_does_the_process_of_its_roles_with_command_line_metrics_and_logs(package):
    assert not libraries_loaded([*PROCESS, *modules_below(package)]) & RULES[package]


def test_a_library_that_is_loaded_does_not_go_unseen():
    assert {"faust", "mode", "psycopg"} <= libraries_loaded(["faust.app.base", "psycopg", *PROCESS])
