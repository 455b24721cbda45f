"""Every command of the compose file, run without a container against real services: it starts, is healthy, stops."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from infra.services.ports import free_port

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: one for name, one in yaml.safe_load(TEXT)["services"].items() if "build" in one}
ROLES = sorted(name for name in OURS if not name.startswith("setup-"))

HEALTHY_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def here(kafka, postgres, tmp_path_factory):
    """What stands for the containers' addresses, files and folders on this machine."""
    folder = tmp_path_factory.mktemp("compose")
    secret = folder / "database_dsn"
    secret.write_text(postgres.create_database("compose"), encoding="utf-8")
    keys = folder / "signing_keys"
    keys.write_text("park:" + 32 * "5e" + "\n", encoding="utf-8")
    yield {
        "kafka:19092": kafka.bootstrap,
        "/run/secrets/database_dsn": str(secret),
        "/run/secrets/signing_keys": str(keys),
        "/hub": str(ROOT / "infra/hubs/de-koumen"),
        "/data": str(folder),
        "0.0.0.0": "127.0.0.1",  # noqa: S104 (what the containers bind becomes loopback here)
        "simulator": "127.0.0.1",
        "7200": str(free_port()),
    }
    postgres.drop_database("compose")


def environment_of(service, here):
    own = {name: here.get(str(value), str(value)) for name, value in OURS[service]["environment"].items()}
    return os.environ | own | {"LUSBALANS_HTTP_PORT": str(free_port())}


def command_of(service):
    program, *words = OURS[service]["command"]
    assert program == "lusbalans"
    return [sys.executable, "-m", "lusbalans", *words]


@pytest.fixture(scope="module")
def set_up(here):
    """Both one-shot services, as compose orders them before the roles."""
    return {
        name: subprocess.run(
            command_of(name), env=environment_of(name, here), capture_output=True, text=True, timeout=60, check=False
        )
        for name in OURS
        if name.startswith("setup-")
    }


@contextmanager
def running(service, here):
    environment = environment_of(service, here)
    with subprocess.Popen(command_of(service), env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, f"http://127.0.0.1:{environment['LUSBALANS_HTTP_PORT']}"
        finally:
            process.kill()


def wait_until_answered(url, process):
    deadline_s = time.monotonic() + HEALTHY_WITHIN_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, process.stderr.read()
        try:
            with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 (our own page)
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer 200 within {HEALTHY_WITHIN_S} s")


@pytest.mark.services
def test_both_set_ups_end_well_and_say_what_they_did(set_up):
    assert {name: done.returncode for name, done in set_up.items()} == {"setup-topics": 0, "setup-database": 0}, set_up
    assert all(done.stdout.strip() for done in set_up.values())


@pytest.mark.services
@pytest.mark.parametrize("service", ROLES)
def test_a_role_becomes_healthy_shows_its_metrics_and_stops_on_sigterm(service, here, set_up):
    with running(service, here) as (process, page):
        wait_until_answered(f"{page}/healthz", process)
        assert f"lusbalans_{service}_" in wait_until_answered(f"{page}/metrics", process)
        process.terminate()
        assert process.wait(timeout=20) == 0, process.stderr.read()
