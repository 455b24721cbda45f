"""What `lusbalans hub check` says of margins (R22): the reaction time, what each node needs, and what it costs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.margins import (
    NodeMargin,
    Reaction,
    YearlyCost,
    margin_warnings,
    node_margins,
    running,
    unattended,
    yearly_cost,
)
from hub.model import PARK, Hub, Margin
from hub.profiles import ProfileError, read_profiles
from hub.tree import build_tree

_SHOWN = 5
"""Nodes with the largest needs that are printed; `--json` has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginReport:
    """All that is said of the margins of a hub."""

    reaction: Reaction
    unattended: Reaction
    kept: Margin
    needed: tuple[NodeMargin, ...]
    """The park's first."""
    needed_unattended: NodeMargin
    """The park's, while a worker is being replaced."""
    cost_kept: YearlyCost | None
    """None without profiles."""
    cost_needed: YearlyCost | None
    no_cost: str
    """Why there is no cost; empty where there is."""
    warnings: tuple[str, ...]


def local_day(hub: Hub) -> date:
    """Return today, where the park is."""
    return datetime.now(ZoneInfo(hub.timezone)).date()


def report_margins(hub: Hub, folder: Path, *, today: date) -> MarginReport:
    """Gather it; profiles are read from the folder where it has them."""
    tree = build_tree(hub)
    needed = node_margins(hub, tree, running(hub.timing))
    cost_kept = cost_needed = None
    no_cost = "" if hub.profiles else "the folder has no [profiles]"
    if hub.profiles:
        try:
            profiles = read_profiles(folder, hub)
        except ProfileError as error:
            no_cost = str(error)
        else:
            kept, most = hub.margin, needed[0]
            cost_kept = yearly_cost(hub, profiles, import_kw=kept.import_kw, export_kw=kept.export_kw)
            cost_needed = yearly_cost(hub, profiles, import_kw=most.import_kw, export_kw=most.export_kw)
    return MarginReport(
        reaction=running(hub.timing),
        unattended=unattended(hub.timing),
        kept=hub.margin,
        needed=needed,
        needed_unattended=node_margins(hub, tree, unattended(hub.timing))[0],
        cost_kept=cost_kept,
        cost_needed=cost_needed,
        no_cost=no_cost,
        warnings=margin_warnings(hub, needed[0], today),
    )


def margins_as_json(report: MarginReport) -> dict[str, object]:
    """Return the report with its sums, for `--json`."""
    return asdict(report) | {
        "reaction_s": report.reaction.total_s,
        "unattended_s": report.unattended.total_s,
        "needed": [_with_sums(node) for node in report.needed],
        "needed_unattended": _with_sums(report.needed_unattended),
    }


def _with_sums(node: NodeMargin) -> dict[str, object]:
    return asdict(node) | {"import_kw": node.import_kw, "export_kw": node.export_kw}


def margin_lines(report: MarginReport) -> Iterator[str]:
    """Yield the report for people."""
    now, park, gap = report.reaction, report.needed[0], report.needed_unattended
    yield (
        f"reaction time {now.total_s:g} s: meter {now.meter_s:g}, late {now.lateness_s:g}, control {now.control_s:g}, "
        f"actuator {now.actuator_s:g}; {report.unattended.total_s:g} s while a worker is replaced"
    )
    yield from (
        f"margin {way} of {PARK}: kept {kept_kw:.4g} kW, needed {needed_kw:.4g} (step {step_kw:.4g}, "
        f"cloud {park.cloud_kw:.4g}); {gap_kw:.4g} while a worker is replaced"
        for way, kept_kw, needed_kw, step_kw, gap_kw in (
            ("import", report.kept.import_kw, park.import_kw, park.step_import_kw, gap.import_kw),
            ("export", report.kept.export_kw, park.export_kw, park.step_export_kw, gap.export_kw),
        )
    )
    if report.cost_kept is not None and report.cost_needed is not None:
        yield f"a year of the margin kept costs {_cost(report.cost_kept)}; of the one needed {_cost(report.cost_needed)}"
        yield "  (the profiles' year, loads and roofs alone: batteries idle, no car charging)"
    else:
        yield f"no cost per year: {report.no_cost}"
    others = sorted(report.needed[1:], key=lambda node: max(node.import_kw, node.export_kw), reverse=True)
    yield f"needed at other guarded nodes, where nothing is kept free ({len(others)}; the largest):"
    yield from (
        f"  {node.node}: import {node.import_kw:.4g} kW, export {node.export_kw:.4g} kW" for node in others[:_SHOWN]
    )
    if report.kept.accepted_by and not report.warnings:
        yield f"the margin is accepted by {report.kept.accepted_by} until {report.kept.until}"
    yield from (f"warning: {warning}" for warning in report.warnings)


def _cost(cost: YearlyCost) -> str:
    return (
        f"{cost.export_kwh:,.0f} kWh curtailed (at most {cost.most_export_kwh:,.0f}) and {cost.import_kwh:,.0f} kWh of "
        f"import room (at most {cost.most_import_kwh:,.0f})"
    )
