"""The compose file: commands that exist, nothing open to the network, secrets as files, bounded and unprivileged."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from infra.settings import load_settings

ROOT = Path(__file__).parents[2]
ROLES = ("worker", "dispatch", "recorder", "watchdog", "simulator")
VERBS = {("run", role) for role in ROLES} | {("topics", "ensure"), ("db", "migrate")}
SECRET = re.compile(r"password|secret|token|dsn|signing", re.IGNORECASE)


def plugin_exists():
    docker = shutil.which("docker")
    return (
        bool(docker)
        and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    )


def read_compose():
    """As compose itself renders it where it is installed, else as written, defaults filled in."""
    if plugin_exists():
        command = ["docker", "compose", "--profile", "*", "config"]
        return yaml.safe_load(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


COMPOSE = read_compose()
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ONE_SHOT = {"setup-topics", "setup-database"}


def each(services):
    return pytest.mark.parametrize("service", [pytest.param(services[name], id=name) for name in sorted(services)])


def host_of(port):
    return port["host_ip"] if isinstance(port, dict) else port.rsplit(":", 2)[0]


def secret_names(service):
    return {entry["source"] if isinstance(entry, dict) else entry for entry in service.get("secrets", [])}


def target_of(volume):
    return volume["target"] if isinstance(volume, dict) else volume.split(":")[1]


def test_every_role_and_both_set_ups_are_there():
    assert {(c := service["command"])[1] + " " + c[2] for service in OURS.values()} == {" ".join(v) for v in VERBS}


@each(OURS)
def test_a_command_is_a_verb_of_the_command_line(service):
    program, *verb = service["command"]
    assert program == "lusbalans"
    assert tuple(verb) in VERBS


@each(OURS)
def test_the_settings_of_a_service_are_accepted(service, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("host=timescaledb dbname=lusbalans\n", encoding="utf-8")
    environment = {n: str(secret) if n.endswith("_FILE") else str(v) for n, v in service["environment"].items()}
    settings = load_settings(environment)
    assert (settings.database_dsn != "") is ("database_dsn" in secret_names(service))
    assert (settings.signing_keys != "") is ("signing_keys" in secret_names(service))


def test_whoever_writes_or_obeys_setpoints_and_reverts_has_the_keys():
    assert {name for name in OURS if "signing_keys" in secret_names(OURS[name])} == {"worker", "dispatch", "watchdog"}


@each(SERVICES)
def test_ports_are_published_on_loopback_only(service):
    assert [host_of(port) for port in service.get("ports", [])] in ([], ["127.0.0.1"])


@each({name: service for name, service in SERVICES.items() if name not in ONE_SHOT})
def test_a_lasting_service_restarts_and_has_a_bounded_health_check(service):
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"])


@each(SERVICES)
def test_a_service_is_unprivileged_and_bounded(service):
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    assert not str(service.get("user", "10001")).startswith(("0", "root"))


@each({name: service for name, service in SERVICES.items() if name != "kafka"})
def test_the_root_file_system_is_read_only_and_the_user_is_named(service):
    assert service["read_only"] is True
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@each(SERVICES)
def test_secrets_are_files_that_the_secrets_section_knows(service):
    assert secret_names(service) <= set(COMPOSE["secrets"])
    for name, value in service.get("environment", {}).items():
        if SECRET.search(name):
            assert name.endswith("_FILE")
            assert str(value).removeprefix("/run/secrets/") in secret_names(service)


@each({name: service for name, service in SERVICES.items() if "build" not in service})
def test_a_foreign_image_is_pinned_by_version(service):
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"])


@each({name: OURS[name] for name in ROLES})
def test_a_role_reads_its_hub_and_cannot_change_it(service):
    hubs = [v for v in service["volumes"] if target_of(v) == service["environment"]["LUSBALANS_HUB_DIR"]]
    assert len(hubs) == 1
    assert hubs[0].get("read_only") if isinstance(hubs[0], dict) else hubs[0].endswith(":ro")


def test_what_dispatch_must_remember_outlives_its_container():
    assert "/data" in [target_of(volume) for volume in OURS["dispatch"]["volumes"]]
    assert OURS["dispatch"]["environment"]["LUSBALANS_DATA_DIR"] == "/data"


def test_no_database_can_keep_worker_dispatch_or_watchdog_from_running():
    for role in ("worker", "dispatch", "watchdog"):
        assert not {"timescaledb", "setup-database"} & set(OURS[role]["depends_on"])
        assert "storage" not in OURS[role]["networks"]


def test_named_volumes_networks_and_dependencies_exist():
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        named = {v.split(":")[0] for v in service.get("volumes", []) if isinstance(v, str) and v[0] not in "./"}
        assert named <= set(COMPOSE["volumes"])


def test_the_broker_lets_a_dead_worker_be_noticed_within_its_lease():
    environment = SERVICES["kafka"]["environment"]
    assert int(environment["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"]) <= 3000
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


DOCKERFILE = (ROOT / "infra/Dockerfile").read_text(encoding="utf-8")


def test_the_image_is_pinned_multi_stage_and_not_root():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] == OURS["worker"]["user"]


def test_the_image_gets_each_package_of_the_wheel_and_nothing_else():
    copied = {name for line in re.findall(r"^COPY (?!--)(.+)", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]}
    allowed = (ROOT / "infra/Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert copied == set(re.findall(r"^!(\S+)", allowed, re.MULTILINE))
    assert all((ROOT / name).exists() for name in copied)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
