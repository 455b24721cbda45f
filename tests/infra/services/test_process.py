import json
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from infra.services.errors import StartFailedError
from infra.services.process import Program, end_orphan, find_orphan, run_to_end, spawn

PATIENT_S = 10.0


def shell(folder, script):
    return Program("shell", ("/bin/sh", "-c", script), folder, signal.SIGTERM, environment={"PATH": "/usr/bin:/bin"})


def wait_for_text(child, text):
    log_file = child.program.log_file
    child.wait_until(lambda: text in log_file.read_text(), timeout_s=PATIENT_S, on_progress=print)


def wait_until_executed(child, name):
    child.wait_until(lambda: psutil.Process(child.pid).name() == name, timeout_s=PATIENT_S, on_progress=print)


def test_a_program_that_ends_too_early_is_reported_with_its_last_words(tmp_path):
    child = spawn(shell(tmp_path, "echo first; echo no such option; exit 3"))
    with pytest.raises(StartFailedError, match=r"shell exited with code 3: first \| no such option"):
        child.wait_until(lambda: False, timeout_s=PATIENT_S, on_progress=print)


def test_a_program_that_never_gets_ready_is_ended(tmp_path):
    child = spawn(shell(tmp_path, "exec sleep 60"))
    with pytest.raises(StartFailedError, match="not ready within"):
        child.wait_until(lambda: False, timeout_s=0.1, on_progress=print)
    assert child.exit_code == -signal.SIGKILL


def test_a_tool_that_fails_is_an_error(tmp_path):
    with pytest.raises(StartFailedError, match="exited with code 1: its log is empty"):
        run_to_end(shell(tmp_path, "exit 1"), timeout_s=PATIENT_S)


def test_a_program_deaf_to_its_stop_signal_is_killed(tmp_path):
    child = spawn(shell(tmp_path, "trap '' TERM; echo deaf; while :; do sleep 0.05; done"))
    wait_for_text(child, "deaf")
    child.stop(timeout_s=0.2)
    assert child.exit_code == -signal.SIGKILL


def test_a_program_leads_a_session_of_its_own_so_that_ctrl_c_is_ours_to_handle(tmp_path):
    child = spawn(shell(tmp_path, "echo $(ps -o sid= -p $$) = $$; exec sleep 60"))
    wait_for_text(child, f"{child.pid} = {child.pid}")
    child.kill()


def test_a_program_outlives_the_thread_that_started_it(tmp_path):
    children = []
    thread = threading.Thread(target=lambda: children.append(spawn(shell(tmp_path, "echo up; exec sleep 60"))))
    thread.start()
    thread.join()
    wait_for_text(children[0], "up")
    assert children[0].exit_code is None
    children[0].kill()


PARENT = """
import pathlib, signal, sys
from infra.services.process import Program, spawn
child = spawn(Program("shell", ("/bin/sh", "-c", "echo up; exec sleep 60"), pathlib.Path(sys.argv[1]), signal.SIGTERM))
child.wait_until(lambda: "up" in child.program.log_file.read_text(), timeout_s=10, on_progress=print)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_program_dies_with_the_process_that_started_it(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(PATIENT_S)
    assert not child.is_running()


def test_what_a_killed_run_left_is_found_by_its_record_and_ended(tmp_path):
    program = shell(tmp_path, "exec sleep 60")
    left = spawn(program)
    said = []
    end_orphan(program, timeout_s=PATIENT_S, on_progress=said.append)
    assert said == [f"ending shell left by an earlier run (process {left.pid})"]
    assert left.exit_code is not None
    assert not program.pid_file.exists()


def test_a_clock_set_back_does_not_hide_what_was_left(tmp_path):
    program = shell(tmp_path, f"sleep 60; : {tmp_path}")
    left = spawn(program)
    wait_until_executed(left, "sh")
    program.pid_file.write_text(json.dumps({"pid": left.pid, "started_s": 0}))
    assert find_orphan(program).pid == left.pid
    left.kill()


def test_a_stranger_that_got_the_process_id_is_left_alone(tmp_path):
    program = shell(tmp_path, "true")
    stranger = psutil.Process()
    program.pid_file.write_text(json.dumps({"pid": stranger.pid, "started_s": stranger.create_time() - 100}))
    assert find_orphan(program) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "7"], ids=str)
def test_a_damaged_record_means_no_orphan(tmp_path, text):
    program = shell(tmp_path, "true")
    program.pid_file.write_text(text)
    assert find_orphan(program) is None
