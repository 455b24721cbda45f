"""The demo as a user runs it, in a fresh folder: it starts, what it prints is true, and it leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from connectors.simulator.ledger import FILE_NAME, read_page
from streams.summary import Summary

pytestmark = pytest.mark.services

SHIPPED = Path(__file__).parents[2] / "infra" / "hubs" / "de-koumen"
ENDS_WITHIN_S = 240.0
PV_KW = 2_667
CHARGING_KW = 0
"""Before the first setpoint chargers and batteries of De Koumen take their reversion value: nothing."""
STOPS_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def data():
    """A folder that the database's user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="lusbalans-demo-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def demo(data, *arguments):
    """A demo in a process of its own; what it started is remembered, to see whether it is gone."""
    command = [sys.executable, "-m", "lusbalans", "demo", "--headless", "--data", str(data), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def children_of(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for_children(process, names, patience_s=90.0):
    """Processes the demo started, once commands with all these words are among them."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s and process.poll() is None:
        children = children_of(process)
        commands = []
        for child in children:
            try:
                commands.append(" ".join(child.cmdline()))
            except psutil.NoSuchProcess:
                continue
        if all(any(name in command for command in commands) for name in names):
            return children
        time.sleep(0.1)
    raise AssertionError(f"{names} never ran: {process.stderr.read()}")


def left_of(children, patience_s=5.0):
    """Those that still run: a zombie of a gone parent is nobody's."""
    _, alive = psutil.wait_procs(children, timeout=patience_s)
    return [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


ROLES = ("run simulator", "run dispatch", "run recorder", "run watchdog", "run worker", "kafka", "postgres")


@pytest.fixture(scope="module")
def minute(data):
    """One minute from an empty folder: exit code, output, and everything it started."""
    with demo(data, "--minutes", "1", "--json") as process:
        children = wait_for_children(process, ROLES)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, out, err, children


@pytest.fixture(scope="module")
def summary(minute):
    code, out, err, _ = minute
    assert code in {0, 4}, err
    return msgspec.json.decode(out, type=Summary)


@pytest.fixture(scope="module")
def ledger(minute, data):
    return read_page(data / FILE_NAME)


def test_the_first_setpoint_comes_within_a_minute_of_an_empty_folder(summary):
    assert 0 < summary.first_setpoint_after_s <= 60


def test_nothing_it_started_is_left(minute):
    assert left_of(minute[3]) == []


def test_stdout_is_one_json_document_and_the_rest_is_told_on_stderr(minute):
    _, out, err, _ = minute
    assert out.count("\n") == 1
    assert "first setpoint" in err
    assert "Traceback" not in err


def test_the_exit_code_tells_whether_a_limit_was_breached(minute, summary):
    assert minute[0] == (4 if summary.limits_breached else 0)


def test_readings_are_those_the_park_sent(summary, ledger):
    assert summary.readings == ledger.readings_acknowledged == ledger.readings_produced > 5_000


def test_energies_are_those_of_the_park_but_for_its_first_second(summary, ledger):
    """The first reading comes a second after the ledger began: one step at most at full power, and a Wh per meter."""
    park = ledger.nodes["park"]
    a_second_h, meters_kwh = 1 / 3_600, 0.04
    for told_kwh, true_wh, most_kw in (
        (summary.imported_kwh, ledger.imported_wh, park.peak_import_kw),
        (summary.exported_kwh, ledger.exported_wh, park.peak_export_kw),
        (summary.charged_kwh, ledger.charged_wh, CHARGING_KW),
        (summary.curtailed_kwh, ledger.curtailed_wh, PV_KW),
    ):
        assert true_wh / 1000 - most_kw * a_second_h - meters_kwh <= told_kwh <= true_wh / 1000 + meters_kwh
    assert min(summary.imported_kwh, summary.charged_kwh, summary.curtailed_kwh) > 0


def test_the_peak_of_each_node_is_that_of_the_park(summary, ledger):
    for figures in (figures for figures in summary.limits if figures.node in ledger.nodes):
        entry = ledger.nodes[figures.node]
        peak_kw = entry.peak_import_kw if figures.direction == "import" else entry.peak_export_kw
        assert figures.instant_kw == pytest.approx(abs(peak_kw), abs=0.001)


def test_every_second_was_balanced_and_every_frame_answered(summary):
    assert summary.ticks + summary.missed_ticks >= 55
    assert summary.missed_ticks <= 5
    assert summary.setpoints >= 63
    assert summary.results["accepted"] >= 0.95 * summary.setpoint_frames


def test_every_reading_and_setpoint_was_stored(summary):
    assert summary.rows_stored["telemetry"] == summary.readings
    assert summary.rows_stored["setpoint"] == summary.setpoints
    assert summary.rows_stored["loop_state"] > 0


SIGNED_FOR = """
[[accepted]]
node = "micro-1"
import_kw = 300
accepted_by = "the test: else no worker starts (R4)"
until = "2099-12-31"
"""


def test_a_limit_that_cannot_be_kept_is_called_breached_with_exit_code_4(minute, data, tmp_path):
    hub = shutil.copytree(SHIPPED, tmp_path / "hub")
    before, after = (hub / "hub.toml").read_text().split('node = "micro-1"')
    narrow = after.replace("import_kw = 250", "import_kw = 10", 1)
    (hub / "hub.toml").write_text(f'{before}node = "micro-1"{narrow}{SIGNED_FOR}')
    with demo(data, "--hub", str(hub), "--scenario", "winter-evening", "--minutes", "0.3", "--json") as process:
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    told = msgspec.json.decode(out, type=Summary)
    assert process.returncode == 4, err
    assert [each.node for each in told.limits if each.breached] == ["micro-1"]
    assert told.violations > 0
    assert "BREACHED: micro-1 import at once" in err


def test_ctrl_c_in_the_middle_stops_everything_and_still_sums_up(minute, data):
    with demo(data, "--json") as process:
        children = wait_for_children(process, ROLES)
        wait_until_balanced(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=STOPS_WITHIN_S)
    assert process.returncode in {0, 4}
    assert json.loads(out)["setpoints"] > 0
    assert left_of(children) == []


def wait_until_balanced(process):
    for line in process.stderr:
        if "first setpoint" in line:
            return
    raise AssertionError("it ended before the first setpoint")


@pytest.mark.parametrize(
    "seen", [pytest.param(("kafka",), id="broker starts"), pytest.param(ROLES[:3], id="roles start")]
)
def test_ctrl_c_during_the_start_stops_everything(minute, data, seen):
    with demo(data) as process:
        children = wait_for_children(process, seen)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=STOPS_WITHIN_S)
    assert (process.returncode, out) == (130, "")
    assert "nothing is left running" in err
    assert left_of(children) == []


def test_a_demo_that_is_killed_takes_everything_with_it(minute, data):
    with demo(data) as process:
        children = wait_for_children(process, ROLES)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert left_of(children, patience_s=STOPS_WITHIN_S) == []


def test_a_role_that_dies_ends_the_demo_with_its_last_words(minute, data):
    with demo(data) as process:
        children = wait_for_children(process, ROLES)
        wait_until_balanced(process)
        next(child for child in children if "simulator" in child.cmdline()).kill()
        out, err = process.communicate(timeout=STOPS_WITHIN_S)
    assert (process.returncode, out) == (1, "")
    assert "simulator ended (SIGKILL)" in err.splitlines()[-1]
    assert left_of(children) == []


def test_a_second_demo_on_the_same_folder_is_refused_naming_the_first(minute, data):
    with demo(data) as first:
        wait_for_children(first, ("kafka",))
        with demo(data) as second:
            _, err = second.communicate(timeout=STOPS_WITHIN_S)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=STOPS_WITHIN_S)
    assert second.returncode == 1
    assert f"process {first.pid}" in err.splitlines()[-1]
