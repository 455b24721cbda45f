"""What must hold between the cells of one row, as a table of rules."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hub.errors import HubError
from hub.model import AssetKind
from hub.rows import Row

Cells = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowRule:
    """Holds for every row that has the cells it needs."""

    columns: tuple[str, ...]
    """The cells it needs; the first is the one to mend."""
    broken: Callable[[Cells], bool]
    problem: str
    """A format of the row's cells."""
    remedy: str


def check_rows(rows: Iterable[Row], rules: tuple[RowRule, ...]) -> Iterator[HubError]:
    """Errors of all rows by all rules."""
    for row in rows:
        cells = dict(row.values)
        for rule in rules:
            if row.has(rule.columns) and rule.broken(cells):
                yield row.error(rule.columns[0], rule.problem.format_map(cells), rule.remedy.format_map(cells))


_VOLTAGES_KV: Final = (0.4 / math.sqrt(3), 0.4, 3.0, 6.0, 10.0, 20.0, 25.0, 30.0)
"""Between phases, single-phase 230 V as its equivalent; those in use on Dutch low and medium voltage."""
_CAPACITY_TOLERANCE_RATIO: Final = 0.05
"""Amperes and kVA on a contract are rounded; amperes x phases taken for kW is off by a factor and is caught."""


def _capacities_differ(cells: Cells) -> bool:
    for voltage_kv in _VOLTAGES_KV:
        kva = math.sqrt(3) * voltage_kv * cells["capacity_a"]
        if abs(cells["capacity_kva"] - kva) <= _CAPACITY_TOLERANCE_RATIO * kva:
            return False
    return True


def _is(*kinds: AssetKind) -> Callable[[Cells], bool]:
    return lambda cells: cells["kind"] in kinds


_is_charger = _is(AssetKind.CHARGER)
_is_battery = _is(AssetKind.BATTERY)
_is_pv = _is(AssetKind.PV)
_consumes = _is(AssetKind.LOAD, AssetKind.FLEXIBLE_LOAD, AssetKind.THERMAL_STORE, AssetKind.CHARGER)

CONNECTION_RULES: Final = (
    RowRule(
        ("capacity_kva", "capacity_a"),
        _capacities_differ,
        "{capacity_kva:g} kVA is not what {capacity_a:g} A carry at 400 V or at medium voltage",
        "write sqrt(3) x kV x A (400 V: 0.693 kVA per ampere)",
    ),
    RowRule(
        ("contract_import_kw", "capacity_kva"),
        lambda c: c["contract_import_kw"] > c["capacity_kva"],
        "{contract_import_kw:g} kW is above the physical capacity of {capacity_kva:g} kVA",
        "compare both with the contract",
    ),
    RowRule(
        ("contract_export_kw", "capacity_kva"),
        lambda c: c["contract_export_kw"] > c["capacity_kva"],
        "{contract_export_kw:g} kW is above the physical capacity of {capacity_kva:g} kVA",
        "compare both with the contract",
    ),
)

ASSET_RULES: Final = (
    RowRule(
        ("min_kw", "max_kw"),
        lambda c: c["min_kw"] > c["max_kw"],
        "{min_kw:g} is above max_kw {max_kw:g}",
        "swap them; production and discharging are negative",
    ),
    RowRule(
        ("rated_kw", "min_kw", "max_kw"),
        lambda c: c["rated_kw"] < max(abs(c["min_kw"]), abs(c["max_kw"])),
        "{rated_kw:g} is below the range {min_kw:g} to {max_kw:g}",
        "rated_kw is the largest absolute power",
    ),
    RowRule(
        ("reversion_kw", "min_kw", "max_kw"),
        lambda c: not c["min_kw"] <= c["reversion_kw"] <= c["max_kw"],
        "{reversion_kw:g} is outside the range {min_kw:g} to {max_kw:g}",
        "write the power the device takes by itself when its lease ends",
    ),
    RowRule(
        ("min_on_kw", "max_kw"),
        lambda c: c["min_on_kw"] > max(c["max_kw"], 0),
        "{min_on_kw:g} is above max_kw {max_kw:g}: it could never be on",
        "write the least power of a charger that is on (6 A on three phases: 4.14)",
    ),
    RowRule(
        ("min_on_kw", "kind"),
        lambda c: c["min_on_kw"] > 0 and not _is_charger(c),
        "a {kind} has no least power",
        "leave it empty: only a charger has one",
    ),
    RowRule(
        ("reversion_kw", "kind", "min_on_kw"),
        lambda c: _is_charger(c) and 0 < c["reversion_kw"] < c["min_on_kw"],
        "a charger cannot run at {reversion_kw:g}, below min_on_kw {min_on_kw:g}",
        "write 0, or {min_on_kw:g} or more",
    ),
    RowRule(
        ("step_kw", "rated_kw"),
        lambda c: c["step_kw"] > c["rated_kw"],
        "{step_kw:g} is above rated_kw {rated_kw:g}",
        "write the least change the device can make",
    ),
    RowRule(
        ("max_kw", "kind"),
        lambda c: _is_pv(c) and c["max_kw"] > 0,
        "a PV roof does not consume: {max_kw:g}",
        "write 0; what it produces is negative and belongs in min_kw",
    ),
    RowRule(
        ("min_kw", "kind"),
        lambda c: _consumes(c) and c["min_kw"] < 0,
        "a {kind} does not produce: {min_kw:g}",
        "write 0 or more; consumption is positive",
    ),
    RowRule(
        ("min_kw", "kind", "max_kw"),
        lambda c: _is_charger(c) and c["min_kw"] > 0,
        "a charger without a car takes nothing: {min_kw:g}",
        "write 0; its least power when on belongs in min_on_kw",
    ),
    RowRule(
        ("min_kw", "kind", "max_kw"),
        lambda c: _is_battery(c) and not c["min_kw"] <= 0 <= c["max_kw"],
        "a battery that cannot rest: {min_kw:g} to {max_kw:g}",
        "write its discharging power negative in min_kw, its charging power in max_kw",
    ),
    RowRule(
        ("energy_kwh", "kind"),
        lambda c: _is_battery(c) and c["energy_kwh"] is None,
        "a battery needs its usable energy",
        "write it in kWh",
    ),
    RowRule(
        ("efficiency_ratio", "kind"),
        lambda c: _is_battery(c) and c["efficiency_ratio"] is None,
        "a battery needs its one-way efficiency",
        "write a ratio such as 0.95 (the root of the round trip)",
    ),
    RowRule(
        ("ramp_kw_per_s", "kind"),
        lambda c: c["kind"].controllable and c["ramp_kw_per_s"] == 0,
        "a {kind} needs a ramp",
        "write how fast it changes its power, in kW per second",
    ),
    RowRule(
        ("driver", "kind"),
        lambda c: c["kind"].controllable and c["driver"] == "",
        "a {kind} needs a driver",
        "write which one talks to it, such as simulator",
    ),
)


def _outlasts_a_tick(lease: str) -> RowRule:
    return RowRule(
        (lease, "tick_s"),
        lambda c: c[lease] <= c["tick_s"],
        f"{{{lease}:g}} is not above tick_s {{tick_s:g}}: the lease would end before it is renewed",
        "write a few ticks, longer than a process needs to be replaced",
    )


TIMING_RULES: Final = (
    RowRule(
        ("stale_after_s", "meter_cadence_s"),
        lambda c: c["stale_after_s"] <= c["meter_cadence_s"],
        "{stale_after_s:g} is not above meter_cadence_s {meter_cadence_s:g}: every reading would be stale",
        "write a few cadences",
    ),
    *(_outlasts_a_tick(lease) for lease in ("setpoint_valid_s", "device_lease_s", "budget_lease_s")),
)

ENVELOPE_RULES: Final = (
    RowRule(
        ("min_kw", "max_kw"),
        lambda c: c["min_kw"] > c["max_kw"],
        "{min_kw:g} is above max_kw {max_kw:g}",
        "swap them; production is negative",
    ),
)

MARGIN_RULES: Final = (
    RowRule(
        ("accepted_by", "until"),
        lambda c: (c["accepted_by"] == "") != (c["until"] is None),
        "a margin is accepted by somebody until a day: one of the two is missing",
        "write both accepted_by and until, or neither",
    ),
)

GRID_LOOP_RULES: Final = (
    RowRule(
        ("fallback_min_kw", "fallback_max_kw"),
        lambda c: c["fallback_min_kw"] > c["fallback_max_kw"],
        "{fallback_min_kw:g} is above fallback_max_kw {fallback_max_kw:g}",
        "swap them; export is negative",
    ),
)

LIMIT_RULES: Final = (
    RowRule(
        ("import_kw", "export_kw"),
        lambda c: c["import_kw"] is None and c["export_kw"] is None,
        "it limits nothing",
        "write import_kw, export_kw or both, or remove it",
    ),
)
