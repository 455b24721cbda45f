"""Parks of a few companies, made at random: trees, limits, devices and what their meters show."""

from dataclasses import replace

import numpy as np

from hub.model import GROUP, PARK, AssetKind, Judged, LimitLayer, NodeLimit, Section
from streams.grid_loop import GridLoop
from streams.messages import Epoch
from streams.station import Station
from tests.streams.small_park import QUARTER_START_US, SECOND_US, frame, small_hub

SMALL = small_hub()
KINDS = (AssetKind.BATTERY, AssetKind.PV, AssetKind.CHARGER, AssetKind.FLEXIBLE_LOAD)
NOW_US = QUARTER_START_US + 300 * SECOND_US


class RandomPark:
    """All loops have heard their meters at `NOW_US`; every limit below the group is of the highest layer."""

    def __init__(self, chance):
        names = [f"lus-{number}" for number in range(1, chance.randint(1, 3) + 1)]
        loops = tuple(_grid_loop(chance, name) for name in names)
        connections = tuple(c for loop in loops for c in _connections(chance, loop))
        assets = tuple(a for connection in connections for a in _assets(chance, connection.ean))
        nodes = [*(section.id for loop in loops for section in loop.sections), *(c.ean for c in connections), *names]
        limits = [_limit(chance, node, LimitLayer.PROTECTION) for node in nodes if chance.random() < 0.6]
        limits += [_limit(chance, node, LimitLayer.CONTRACT) for node in (PARK, GROUP)]
        hub = replace(SMALL, grid_loops=loops, connections=connections, assets=assets, limits=tuple(limits))
        self.hub, self.station = hub, Station(hub)
        self.loops = {name: GridLoop(hub, name) for name in names}
        for loop in self.loops.values():
            loop.begin(Epoch(1, 1, 1))
            assert loop.fold(frame(NOW_US, metered(chance, loop.plant)), received_at_us=NOW_US) == ()


def _grid_loop(chance, name):
    n_sections = chance.randint(1, 3)
    sections = tuple(Section(id=f"{name}/{k}", import_kw=0.0, export_kw=0.0, source="") for k in range(n_sections))
    return replace(SMALL.grid_loops[0], id=name, sections=sections, open_after=chance.randint(0, n_sections))


def _connections(chance, loop):
    return [
        replace(SMALL.connections[0], ean=f"{loop.id}-{k}", grid_loop=loop.id, section=chance.choice(loop.sections).id)
        for k in range(chance.randint(1, 4))
    ]


def _assets(chance, ean):
    for k in range(chance.randint(0, 2)):
        kind, rated_kw = chance.choice(KINDS), float(chance.randint(1, 60))
        yield replace(
            SMALL.assets[0], id=f"{ean}-{k}", ean=ean, kind=kind, rated_kw=rated_kw,
            min_kw=-rated_kw if kind in KINDS[:2] else 0.0, max_kw=0.0 if kind is AssetKind.PV else rated_kw,
            ramp_kw_per_s=float(chance.randint(1, 30)), weight=float(chance.randint(1, 4)),
            order_down=chance.randint(0, 3), order_up=chance.randint(0, 3),
        )  # fmt: skip


def _limit(chance, node, layer):
    """The park has a limit both ways, as each hub has; others may lack one."""
    chosen = [float(chance.randint(20, 300)) if node == PARK else _some(chance) for _ in ("import", "export")]
    return NodeLimit(
        node=node, layer=layer, judged=Judged.INSTANT, import_kw=chosen[0], export_kw=chosen[1], source="chance"
    )


def _some(chance):
    return chance.choice([None, 0.0, *(float(chance.randint(20, 300)) for _ in range(4))])


def metered(chance, plant):
    """What each meter and device shows, by id."""
    loads_kw = np.array([float(chance.randint(-20, 60)) for _ in plant.connections])
    assets_kw = np.array([chance.uniform(asset.min_kw, asset.max_kw) for asset in plant.assets])
    shown_kw = plant.sum_up(loads_kw + plant.per_connection(assets_kw))
    meters = {plant.points.ids[point]: float(shown_kw[v]) for v, point in enumerate(plant.meter) if point >= 0}
    return meters | {asset.id: float(kw) for asset, kw in zip(plant.assets, assets_kw, strict=True)}
