"""What the test run says about a service that this machine cannot have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONFTEST = (ROOT / "tests" / "conftest.py").read_text()
NO_APT = """

def timescaledb_programs(cache, *, on_progress):
    raise ServiceError("no apt here", "install TimescaleDB")
"""
TEST = "def test_it(timescaledb): pass\ndef test_other(): pass\n"


@pytest.fixture
def run_tests(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST + NO_APT)
    (tmp_path / "test_it.py").write_text(TEST)

    def run(strict):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "STRICT": strict},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_what_cannot_be_had_is_said_first_with_its_remedy_and_last_in_the_verdict(run_tests):
    run = run_tests("")
    lines = run.stdout.splitlines()
    assert run.returncode == 0
    assert lines[0] == "cannot test timescaledb: no apt here; install TimescaleDB"
    assert lines[-1] == "PASSED, NOT TESTED: timescaledb (no apt here)"


def test_a_strict_run_fails_instead(run_tests):
    run = run_tests("1")
    assert run.returncode == 1
    assert "1 passed, 1 error" in run.stdout
    assert "PASSED, NOT TESTED" not in run.stdout
