"""What happens to a folder and its processes when a run is killed, or a second one comes."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest

from infra.services import FolderLockedError, PortInUseError, embedded_database, embedded_kafka
from infra.services.postgres import sessions_on

pytestmark = pytest.mark.services

PATIENT_S = 20.0

PARENT = """
import pathlib, sys
from infra.services import embedded_database, embedded_kafka
folder = pathlib.Path(sys.argv[1])
print(embedded_database(folder).pid, embedded_kafka(folder).pid, flush=True)
sys.stdin.read()
"""


def test_a_run_killed_leaves_no_child_and_its_folder_serves_the_next(services_folder):
    folder = services_folder / "orphaned"
    command = [sys.executable, "-c", PARENT, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=PATIENT_S)
    assert alive == []
    with embedded_database(folder) as database, psycopg.connect(database.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert sessions_on(folder / "postgresql" / "cluster") == []


def test_a_server_left_behind_is_ended_before_the_next_starts(services_folder):
    left = embedded_database(services_folder / "left")
    left._lock.release()  # as if its run were gone, on a system that does not end children
    said = []
    with psycopg.connect(left.dsn), embedded_database(services_folder / "left", on_progress=said.append) as database:
        assert said[0] == f"ending postgres left by an earlier run (process {left.pid})"
        assert database.running
        assert not left.running


def test_both_services_start_beside_each_other_and_outlive_the_threads_that_started_them(services_folder):
    folder = services_folder / "parallel"
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(start, folder) for start in (embedded_kafka, embedded_database)]
    with starts[0].result() as kafka, starts[1].result() as database, psycopg.connect(database.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert kafka.running


@pytest.mark.parametrize("start", [embedded_kafka, embedded_database])
def test_a_second_run_on_the_folder_is_refused_naming_the_first(services_folder, kafka, postgres, start):
    with pytest.raises(FolderLockedError, match=f"is in use by process {os.getpid()} since"):
        start(services_folder)


def test_a_port_in_use_is_refused_naming_who_holds_it_and_leaves_the_folder_free(services_folder, postgres):
    folder = services_folder / "port"
    with pytest.raises(PortInUseError, match=f"port {postgres.port} is in use by process {postgres.pid} .postgres"):
        embedded_database(folder, port=postgres.port)
    with embedded_database(folder) as database:
        assert database.port != postgres.port


def test_stopping_and_starting_keeps_port_and_password(services_folder):
    with embedded_database(services_folder / "again") as database:
        dsn = database.dsn
        database.restart()
        psycopg.connect(dsn).close()


def test_editions_do_not_share_a_folder(postgres, services_folder):
    assert (services_folder / "postgresql" / "cluster").is_dir()
    assert postgres.folder == services_folder.resolve() / "postgresql"
