"""The columns of a hub folder's tables: what may stand where, and what an empty cell means.

`docs/reference/hub-folder.md` tells their meaning; a test holds the two together. The names are those of the fields in
`hub.model`, so that a checked row is the keyword arguments of its class.
"""

from dataclasses import dataclass
from typing import Final

from hub.cells import Kind, day, ean, identifier, number, one_of, text, timezone, whole, yes_no
from hub.model import (
    ACTUATOR_S,
    CLOUD_RAMP_RATIO_PER_S,
    LATENESS_S,
    RELEASE_HOLD_S,
    RELEASE_RAMP_RATIO_PER_S,
    AssetKind,
    Judged,
    LimitLayer,
)


class Required:
    """Stands for the value of an empty cell that may not be empty."""


REQUIRED: Final = Required()


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one key of a TOML table."""

    name: str
    kind: Kind
    empty: object = REQUIRED
    """Value of an empty or absent cell."""


_power_kw: Final = number()
_magnitude: Final = number(at_least=0)
_positive: Final = number(above=0)
_seconds: Final = number(above=0, at_most=86_400)

CONNECTIONS: Final = (
    Column("ean", ean),
    Column("company", text),
    Column("sector", identifier),
    Column("grid_loop", identifier),
    Column("section", identifier),
    Column("micro_group", identifier, empty=None),
    Column("member", yes_no),
    Column("capacity_a", _positive),
    Column("capacity_kva", _positive),
    Column("contract_import_kw", _magnitude),
    Column("contract_export_kw", _magnitude),
    Column("roof_area_m2", _magnitude, empty=None),
    Column("yearly_use_kwh", number(at_least=0, at_most=1e9), empty=None),
    Column("meter_cadence_s", _seconds, empty=None),
    Column("meter_lateness_s", _seconds, empty=None),
)

ASSETS: Final = (
    Column("id", identifier),
    Column("ean", ean),
    Column("kind", one_of(AssetKind)),
    Column("rated_kw", _magnitude),
    Column("energy_kwh", _positive, empty=None),
    Column("efficiency_ratio", number(above=0, at_most=1), empty=None),
    Column("min_kw", _power_kw),
    Column("max_kw", _power_kw),
    Column("min_on_kw", _magnitude, empty=0.0),
    Column("step_kw", _magnitude, empty=0.0),
    Column("ramp_kw_per_s", _magnitude, empty=0.0),
    Column("weight", _positive, empty=1.0),
    Column("order_down", whole(), empty=0),
    Column("order_up", whole(), empty=0),
    Column("reversion_kw", _power_kw, empty=0.0),
    Column("driver", identifier, empty=""),
    Column("address", text, empty=""),
    Column("reversion_tested", day, empty=None),
)

ENVELOPE: Final = (
    Column("node", text),
    Column("min_kw", _power_kw),
    Column("max_kw", _power_kw),
    Column("source", text),
    Column("stated_on", day),
)

HUB: Final = (
    Column("id", identifier),
    Column("name", text),
    Column("station", text),
    Column("timezone", timezone),
    Column("cos_phi_ratio", number(above=0, at_most=1), empty=1.0),
)

TIMING: Final = (
    Column("tick_s", _seconds),
    Column("meter_cadence_s", _seconds),
    Column("stale_after_s", _seconds),
    Column("setpoint_valid_s", _seconds),
    Column("device_lease_s", _seconds),
    Column("budget_lease_s", _seconds),
    Column("lateness_s", _seconds, empty=LATENESS_S),
    Column("actuator_s", _seconds, empty=ACTUATOR_S),
    Column("release_hold_s", number(at_least=0, at_most=3600), empty=RELEASE_HOLD_S),
    Column("release_ramp_ratio_per_s", number(above=0, at_most=1), empty=RELEASE_RAMP_RATIO_PER_S),
)

MARGIN: Final = (
    Column("import_kw", _magnitude, empty=None),
    Column("export_kw", _magnitude, empty=None),
    Column("source", text),
    Column("cloud_ramp_ratio_per_s", number(at_least=0, at_most=1), empty=CLOUD_RAMP_RATIO_PER_S),
    Column("accepted_by", text, empty=""),
    Column("until", day, empty=None),
)

STEPS: Final = (
    Column("node", text),
    Column("import_kw", _magnitude, empty=None),
    Column("export_kw", _magnitude, empty=None),
    Column("source", text),
)

ACCEPTED: Final = (
    Column("node", text),
    Column("import_kw", _magnitude, empty=None),
    Column("export_kw", _magnitude, empty=None),
    Column("accepted_by", text),
    Column("until", day),
)

GRID_LOOPS: Final = (
    Column("id", identifier),
    Column("name", text),
    Column("open_after", whole()),
    Column("fallback_min_kw", _power_kw),
    Column("fallback_max_kw", _power_kw),
)

POSITIONS: Final = (
    Column("open_after", whole()),
    Column("import_kw", _magnitude, empty=None),
    Column("export_kw", _magnitude, empty=None),
    Column("source", text),
)

SECTIONS: Final = (
    Column("id", identifier),
    Column("import_kw", _magnitude),
    Column("export_kw", _magnitude),
    Column("source", text),
)

LIMITS: Final = (
    Column("node", text),
    Column("layer", one_of(LimitLayer)),
    Column("judged", one_of(Judged)),
    Column("import_kw", _magnitude, empty=None),
    Column("export_kw", _magnitude, empty=None),
    Column("source", text),
    Column("apparent", yes_no, empty=False),
)

PROFILES: Final = (Column("load", text), Column("pv", text), Column("sessions", text))
