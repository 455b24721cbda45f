"""The messages on Kafka: what each topic carries, as frozen structs.

No Faust, no I/O. Instants are integer microseconds UTC (`_us`), powers kW in load convention (import and charging
positive), registers whole Wh. Missing is `None`. A column that a gateway does not have is an empty list. Fields are
only ever added, each with a default; a new meaning is a new topic version.
"""

from enum import StrEnum

import msgspec

Floats = list[float | None]
Registers = list[int | None]


class Quality(StrEnum):
    """What the gateway says of a reading."""

    GOOD = "good"
    ESTIMATED = "estimated"
    BAD = "bad"
    OTHER = "other"


class TelemetryFrame(msgspec.Struct, frozen=True, kw_only=True):
    """All readings one gateway took in one cycle, column-wise; row i of every column belongs to `ids[i]`.

    A meter's id is the id of the node it measures, a device's its asset id. Absent columns are empty.
    """

    gateway: str
    sequence: int
    """Per gateway, increasing by one; a restart may begin anew."""
    sent_at_us: int
    ids: list[str]
    measured_at_us: list[int]
    power_kw: Floats
    energy_import_wh: Registers = []
    """Cumulative register A+."""
    energy_export_wh: Registers = []
    """Cumulative register A-, a magnitude."""
    min_kw: Floats = []
    """Least power the device could take now by its own limits (PV: minus the available power; BMS discharge limit)."""
    max_kw: Floats = []
    """Largest power the device could take now (charger without a car: 0; BMS charge limit)."""
    soc_ratio: Floats = []
    quality: list[str] = []
    reactive_kvar: Floats | msgspec.UnsetType = msgspec.UNSET
    """Of meters: positive is drawn (inductive). Newer gateways only."""
    phase_import_a: Floats | msgspec.UnsetType = msgspec.UNSET
    """Of a connection's meter: the largest current that any phase draws, 0 where none does. Newer gateways only."""
    phase_export_a: Floats | msgspec.UnsetType = msgspec.UNSET
    """Likewise the largest that any phase feeds in."""


class Epoch(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Who may write: compared as a tuple, strictly increasing over restarts, rebalances and restores (R8)."""

    incarnation: int
    generation: int
    claim_offset: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker took a grid loop (or the hub agent's `@station`); the offset of this message makes its epoch."""

    grid_loop: str
    worker: str
    incarnation: int
    generation: int
    at_us: int


class Bound(StrEnum):
    """How a setpoint's value is meant."""

    EXACT = "exact"
    AT_MOST = "at_most"
    """A ceiling on net power (charger, flexible load)."""
    AT_LEAST = "at_least"
    """A floor on net power (PV: -35 kW means produce at most 35 kW)."""
    OTHER = "other"


class Reason(StrEnum):
    """Why a setpoint is what it is."""

    TARGET = "target"
    """Nothing binds: the asset does what it would do anyway."""
    IMPORT_LIMIT = "import_limit"
    EXPORT_LIMIT = "export_limit"
    DEVICE_RANGE = "device_range"
    """The device itself cannot do more now."""
    NOT_FOLLOWING = "not_following"
    """The asset was told but is not seen to follow; it is asked on and counted at what it measures."""
    RELEASE = "release"
    """A limit held the asset before; it comes back slowly (R11)."""
    FALLBACK = "fallback"
    """The loop runs on fixed shares because what it needs to know is missing."""
    OVERRIDE = "override"
    """Somebody stopped the asset, holds it or keeps it low (R10)."""
    MAKES_ROOM = "makes_room"
    """Nothing binds: a battery discharges into its grid loop's import, before sun that is expected."""
    FILLS_RESERVE = "fills_reserve"
    """Nothing binds: a battery charges, before peaks that are expected."""
    WAITS_FOR_IMPORT = "waits_for_import"
    """Nothing binds: a battery that would make room has no import to discharge into."""
    WAITS_FOR_HEADROOM = "waits_for_headroom"
    """Nothing binds: a battery that would fill its reserve has no headroom to charge from."""
    OTHER = "other"


class SetpointFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Setpoints of all controllable assets of one grid loop, column-wise, with who wrote them and for how long.

    A renewal (`full` false, empty columns) extends the last full frame of the same epoch whose sequence is `renews`.
    """

    grid_loop: str
    epoch: Epoch
    sequence: int
    tick: int
    issued_at_us: int
    valid_for_ms: int
    folded_until_us: int
    """Newest `measured_at_us` this decision knew of."""
    full: bool
    renews: int = 0
    ids: list[str] = []
    power_kw: list[float] = []
    bound: list[str] = []
    reason: list[str] = []
    binding: list[str] = []
    """The node whose limit binds; empty where none does."""
    not_following: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Assets of a full frame that were told and are not seen to follow, whatever the reason of their setpoint (R16). Newer
    writers only, and only where there are such."""


class Outcome(StrEnum):
    """What became of a setpoint frame, or of an asset's setpoint."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    REVERTED = "reverted"
    DEVICE_FAILED = "device_failed"
    OTHER = "other"


class Refusal(StrEnum):
    """Why dispatch refused a frame (R1, R2, R8, R9, R17)."""

    NONE = ""
    NO_DURATION = "no_duration"
    TOO_OLD = "too_old"
    IN_THE_FUTURE = "in_the_future"
    LOWER_EPOCH = "lower_epoch"
    NOT_NEWER = "not_newer"
    UNKNOWN_RENEWAL = "unknown_renewal"
    BEFORE_REVERT = "before_revert"
    """Decided before the grid loop was sent to its reversion values (R17)."""
    UNEQUAL_COLUMNS = "unequal_columns"
    NOT_A_NUMBER = "not_a_number"
    OVERRIDDEN = "overridden"
    """Of the assets named: the setpoint is further from rest than an override allows, and is cut to it (R10)."""
    OTHER = "other"


class SetpointResult(msgspec.Struct, frozen=True, kw_only=True):
    """Dispatch's answer to one frame; `ids` names the assets concerned (empty: the whole frame)."""

    grid_loop: str
    epoch: Epoch
    sequence: int
    at_us: int
    outcome: str
    refusal: str = ""
    ids: list[str] = []
    detail: str = ""
    latency_ms: float | None = None
    """From the frame's `issued_at_us` until the devices had it."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A loop's controllable net power as a function of the price from above: points in rising order of the price.

    A price is (order, pressure): the class that moves, with the sign of the price, and kW per unit of weight in it.
    Meant as `balancer.curve.FlexibilityCurve` says.
    """

    order: list[int]
    pressure: list[float]
    power_kw: list[float]
    error_kw: float = 0.0


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Phase 1: what one grid loop could do in this tick, and what it cannot help."""

    grid_loop: str
    tick: int
    epoch: Epoch
    issued_at_us: int
    curve: Curve
    power_kw: float
    """Net power of the loop as measured."""
    uncontrolled_low_kw: float
    """The part of it that no setpoint moves: at least this, which guards export."""
    uncontrolled_high_kw: float
    """At most this, which guards import; equal to the low end while all meters are fresh."""
    acknowledged: int
    """Number of the newest budget the loop obeys; 0 for none."""
    acknowledged_epoch: Epoch
    """The hub agent's epoch of that budget."""
    measured_at_us: int | msgspec.UnsetType = msgspec.UNSET
    """When `power_kw` was measured."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A leased interval of net power for one grid loop; void when older than its lease by the loop's clock."""

    grid_loop: str
    tick: int
    epoch: Epoch
    number: int
    """Per hub agent epoch, increasing."""
    issued_at_us: int
    lease_ms: int
    min_kw: float
    max_kw: float


class NodeStates(msgspec.Struct, frozen=True, kw_only=True):
    """State of limited nodes, column-wise; row i of every column belongs to `ids[i]`."""

    ids: list[str]
    power_kw: Floats
    limit_import_kw: Floats
    """Effective instantaneous import limit after layers, quarter law and margin; None is unlimited."""
    limit_export_kw: Floats
    """Likewise for export, a magnitude; negative where the margin asks for import."""
    headroom_import_kw: Floats
    headroom_export_kw: Floats
    quarter_import_kw: Floats
    """Mean of A+ over the part of the quarter that has passed."""
    quarter_export_kw: Floats
    projected_import_kw: Floats
    """Quarter mean of A+ if power stays as it is until the end of the quarter."""
    projected_export_kw: Floats
    coverage_ratio: Floats
    """Share of the quarter so far that the meter covers."""
    binding: list[str]
    """`import` or `export` where the node's limit moves assets below it, else empty."""
    fresh: list[bool]
    limit_import_layer: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Whose the effective limit is: a layer, `budget`, or empty where there is no limit. Newer writers only."""
    limit_export_layer: list[str] | msgspec.UnsetType = msgspec.UNSET


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that no setpoint could keep in this tick (R21)."""

    node: str
    direction: str
    """`import` or `export`."""
    kw: float
    layer: str


class LoopState(msgspec.Struct, frozen=True, kw_only=True):
    """One grid loop (or `@station`) at one tick."""

    grid_loop: str
    tick: int
    at_us: int
    epoch: Epoch
    nodes: NodeStates
    missed_ticks: int
    """Ticks skipped since the process took the loop."""
    folded_until_us: int
    """Newest `measured_at_us` in the state."""
    violations: list[Violation] = []
    """One per limit that could not be kept."""
    mode: str = "closed"
    """`closed`: on fresh meters; `fallback`: on fixed shares (R7)."""
    open_point: str | msgspec.UnsetType = msgspec.UNSET
    """`confirmed`, `switching` or `unknown`. While it is not confirmed, sections that may hang on either feeder keep
    fixed shares, and their rows in `nodes` tell of what hangs on the section itself. Newer writers only, of a loop."""
    open_after: list[int] | msgspec.UnsetType = msgspec.UNSET
    """Where the ring may be open, after how many sections counted from feeder a; one place where it is confirmed."""
    contradicted: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Points whose readings look fresh and are not believed, for a register or the meter above contradicts them (R5).
    Newer writers only."""


class DeadLetterReason(StrEnum):
    """Why a message, or one reading of it, went to the dead-letter topic."""

    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    UNEQUAL_COLUMNS = "unequal_columns"
    UNKNOWN_POINT = "unknown_point"
    NOT_A_NUMBER = "not_a_number"
    ABSURD_VALUE = "absurd_value"
    FROM_THE_FUTURE = "from_the_future"
    TOO_LATE = "too_late"
    """Measured long before it arrived: a clock that is behind, or a backlog that nothing needs any more."""
    SEQUENCE_STANDS_STILL = "sequence_stands_still"
    """A gateway repeats itself (R5)."""
    TOO_LARGE = "too_large"
    REGISTER_WENT_BACK = "register_went_back"
    NOT_A_LIMIT = "not_a_limit"
    """A limit that means nothing for this park."""
    NOT_AN_OVERRIDE = "not_an_override"
    """An override that means nothing for this park."""
    NOT_AN_OPEN_POINT = "not_an_open_point"
    """Said of an open point, but it means nothing for this park."""
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    """Cut, or not that of this message under this key on this topic."""
