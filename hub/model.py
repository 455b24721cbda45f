"""What a park is, as data: connections, assets, grid loops with their sections, contracts and limits.

Everything here is read from a hub folder by `hub.folder` and already checked; nothing here reads a file or a clock.
Sign: load convention, positive is import, consumption or charging. A limit's `export_kw` is a magnitude (>= 0).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

PARK: Final = "park"
"""Id of the root node: the virtual park boundary; its meter is read by the `@station` gateway."""

GROUP: Final = "group"
"""Id of the group contract's node, directly below the park boundary; counts members only."""

STATION: Final = "@station"
"""Stands in for a grid loop where the meters of `park` and `group` are meant: their gateway is the station's."""

LATENESS_S: Final = 0.5
"""From a reading's instant to the worker that knows it, s, where the folder says nothing: gateway and log."""

ACTUATOR_S: Final = 2.0
"""From a setpoint to the power that follows it, s, where the folder says nothing: R22 counts on the slowest device."""

RELEASE_HOLD_S: Final = 5.0
"""How long what a limit took from a device is held back after it last took some, s, where the folder says nothing. Other
controllers hold a charger for 10 s; too short a hold lets devices follow the noise of a load up and down (R11)."""

RELEASE_RAMP_RATIO_PER_S: Final = 0.1
"""Part of its rated power that a device gets back per second after that; a whole one is back within ten."""

CLOUD_RAMP_RATIO_PER_S: Final = 0.02
"""How fast a cloud edge changes what roofs produce, per s and kWp: at 10 m/s it takes 80 % of a site 400 m deep in 40 s.
A site twice as deep ramps half as fast; too small a figure here is a margin that a cloud uses up."""


class AssetKind(StrEnum):
    """Kinds of asset that a hub folder may name."""

    LOAD = "load"
    FLEXIBLE_LOAD = "flexible_load"
    THERMAL_STORE = "thermal_store"
    PV = "pv"
    BATTERY = "battery"
    CHARGER = "charger"
    GAS_METER = "gas_meter"
    WATER_METER = "water_meter"

    @property
    def controllable(self) -> bool:
        """Whether the kernel gives this kind a setpoint."""
        return self in _CONTROLLABLE


_CONTROLLABLE: Final = frozenset(
    {AssetKind.FLEXIBLE_LOAD, AssetKind.THERMAL_STORE, AssetKind.PV, AssetKind.BATTERY, AssetKind.CHARGER}
)


class NodeKind(StrEnum):
    """Levels of the tree, from the root down."""

    PARK = "park"
    GROUP = "group"
    GRID_LOOP = "grid_loop"
    ARM = "arm"
    SEGMENT = "segment"
    MICRO_GROUP = "micro_group"
    CONNECTION = "connection"


class Measured(StrEnum):
    """How a node's power is known."""

    METER = "meter"
    """By a meter of its own whose telemetry id is the node's id (boundary, group or `dso_feeder`, connection)."""
    SUM = "sum"
    """Only as the sum of the metered connections below (`members_only`): physical loading is not observed."""


class Judged(StrEnum):
    """On what a limit is judged."""

    INSTANT = "instant"
    QUARTER = "quarter"


class LimitLayer(StrEnum):
    """Who sets a limit; an earlier layer outranks a later one."""

    PROTECTION = "protection"
    DSO_CAP = "dso_cap"
    CONTRACT = "contract"
    OPERATOR = "operator"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimit:
    """A limit on the net power of one node; `None` leaves that direction unlimited."""

    node: str
    layer: LimitLayer
    judged: Judged
    import_kw: float | None
    export_kw: float | None
    source: str
    """Where the figure comes from (contract, DSO letter, cable data sheet); says so when it is invented."""
    apparent: bool = False
    """The figures are kVA: reactive power takes its part of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One company's connection to the network: a row of `connections.csv`. Its telemetry id is its EAN."""

    ean: str
    company: str
    sector: str
    grid_loop: str
    section: str
    micro_group: str | None
    member: bool
    capacity_a: float
    capacity_kva: float
    contract_import_kw: float
    contract_export_kw: float
    roof_area_m2: float | None
    yearly_use_kwh: float | None
    meter_cadence_s: float | None = None
    """Of its own meter; None where it is the hub's."""
    meter_lateness_s: float | None = None
    """How late its readings may come; likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One device behind a connection: a row of `assets.csv`."""

    id: str
    ean: str
    kind: AssetKind
    rated_kw: float
    """Largest absolute power."""
    energy_kwh: float | None
    efficiency_ratio: float | None
    """One way (charging; discharging is the same), None where it has no meaning."""
    min_kw: float
    max_kw: float
    min_on_kw: float
    """Least power of a charger that is on (6 A per phase); 0 where there is none."""
    step_kw: float
    ramp_kw_per_s: float
    weight: float
    order_down: int
    """Which class gives way when net consumption must fall: lower gives way first."""
    order_up: int
    """Which class gives way when net consumption must rise: lower gives way first."""
    reversion_kw: float
    """What the device falls back to by itself when its lease ends (R3)."""
    driver: str
    address: str
    reversion_tested: date | None = None
    """When it was seen to revert by itself; None counts at its worst with every computer off (R4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One cable segment of a ring, in ring order from feeder `a` to feeder `b`; its id is a node id."""

    id: str
    import_kw: float
    export_kw: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the grid operator allows a ring to be open, and what the whole ring may draw and feed in while it is."""

    open_after: int
    import_kw: float | None
    """Of the grid loop, at any instant; `None` where nothing more holds than elsewhere."""
    export_kw: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLoop:
    """A medium-voltage ring, run open between two sections. Node ids: `id`, arms `id/a` and `id/b`, the sections."""

    id: str
    name: str
    sections: tuple[Section, ...]
    open_after: int
    """The open point lies after this many sections, counted from feeder `a` (0 to len(sections))."""
    fallback_min_kw: float
    """Net power the loop may go down to without the hub agent (R4); the sum over loops fits the park's limits."""
    fallback_max_kw: float
    positions: tuple[Position, ...] = ()
    """Where else the ring may be opened, `open_after` included; empty where nothing is stated: it is not moved."""


class Certainty(StrEnum):
    """What is known of an open point."""

    CONFIRMED = "confirmed"
    SWITCHING = "switching"
    """Somebody is moving it: it lies where it was or where it goes."""
    UNKNOWN = "unknown"
    """The meters contradict where it should be: it may lie anywhere that is permitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPoint:
    """Where one ring is open now. A position counts the sections before it, from feeder `a`."""

    certainty: Certainty
    open_after: int
    """Where it is; while it is not confirmed where it was last."""
    positions: tuple[int, ...]
    """All where it may be, ascending; one where it is confirmed."""
    earlier: tuple[int, ...] = ()
    """Where it may have been before, in the present quarter."""

    @property
    def first(self) -> int:
        """So many sections are fed from `a` in any case."""
        return self.positions[0]

    @property
    def last(self) -> int:
        """All sections after so many are fed from `b` in any case; those in between from one of the two."""
        return self.positions[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The cadences that safety depends on."""

    tick_s: float
    meter_cadence_s: float
    """Slowest cadence of a meter that guards a limit."""
    stale_after_s: float
    """A reading older than this bounds by direction instead of telling a value (R6)."""
    setpoint_valid_s: float
    """Lease worker to dispatch (R1)."""
    device_lease_s: float
    """Lease dispatch to device (R1)."""
    budget_lease_s: float
    """Lease hub agent to grid loop."""
    lateness_s: float = LATENESS_S
    """From a reading's instant to the worker that knows it."""
    actuator_s: float = ACTUATOR_S
    """From a setpoint to the power that follows it."""
    release_hold_s: float = RELEASE_HOLD_S
    """After a limit last took power from a device (R11)."""
    release_ramp_ratio_per_s: float = RELEASE_RAMP_RATIO_PER_S
    """Part of its rated power that a device gets back per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Power kept free of the park's limits for what nobody controls (R22)."""

    import_kw: float
    export_kw: float
    source: str
    cloud_ramp_ratio_per_s: float = CLOUD_RAMP_RATIO_PER_S
    """Part of their rated power by which roofs change per second under a cloud edge."""
    accepted_by: str = ""
    """Who answers for keeping less free than is needed; empty where nobody does."""
    until: date | None = None
    """Last day on which that holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The largest step of net power below a node that nobody controls; `None` where the contracts tell it (R22)."""

    node: str
    import_kw: float | None
    """What starts at once."""
    export_kw: float | None
    """What trips at once, a magnitude."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Between what powers all that nobody controls below a node lies: a row of `envelope.csv` (R4)."""

    node: str
    min_kw: float
    max_kw: float
    source: str
    stated_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """By how much a node may exceed its limits with every computer off, and who answers for that (R4)."""

    node: str
    import_kw: float | None
    export_kw: float | None
    accepted_by: str
    until: date
    """Last day on which it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFiles:
    """Which measured profiles a simulated park lives on; paths relative to the hub folder. Read by `hub.profiles`."""

    load: str
    pv: str
    sessions: str
    sectors: Mapping[str, str]
    """Column of the load file for each sector of `connections.csv`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A whole park, as its folder states it."""

    id: str
    name: str
    station: str
    timezone: str
    timing: Timing
    margin: Margin
    grid_loops: tuple[GridLoop, ...]
    connections: tuple[Connection, ...]
    assets: tuple[Asset, ...]
    limits: tuple[NodeLimit, ...]
    """Those `hub.toml` states, those of the sections (protection, instant), of the connections (capacity: protection,
    instant; contract: contract, quarter) included: every limit of every node is here."""
    profiles: ProfileFiles | None = None
    """None for a park that is never simulated."""
    steps: tuple[Step, ...] = ()
    envelope: tuple[Envelope, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    cos_phi_ratio: float = 1.0
    """Active over apparent power where reactive power is not measured."""
    open_points: Mapping[str, OpenPoint] = field(default_factory=dict)
    """Of rings that were moved or are in doubt, by grid loop (`hub.open_point.placed`); others are as the folder says."""
