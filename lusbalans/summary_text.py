"""A summary for people: what happened, how fast, how much energy, and how near the limits came."""

from collections.abc import Collection, Iterator
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.latencies import Latency
from streams.limit_record import LimitFigures
from streams.summary import Summary

NEAREST: Final = 8
"""Limits in the table besides those of the park and those that were breached."""


_WHEN: Final = {"quarter": "per quarter", "instant": "at once"}


def print_summary(summary: Summary, console: Console, *, without: Collection[str] = ()) -> None:
    """Print it as tables; `without` these rows of the first."""
    console.print(Group(*_parts(summary, without)))


def verdict(summary: Summary) -> str:
    """One line: whether every limit was kept.

    The criterion is a quarter's mean above its limit, or more than 1.02 times an instantaneous limit for over 10 s.
    """
    if summary.limits_breached == 0:
        return f"no limit breached ({len(summary.limits)} watched)"
    names = [f"{each.node} {each.direction} {_WHEN[each.judged]}" for each in summary.limits if each.breached]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"BREACHED: {', '.join(names[:5])}{more}"


def _parts(summary: Summary, without: Collection[str]) -> Iterator[RenderableType]:
    yield Text(f"\n{summary.hub}: {_duration(summary)}", style="bold")
    yield _figures(summary, without)
    yield _limits(summary)
    yield Text(verdict(summary), style="bold" if summary.limits_breached == 0 else "bold red")


def _duration(summary: Summary) -> str:
    if summary.began_us is None or summary.until_us is None:
        return "no readings"
    minutes, seconds = divmod(round((summary.until_us - summary.began_us) / 1e6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours:,} h {minutes} min' if hours else f'{minutes} min {seconds} s'} of readings"


def _figures(summary: Summary, without: Collection[str]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    after_s = summary.first_setpoint_after_s
    results = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.results.items())
    rows = {
        "readings": f"{summary.readings:,}",
        "setpoints": f"{summary.setpoints:,} in {summary.setpoint_frames:,} frames ({results or 'no answers'})",
        "first setpoint": "-" if after_s is None else f"{after_s:.1f} s after the start",
        "ticks": f"{summary.ticks:,}, missed {summary.missed_ticks:,}, on fallback {summary.fallback_ticks:,}",
        "beyond keeping": f"{summary.violations:,} times a limit that no setpoint could keep",
        "tick to setpoint": _latency(summary.tick_latency),
        "reading to setpoint": _latency(summary.setpoint_latency),
        "imported": f"{summary.imported_kwh:,.1f} kWh",
        "exported": f"{summary.exported_kwh:,.1f} kWh",
        "charged": f"{summary.charged_kwh:,.1f} kWh",
        "curtailed": f"{summary.curtailed_kwh:,.1f} kWh",
        "rows stored": ", ".join(f"{table} {rows:,}" for table, rows in summary.rows_stored.items()) or "none",
    }
    for name, value in rows.items():
        if name not in without:
            table.add_row(name, value)
    return table


def _latency(latency: Latency) -> str:
    if latency.count == 0:
        return "-"
    return f"p50 {latency.p50_ms} ms, p99 {latency.p99_ms} ms, worst {latency.worst_ms} ms"


def _limits(summary: Summary) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), title="limits, the nearest", title_justify="left", title_style=""
    )
    for name in ("node", "limit"):
        table.add_column(name, no_wrap=True)
    for name in ("kW", "highest quarter", "highest reading", "breached"):
        table.add_column(name, justify="right")
    for each in nearest(summary.limits):
        table.add_row(
            each.node,
            f"{each.direction} {_WHEN[each.judged]}, {each.layer}",
            f"{each.limit_kw:,.0f}",
            _height(each.quarter_kw, each.quarter_ratio),
            _height(each.instant_kw, each.instant_ratio),
            _breach(each),
        )
    return table


def nearest(limits: list[LimitFigures]) -> list[LimitFigures]:
    """The park's limits, the breached ones, and those that were nearest by the figure that decides."""
    always = [each for each in limits if each.node == "park" or each.breached]
    others = sorted((each for each in limits if each not in always), key=_nearness, reverse=True)
    return [*always, *others[:NEAREST]]


def _nearness(each: LimitFigures) -> float:
    ratio = each.quarter_ratio if each.judged == "quarter" else each.instant_ratio
    return -1.0 if ratio is None else ratio


def _breach(each: LimitFigures) -> str:
    if not each.breached:
        return "no"
    return f"{each.quarters_breached} quarters" if each.judged == "quarter" else f"{each.over_s:.0f} s"


def _height(kw: float | None, ratio: float | None) -> str:
    """A power and its part of the limit; a limit of zero has no parts."""
    if kw is None:
        return "-"
    return f"{kw:,.1f}" if ratio is None else f"{kw:,.1f} = {ratio:.0%}"
