"""From the park's state to telemetry frames: one per grid loop, one for the station's meters. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.simulator.network import arms_of
from connectors.simulator.park import Park, ParkState
from hub.model import GROUP, PARK, STATION, Hub
from streams.messages import Floats, Quality, Registers, TelemetryFrame


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who reads which points; `place` is the point's index in the park's order, `asset` the asset's or None."""

    grid_loop: str
    ids: tuple[str, ...]
    place: tuple[int, ...]
    asset: tuple[int | None, ...]


def gateways(hub: Hub, park: Park) -> tuple[Gateway, ...]:
    """One gateway per grid loop (its connections, their assets, its two feeder meters) and the station's."""
    connections: dict[str, list[str]] = {grid_loop.id: [] for grid_loop in hub.grid_loops}
    for connection in hub.connections:
        connections[connection.grid_loop].append(connection.ean)
    devices: dict[str, list[str]] = {connection.ean: [] for connection in hub.connections}
    for asset in park.assets:
        devices[asset.ean].append(asset.id)
    found = [
        _gateway(
            park,
            grid_loop.id,
            ids=[*connections[grid_loop.id], *_flat(devices, connections[grid_loop.id]), *arms_of(grid_loop)],
        )
        for grid_loop in hub.grid_loops
    ]
    return (*found, _gateway(park, STATION, ids=[PARK, GROUP]))


def _flat(devices: dict[str, list[str]], eans: Sequence[str]) -> list[str]:
    return [asset_id for ean in eans for asset_id in devices[ean]]


def _gateway(park: Park, grid_loop: str, *, ids: Sequence[str]) -> Gateway:
    place = {point_id: at for at, point_id in enumerate(park.point_ids)}
    nodes = len(park.network.node_ids)
    places = tuple(place[point_id] for point_id in ids)
    return Gateway(grid_loop, tuple(ids), places, tuple(at - nodes if at >= nodes else None for at in places))


def frame_of(gateway: Gateway, park: Park, state: ParkState, *, sequence: int, sent_at_us: int) -> TelemetryFrame:
    """What a gateway says of the state: all readings of one instant; ranges for devices, charge for batteries."""
    power_w = state.point_w.tolist()
    import_wh, export_wh = state.registers.import_wh.tolist(), state.registers.export_wh.tolist()
    min_kw, max_kw = state.min_kw.round(3).tolist(), state.max_kw.round(3).tolist()
    soc_ratio = dict(
        zip(park.battery_at.tolist(), (state.stored_kwh / park.batteries.capacity_kwh).round(6).tolist(), strict=True)
    )
    return TelemetryFrame(
        gateway=f"simulated {gateway.grid_loop}",
        sequence=sequence,
        sent_at_us=sent_at_us,
        ids=list(gateway.ids),
        measured_at_us=[state.at_us] * len(gateway.ids),
        power_kw=[power_w[at] / 1000.0 for at in gateway.place],
        energy_import_wh=_registers(import_wh, gateway),
        energy_export_wh=_registers(export_wh, gateway),
        min_kw=_of_devices(min_kw, gateway),
        max_kw=_of_devices(max_kw, gateway),
        soc_ratio=[None if at is None else soc_ratio.get(at) for at in gateway.asset],
        quality=[Quality.GOOD.value] * len(gateway.ids),
    )


def _registers(register_wh: Sequence[int], gateway: Gateway) -> Registers:
    return [register_wh[at] for at in gateway.place]


def _of_devices(column: Sequence[float], gateway: Gateway) -> Floats:
    """A column that only devices have: None for meters."""
    return [None if at is None else column[at] for at in gateway.asset]
