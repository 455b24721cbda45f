"""What a checked hub adds up to: the figures somebody wants to see before switching it on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.model import PARK, Hub, Judged, NodeLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts and sums of a hub; `None` where the park states no such limit."""

    grid_loops: int
    sections: int
    connections: int
    members: int
    assets: Mapping[str, int]
    """Number of assets by kind."""
    rated_kw: Mapping[str, float]
    """Sum of rated power by kind."""
    contract_import_kw: float
    """Sum over all connections; they never take it all at once."""
    contract_export_kw: float
    park_import_kw: float | None
    """Tightest quarter limit of the park boundary."""
    park_export_kw: float | None
    fallback_max_kw: float
    """Sum of what the grid loops may take without the hub agent."""
    margin_import_kw: float
    margin_export_kw: float
    invented: tuple[str, ...]
    """Places whose figures are invented, as their source says; in the order of `hub.toml`."""


def summarise(hub: Hub) -> Summary:
    """Add up a hub."""
    rated_kw: dict[str, float] = {}
    for asset in hub.assets:
        rated_kw[asset.kind] = rated_kw.get(asset.kind, 0.0) + asset.rated_kw
    park = [limit for limit in hub.limits if limit.node == PARK and limit.judged is Judged.QUARTER]
    return Summary(
        grid_loops=len(hub.grid_loops),
        sections=sum(len(grid_loop.sections) for grid_loop in hub.grid_loops),
        connections=len(hub.connections),
        members=sum(connection.member for connection in hub.connections),
        assets=dict(Counter(str(asset.kind) for asset in hub.assets)),
        rated_kw=rated_kw,
        contract_import_kw=sum(connection.contract_import_kw for connection in hub.connections),
        contract_export_kw=sum(connection.contract_export_kw for connection in hub.connections),
        park_import_kw=_least(limit.import_kw for limit in park),
        park_export_kw=_least(limit.export_kw for limit in park),
        fallback_max_kw=sum(grid_loop.fallback_max_kw for grid_loop in hub.grid_loops),
        margin_import_kw=hub.margin.import_kw,
        margin_export_kw=hub.margin.export_kw,
        invented=_invented(hub),
    )


def _least(limits_kw: Iterable[float | None]) -> float | None:
    return min((limit_kw for limit_kw in limits_kw if limit_kw is not None), default=None)


def _invented(hub: Hub) -> tuple[str, ...]:
    places = [f"limit of {limit.node}, {limit.judged}, {_what(limit)}" for limit in hub.limits if _admits(limit.source)]
    return ("margin", *places) if _admits(hub.margin.source) else tuple(places)


def _admits(source: str) -> bool:
    return "invented" in source.lower()


def _what(limit: NodeLimit) -> str:
    directions = (("import", limit.import_kw), ("export", limit.export_kw))
    return ", ".join(f"{name} {value:g} kW" for name, value in directions if value is not None)
