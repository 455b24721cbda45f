"""The summary of a simulation for people: the demo's tables, then what only a simulation knows."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from connectors.simulation.instants import as_utc
from connectors.simulation.summary import SimulationSummary
from lusbalans.summary_text import print_summary

MOST_TOLD: Final = 10
"""Crossings, and points without a profile, that are named; the JSON names them all."""

_COMPARED: Final = (
    "imported_kwh", "exported_kwh", "charged_kwh", "curtailed_kwh", "quarters_breached", "limits_breached",
    "crossing_count",
)  # fmt: skip


def print_simulation(summary: SimulationSummary, console: Console) -> None:
    """Print it."""
    print_summary(summary, console)
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
        for name in _COMPARED:
            yield f"with nobody balancing: {name} {getattr(other, name):,} instead of {getattr(summary, name):,}"
    if summary.without_profile:
        names = ", ".join(summary.without_profile[:MOST_TOLD])
        more = len(summary.without_profile) - MOST_TOLD
        yield f"without profile, so at the least power they can have: {names}{f' and {more} more' if more > 0 else ''}"
