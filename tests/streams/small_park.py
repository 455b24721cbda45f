"""A park of round numbers, made by hand: every figure in a test on it can be followed in one's head.

| loop  | arm, section        | connection (contract in/out) | asset                                      |
|-------|---------------------|------------------------------|--------------------------------------------|
| north | north/a, north-1    | FACTORY 200 / 0 kW           | battery -100 .. 100 kW                     |
| north | north/b, north-2    | OFFICE 100 / 100 kW          | roof (PV) -100 .. 0 kW                     |
| south | south/a, south-1    | PLAZA 100 / 0 kW             | charger 0 .. 50 kW                         |
| south | south/b, south-2    | BAKERY 100 / 0 kW            | none                                       |

Sections carry 500 kW, the park 300 kW import as quarter means and nothing out at any instant. What a limit took is given
back within a tick, so that each tick can be followed by itself.
"""

from hub.ean import check_digit
from hub.model import (
    PARK,
    Asset,
    AssetKind,
    Connection,
    GridLoop,
    Hub,
    Judged,
    LimitLayer,
    Margin,
    NodeLimit,
    Section,
    Timing,
)
from hub.quarters import QUARTER_US
from streams.messages import TelemetryFrame

SECOND_US = 1_000_000
QUARTER_START_US = 1_990_000 * QUARTER_US
STALE_AFTER_S = 5.0


def _ean(number):
    body = f"8710000000000000{number}"
    return f"{body}{check_digit(body)}"


FACTORY, OFFICE, PLAZA, BAKERY = (_ean(number) for number in range(1, 5))
SECTION_KW = 500.0


def _connection(ean, grid_loop, section, *, contract_kw, export_kw=0.0):
    return Connection(
        ean=ean, company=ean[-2:], sector="light industry", grid_loop=grid_loop, section=section, micro_group=None,
        member=True, capacity_a=600.0, capacity_kva=400.0, contract_import_kw=contract_kw,
        contract_export_kw=export_kw, roof_area_m2=None, yearly_use_kwh=None,
    )  # fmt: skip


def _asset(name, ean, kind, *, between_kw, order_down=1, order_up=1):
    min_kw, max_kw = between_kw
    return Asset(
        id=name, ean=ean, kind=kind, rated_kw=max(-min_kw, max_kw), min_kw=min_kw, max_kw=max_kw,
        energy_kwh=200.0 if kind is AssetKind.BATTERY else None, efficiency_ratio=None, min_on_kw=0.0, step_kw=0.0,
        ramp_kw_per_s=50.0, weight=1.0, order_down=order_down, order_up=order_up, reversion_kw=0.0,
        driver="simulated", address="",
    )  # fmt: skip


def _limit(node, layer, judged, *, import_kw, export_kw):
    return NodeLimit(node=node, layer=layer, judged=judged, import_kw=import_kw, export_kw=export_kw, source="invented")


def _sections(grid_loop):
    return tuple(
        Section(id=f"{grid_loop}-{number}", import_kw=SECTION_KW, export_kw=SECTION_KW, source="invented")
        for number in (1, 2)
    )


def small_hub():
    connections = (
        _connection(FACTORY, "north", "north-1", contract_kw=200.0),
        _connection(OFFICE, "north", "north-2", contract_kw=100.0, export_kw=100.0),
        _connection(PLAZA, "south", "south-1", contract_kw=100.0),
        _connection(BAKERY, "south", "south-2", contract_kw=100.0),
    )
    loops = tuple(
        GridLoop(id=name, name=name, sections=_sections(name), open_after=1, fallback_min_kw=0.0, fallback_max_kw=150.0)
        for name in ("north", "south")
    )
    return Hub(
        id="small", name="Small park", station="station", timezone="Europe/Amsterdam",
        timing=Timing(
            tick_s=1.0, meter_cadence_s=1.0, stale_after_s=STALE_AFTER_S, setpoint_valid_s=10.0, device_lease_s=60.0,
            budget_lease_s=5.0, release_hold_s=0.0, release_ramp_ratio_per_s=1.0,
        ),
        margin=Margin(import_kw=0.0, export_kw=0.0, source="invented"),
        grid_loops=loops,
        connections=connections,
        assets=(
            _asset("battery", FACTORY, AssetKind.BATTERY, between_kw=(-100.0, 100.0), order_down=2),
            _asset("roof", OFFICE, AssetKind.PV, between_kw=(-100.0, 0.0), order_down=3, order_up=3),
            _asset("charger", PLAZA, AssetKind.CHARGER, between_kw=(0.0, 50.0)),
        ),
        limits=(
            _limit(PARK, LimitLayer.CONTRACT, Judged.QUARTER, import_kw=300.0, export_kw=0.0),
            _limit(PARK, LimitLayer.CONTRACT, Judged.INSTANT, import_kw=None, export_kw=0.0),
            *(
                _limit(s.id, LimitLayer.PROTECTION, Judged.INSTANT, import_kw=s.import_kw, export_kw=s.export_kw)
                for loop in loops for s in loop.sections
            ),
            *(
                _limit(c.ean, LimitLayer.CONTRACT, Judged.QUARTER, import_kw=c.contract_import_kw,
                       export_kw=c.contract_export_kw)
                for c in connections
            ),
        ),
    )  # fmt: skip


def frame(at_us, power_kw, import_wh=()):
    """What each point measures at one instant, by id; a point with a register A+ also has an A- of 0."""
    ids, import_wh = list(power_kw), dict(import_wh)
    return TelemetryFrame(
        gateway="gw", sequence=at_us, sent_at_us=at_us, ids=ids, measured_at_us=[at_us] * len(ids),
        power_kw=[power_kw[point] for point in ids],
        energy_import_wh=[import_wh.get(point) for point in ids],
        energy_export_wh=[0 if point in import_wh else None for point in ids],
    )  # fmt: skip


def north_kw(*, factory=80.0, battery=0.0, office=40.0, roof=0.0):
    """All powers of grid loop north: loads and assets as given, meters what follows from them."""
    return {
        FACTORY: factory + battery, OFFICE: office + roof, "north/a": factory + battery, "north/b": office + roof,
        "battery": battery, "roof": roof,
    }  # fmt: skip


def south_kw(*, plaza=20.0, charger=0.0, bakery=60.0):
    """All powers of grid loop south, likewise."""
    return {
        PLAZA: plaza + charger, BAKERY: bakery, "south/a": plaza + charger, "south/b": bakery, "charger": charger,
    }  # fmt: skip
