"""One page for several hubs: each series says whose it is, the process is shown once."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from infra.metrics import WorkerMetrics
from infra.metrics_by_hub import by_hub


def samples(registry):
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return [sample for family in families for sample in family.samples]


def test_the_same_grid_loop_of_two_hubs_is_two_series():
    metrics = {hub: WorkerMetrics(hub) for hub in ("park-a", "park-b")}
    metrics["park-a"].observe_tick("lus-1", duration_s=0.1)
    for _ in range(2):
        metrics["park-b"].observe_tick("lus-1", duration_s=0.1)
    page = samples(by_hub({hub: one.registry for hub, one in metrics.items()}))
    ticks = {one.labels["hub"]: one.value for one in page if one.name == "lusbalans_worker_ticks_total"}
    assert ticks == {"park-a": 1.0, "park-b": 2.0}


def test_the_process_is_shown_once():
    registries = {hub: WorkerMetrics(hub).registry for hub in ("park-a", "park-b")}
    assert [one.name for one in samples(by_hub(registries))].count("process_cpu_seconds_total") == 1
