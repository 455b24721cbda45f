"""Metrics: base units, bounded labels, one registry per role, and a reference page that names them all."""

import math
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connectors.recorder import RecorderProgress
from hub.model import LimitLayer
from infra.metrics import (
    LIMIT_LAYERS,
    NODE_LEVELS,
    DispatchMetrics,
    NodeLabels,
    RecorderMetrics,
    SimulatorMetrics,
    WatchdogMetrics,
    WorkerMetrics,
)

ROOT = Path(__file__).parents[2]
LABELS = {
    "role",
    "hub",
    "grid_loop",
    "node",
    "level",
    "direction",
    "layer",
    "kind",
    "reason",
    "topic",
    "table",
    "driver",
    "by",
}
BASE_UNITS = ("_watts", "_seconds", "_bytes")
COUNTED = {
    "info",
    "fallback",
    "owned",
    "stated",
    "incarnation",
    "generation",
    "messages",
    "points",
    "up",
    "by",
    "conditions",
    "nodes",
    "positions",
    "unknown",
}
ARM = NodeLabels("lus-1", "lus-1/a", "arm")


ROLES = {
    "worker": WorkerMetrics,
    "dispatch": DispatchMetrics,
    "recorder": lambda hub: RecorderMetrics(hub, RecorderProgress()),
    "simulator": SimulatorMetrics,
    "watchdog": lambda hub: WatchdogMetrics(hub, ["lus-1"]),
}


def declared():
    """(name as scraped, type, labels) of all roles."""
    return {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            getattr(collector, "_labelnames", ()),
        )
        for role in ROLES
        for collector in ROLES[role]("de-koumen").registry._collector_to_names
        for family in collector.collect()
        if family.name.startswith("lusbalans_")
    }


def documented():
    row = re.compile(r"^\| `(lusbalans_\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    return {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in row.findall(page)}


def test_the_reference_page_lists_exactly_the_metrics_that_exist():
    assert documented() == declared()


@pytest.mark.parametrize(("name", "kind", "labels"), sorted(declared()))
def test_names_carry_base_units_and_labels_are_bounded(name, kind, labels):
    assert set(labels) <= LABELS
    if kind == "counter":
        assert name.endswith("_total")
    else:
        assert name.endswith(BASE_UNITS) or name.rsplit("_", 1)[1] in COUNTED
    assert not re.search(r"_(kw|kwh|ms|us)(_|$)", name)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_registry_of_its_own_that_says_who_it_is(role):
    first, second = ROLES[role]("de-koumen"), ROLES[role]("de-koumen")
    assert first.registry is not second.registry
    assert first.registry.get_sample_value("lusbalans_process_info", {"role": role, "hub": "de-koumen"}) == 1
    assert first.registry.get_sample_value("process_cpu_seconds_total") is not None


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_shows_is_read_by_prometheus_own_parser(role):
    text = generate_latest(ROLES[role]("de-koumen").registry).decode()
    assert "lusbalans_process_info" in {family.name for family in text_string_to_metric_families(text)}


@pytest.mark.parametrize(
    ("power_kw", "shown"), [(1.5, 1500.0), (-2.25, -2250.0), (0.0, 0.0), (None, math.nan)], ids=str
)
def test_power_is_shown_in_watts_and_missing_is_not_zero(power_kw, shown):
    worker = WorkerMetrics("de-koumen")
    worker.set_node_power(ARM, power_kw=power_kw)
    labels = {"grid_loop": "lus-1", "node": "lus-1/a", "level": "arm"}
    assert worker.registry.get_sample_value("lusbalans_node_power_watts", labels) == pytest.approx(shown, nan_ok=True)


def test_an_unlimited_direction_shows_as_infinite_not_as_zero():
    worker = WorkerMetrics("de-koumen")
    worker.set_node_limit(ARM, "export", limit_kw=None, headroom_kw=None)
    labels = {"grid_loop": "lus-1", "node": "lus-1/a", "level": "arm", "direction": "export"}
    assert worker.registry.get_sample_value("lusbalans_node_limit_watts", labels) == math.inf
    assert worker.registry.get_sample_value("lusbalans_node_headroom_watts", labels) == math.inf


@pytest.mark.parametrize("level", ["connection", "micro_group", "asset"])
def test_a_company_never_becomes_a_series(level):
    assert level not in NODE_LEVELS
    worker = WorkerMetrics("de-koumen")
    worker.set_node_power(NodeLabels("lus-1", "871242301402200001", level), power_kw=10.0)
    assert b"871242301402200001" not in generate_latest(worker.registry)


def test_microseconds_become_seconds():
    worker = WorkerMetrics("de-koumen")
    worker.observe_fold("lus-1", readings=40, latency_s=0.004, measured_at_us=1_700_000_000_500_000)
    value = worker.registry.get_sample_value
    assert value("lusbalans_worker_last_event_timestamp_seconds", {"grid_loop": "lus-1"}) == 1_700_000_000.5
    assert value("lusbalans_worker_fold_latency_seconds_bucket", {"le": "0.005"}) == 1
    assert value("lusbalans_worker_readings_folded_total", {"grid_loop": "lus-1"}) == 40


def test_a_grid_loop_that_another_worker_took_leaves_no_old_values_behind():
    worker = WorkerMetrics("de-koumen")
    for grid_loop in ("lus-1", "lus-2"):
        worker.set_node_power(NodeLabels(grid_loop, f"{grid_loop}/a", "arm"), power_kw=1.0)
        worker.set_fallback(grid_loop, active=False)
        worker.observe_tick(grid_loop, duration_s=0.01, missed=2)
    worker.forget_grid_loop("lus-1")
    stated = [s for f in worker.registry.collect() if f.type == "gauge" for s in f.samples if "grid_loop" in s.labels]
    assert {sample.labels["grid_loop"] for sample in stated} == {"lus-2"}
    assert worker.registry.get_sample_value("lusbalans_worker_missed_ticks_total", {"grid_loop": "lus-1"}) == 2


def test_the_first_limit_that_is_not_kept_is_an_increase():
    worker = WorkerMetrics("de-koumen")
    worker.set_epoch(incarnation=1, generation=7, grid_loops=["lus-1", "@station"])
    labels = {"grid_loop": "lus-1", "layer": "contract", "direction": "export"}
    before = worker.registry.get_sample_value("lusbalans_worker_violations_total", labels)
    worker.count_violation("lus-1", layer="contract", direction="export")
    assert (before, worker.registry.get_sample_value("lusbalans_worker_violations_total", labels)) == (0, 1)
    assert worker.registry.get_sample_value("lusbalans_worker_grid_loops_owned") == 2


def test_the_layers_are_those_of_the_hub():
    assert set(LIMIT_LAYERS) == set(LimitLayer)


def test_dispatch_counts_what_it_accepts_refuses_and_reverts():
    dispatch = DispatchMetrics("de-koumen")
    dispatch.count_accepted("lus-1", kind="full", issued_at_us=2_000_000)
    dispatch.count_refused("lus-1", reason="too_old")
    dispatch.observe_setpoints(latency_s=0.03)
    dispatch.count_expiry("lus-1", assets_reverted=7)
    dispatch.count_revert("lus-1", by="watchdog", assets_reverted=3)
    dispatch.count_device_failures(driver="simulator", failures=2)
    value = dispatch.registry.get_sample_value
    assert value("lusbalans_dispatch_reverts_total", {"grid_loop": "lus-1", "by": "watchdog"}) == 1
    assert value("lusbalans_dispatch_frames_accepted_total", {"grid_loop": "lus-1", "kind": "full"}) == 1
    assert value("lusbalans_dispatch_frames_refused_total", {"grid_loop": "lus-1", "reason": "too_old"}) == 1
    assert value("lusbalans_dispatch_assets_reverted_total", {"grid_loop": "lus-1"}) == 10
    assert value("lusbalans_dispatch_device_failures_total", {"driver": "simulator"}) == 2
    assert value("lusbalans_dispatch_setpoint_latency_seconds_sum") == pytest.approx(0.03)


def test_the_watchdog_shows_when_it_last_went_round_and_what_it_sees():
    watchdog = WatchdogMetrics("de-koumen", ["lus-1"])
    watchdog.turned(at_us=2_500_000)
    watchdog.judged("lus-1", at_us=2_000_000, conditions={"controller_silent": True, "reverted": False})
    watchdog.count_revert("lus-1")
    watchdog.count_lower_epoch("lus-1")
    value = watchdog.registry.get_sample_value
    assert value("lusbalans_watchdog_last_round_timestamp_seconds") == 2.5
    assert value("lusbalans_watchdog_last_judged_timestamp_seconds", {"grid_loop": "lus-1"}) == 2.0
    assert value("lusbalans_watchdog_conditions", {"grid_loop": "lus-1", "kind": "controller_silent"}) == 1
    assert value("lusbalans_watchdog_conditions", {"grid_loop": "lus-1", "kind": "reverted"}) == 0
    assert value("lusbalans_watchdog_reverts_total", {"grid_loop": "lus-1"}) == 1
    assert value("lusbalans_watchdog_lower_epoch_frames_total", {"grid_loop": "lus-1"}) == 1


def test_the_recorder_shows_its_progress_as_it_is_when_asked():
    progress = RecorderProgress()
    value = RecorderMetrics("de-koumen", progress).registry.get_sample_value
    assert value("lusbalans_recorder_database_up") == 1
    assert math.isnan(value("lusbalans_recorder_last_event_timestamp_seconds"))
    progress.rows_stored, progress.duplicates, progress.lag_messages = 900, 100, 12
    progress.last_event_us, progress.database_away = 3_500_000, True
    assert value("lusbalans_recorder_rows_stored_total") == 900
    assert value("lusbalans_recorder_rows_duplicate_total") == 100
    assert value("lusbalans_recorder_lag_messages") == 12
    assert value("lusbalans_recorder_last_event_timestamp_seconds") == 3.5
    assert value("lusbalans_recorder_database_up") == 0


def test_the_simulator_counts_what_it_sent_and_what_the_broker_confirmed():
    simulator = SimulatorMetrics("de-koumen")
    simulator.count_sent("lus-1", readings=30)
    simulator.count_acknowledged("lus-1")
    simulator.count_setpoints(5)
    simulator.count_reversions(2)
    simulator.count_missed_steps(1)
    value = simulator.registry.get_sample_value
    assert value("lusbalans_simulator_readings_total", {"grid_loop": "lus-1"}) == 30
    assert value("lusbalans_simulator_frames_acknowledged_total", {"grid_loop": "lus-1"}) == 1
    assert value("lusbalans_simulator_reversions_total") == 2


def expressions(node):
    if isinstance(node, dict):
        yield from (node["expr"],) if "expr" in node else ()
        for child in node.values():
            yield from expressions(child)
    elif isinstance(node, list):
        for child in node:
            yield from expressions(child)


def test_prometheus_rules_name_only_metrics_that_exist():
    rules = yaml.safe_load((ROOT / "infra/prometheus/rules.yml").read_text(encoding="utf-8"))
    names = {name for name, _, _ in declared()}
    used = {name for text in expressions(rules) for name in re.findall(r"lusbalans_\w+", text)}
    assert used
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= names


def test_prometheus_scrapes_each_role_of_the_compose_file():
    config = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    scraped = {t.split(":")[0] for job in config["scrape_configs"] for s in job["static_configs"] for t in s["targets"]}
    assert set(ROLES) <= scraped <= set(services)
