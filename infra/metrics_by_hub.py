"""One page of metrics for a process that serves several hubs."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


def by_hub(registries: Mapping[str, CollectorRegistry]) -> CollectorRegistry:
    """One page for a process that serves several hubs: each series with its `hub`, those of the process once."""
    together = CollectorRegistry()
    together.register(_ByHub(registries))
    return together


class _ByHub(Collector):
    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for hub, registry in self._registries.items():
            for one in registry.collect():
                of_process = one.name.startswith("process_")
                if of_process and one.name in found:
                    continue
                metric = found.setdefault(one.name, Metric(one.name, one.documentation, one.type))
                for sample in one.samples:
                    labels = sample.labels if of_process else sample.labels | {"hub": hub}
                    metric.samples.append(sample._replace(labels=labels))
        yield from found.values()
