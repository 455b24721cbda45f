"""The summary of a simulation for people: the demo's tables, then what only a simulation knows."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from connectors.simulation.instants import as_utc
from connectors.simulation.summary import SimulationSummary
from lusbalans.summary_text import print_summary

MOST_TOLD: Final = 10
"""Crossings, and points without a profile, that are named; the JSON names them all."""

_COMPARED: Final = {
    "imported_kwh": "kWh imported",
    "exported_kwh": "kWh exported",
    "charged_kwh": "kWh charged",
    "curtailed_kwh": "kWh curtailed",
    "quarters_breached": "quarters breached",
    "limits_breached": "limits breached",
    "crossing_count": "crossings of the tolerance curve",
}
_WITHIN_SECONDS: Final = frozenset({"crossing_count"})
"""Says nothing in longer steps."""

_OF_SERVICES: Final = frozenset({"first setpoint", "tick to setpoint", "reading to setpoint", "rows stored"})
"""Rows of the summary that nothing simulated has; of steps that send no frame, the setpoints neither."""


def print_simulation(summary: SimulationSummary, console: Console) -> None:
    """Print it."""
    print_summary(summary, console, without=_OF_SERVICES | ({"setpoints"} if summary.not_assessed else set()))
    for line in _lines(summary):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(summary: SimulationSummary) -> Iterator[str]:
    if not summary.finished:
        yield f"STOPPED at {as_utc(summary.until_us or 0)}: these are the figures until then"
    if summary.not_assessed:
        yield f"not assessed with steps of {summary.step_s} s: {', '.join(summary.not_assessed)}"
    else:
        yield f"crossings of the tolerance curve: {summary.crossing_count}"
    for each in summary.crossings[:MOST_TOLD]:
        yield (
            f"  {as_utc(each.began_us)} {each.node} {each.direction}: above {each.over_ratio:g} x {each.limit_kw:g} kW"
            f" for {each.lasted_s:g} s, up to {each.highest_kw:g} kW; {each.cause}"
        )
    if (charging := summary.charging) is not None:
        percent = "-" if charging.delivered_percent is None else f"{charging.delivered_percent:.1f} %"
        yield (
            f"charging: {charging.sessions} sessions, {charging.fully_served} fully served, {percent} of"
            f" {charging.asked_kwh:,.1f} kWh delivered ({charging.possible_kwh:,.1f} possible), Jain's index"
            f" {'-' if charging.jain_index is None else f'{charging.jain_index:.3f}'}"
        )
    if (other := summary.unbalanced) is not None:
        for name, words in _COMPARED.items():
            if not (summary.not_assessed and name in _WITHIN_SECONDS):
                theirs, ours = _figure(getattr(other, name)), _figure(getattr(summary, name))
                yield f"with nobody balancing: {theirs} instead of {ours} {words}"
    if summary.without_profile:
        names = ", ".join(summary.without_profile[:MOST_TOLD])
        more = len(summary.without_profile) - MOST_TOLD
        yield f"without profile, so at the least power they can have: {names}{f' and {more} more' if more > 0 else ''}"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
