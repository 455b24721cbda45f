"""From checked rows to the model."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hub.draft import Draft
from hub.margins import park_margin
from hub.model import (
    Accepted,
    Asset,
    Connection,
    Envelope,
    GridLoop,
    Hub,
    Judged,
    LimitLayer,
    Margin,
    NodeLimit,
    Position,
    ProfileFiles,
    Section,
    Step,
    Timing,
)
from hub.open_point import position_limits
from hub.toml_rows import ParkRows
from hub.tree import build_tree


def build_hub(draft: Draft) -> Hub:
    """Build the hub; every cell of the draft has been read and every rule holds."""
    park = draft.park
    grid_loops = tuple(_build_grid_loops(park))
    connections = tuple(Connection(**row.values) for row in draft.connections)
    stated = park.margin.values
    left_out = [way for way in ("import_kw", "export_kw") if stated[way] is None]
    hub = Hub(
        **park.hub.values,
        timing=Timing(**park.timing.values),
        margin=Margin(**{**stated, **dict.fromkeys(left_out, 0.0)}),
        grid_loops=grid_loops,
        connections=connections,
        assets=tuple(Asset(**row.values) for row in draft.assets),
        limits=(
            *(NodeLimit(**row.values) for row in park.limits),
            *(_cable_limit(section) for loop in grid_loops for section in loop.sections),
            *(limit for connection in connections for limit in _connection_limits(connection)),
            *(limit for loop in grid_loops for limit in position_limits(loop, (loop.open_after,))),
        ),
        profiles=_build_profiles(park),
        steps=tuple(Step(**row.values) for row in park.steps),
        envelope=tuple(Envelope(**row.values) for row in draft.envelope),
        accepted=tuple(Accepted(**row.values) for row in park.accepted),
    )
    return _with_margin(hub, left_out) if left_out else hub


def _with_margin(hub: Hub, ways: Iterable[str]) -> Hub:
    """Fill in what the folder leaves to be computed (R22)."""
    needed = park_margin(hub, build_tree(hub))
    return replace(hub, margin=replace(hub.margin, **{way: getattr(needed, way) for way in ways}))


def _build_grid_loops(park: ParkRows) -> Iterator[GridLoop]:
    for loop, sections, positions in zip(park.grid_loops, park.sections, park.positions, strict=True):
        yield GridLoop(
            **loop.values,
            sections=tuple(Section(**section.values) for section in sections),
            positions=tuple(Position(**position.values) for position in positions),
        )


def _build_profiles(park: ParkRows) -> ProfileFiles | None:
    if park.profiles is None or park.sectors is None:
        return None
    return ProfileFiles(**park.profiles.values, sectors=dict(park.sectors.values))


def _cable_limit(section: Section) -> NodeLimit:
    """What the cable carries at any instant, whoever's power it is."""
    return NodeLimit(
        node=section.id,
        layer=LimitLayer.PROTECTION,
        judged=Judged.INSTANT,
        import_kw=section.import_kw,
        export_kw=section.export_kw,
        source=section.source,
    )


def _connection_limits(connection: Connection) -> Iterator[NodeLimit]:
    """Physical capacity at any instant, kVA; contracted capacity per quarter."""
    yield NodeLimit(
        node=connection.ean,
        layer=LimitLayer.PROTECTION,
        judged=Judged.INSTANT,
        import_kw=connection.capacity_kva,
        export_kw=connection.capacity_kva,
        source="connections.csv: capacity_kva",
        apparent=True,
    )
    yield NodeLimit(
        node=connection.ean,
        layer=LimitLayer.CONTRACT,
        judged=Judged.QUARTER,
        import_kw=connection.contract_import_kw,
        export_kw=connection.contract_export_kw,
        source="connections.csv: contract_import_kw, contract_export_kw",
    )
