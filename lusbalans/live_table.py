"""The demo in the terminal: what each grid loop does and what limits it, and below it the last setpoints with reasons."""

import time
from typing import Final, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from balancer.explanation import Language
from balancer.wishes import Wish, wish_sentence
from hub.quarters import QUARTER_US, quarter_start_us
from infra.clock import now_us
from lusbalans.picture import NodeLine, Picture, SetpointLine

LINES_AROUND: Final = 18
"""Of the terminal, taken by everything but setpoints with five grid loops."""

LEAST_SETPOINTS: Final = 5
_EVERY_S: Final = 0.5

_BOUND: Final = {"exact": "=", "at_most": "<=", "at_least": ">="}
"""PV is told a floor: `>= -35 kW` lets it produce at most 35 kW."""

_REASON: Final = {
    "target": "nothing binds",
    "import_limit": "import limit",
    "export_limit": "export limit",
    "device_range": "the device can do no more",
    "not_following": "does not follow",
    "release": "comes back slowly",
    "override": "stopped, held or kept low by an operator",
    "fallback": "fallback: a meter is missing",
    **{str(wish): wish_sentence(wish, Language.EN) for wish in Wish if wish is not Wish.REST},
}


class LiveTable:
    """Redraws in place on a terminal."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def update(self, picture: Picture) -> None:
        """Draw, twice a second at most."""
        now_s = time.monotonic()
        if now_s - self._drawn_s >= _EVERY_S:
            self._drawn_s = now_s
            rows = max(self._console.height - LINES_AROUND - len(picture.lines()), LEAST_SETPOINTS)
            self._live.update(drawing(picture, self._title, rows=rows, now_us=now_us()), refresh=True)


class StatusLines:
    """For a log instead of a terminal: a line now and then."""

    def __init__(self, console: Console, every_s: float = 10.0) -> None:
        self._console = console
        self._every_s = every_s
        self._said_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return

    def update(self, picture: Picture) -> None:
        """Say where the park is, when it is time."""
        now_s = time.monotonic()
        if now_s - self._said_s >= self._every_s and (lines := picture.lines()):
            self._said_s = now_s
            bound = sum(bool(line.binding) for line in picture.setpoints.values())
            self._console.print(
                f"{lines[0].node} {kw(lines[0].power_kw)} kW, limits {kw(lines[0].limit_import_kw)} import, "
                f"{kw(lines[0].limit_export_kw)} export; {bound} of {len(picture.setpoints)} setpoints bound",
                highlight=False,
            )


def drawing(picture: Picture, title: str, *, rows: int, now_us: int) -> Group:
    """Everything on the screen."""
    left_s = (quarter_start_us(now_us) + QUARTER_US - now_us) // 1_000_000
    clock = (
        f"{time.strftime('%H:%M:%S', time.gmtime(now_us / 1e6))} UTC, {left_s // 60}:{left_s % 60:02} to the quarter"
    )
    return Group(
        Text.assemble((title, "bold"), f"   {clock}   Ctrl-C stops everything"),
        _node_table(picture),
        _setpoint_table(picture, rows),
        Text(_counts(picture), style="dim"),
    )


def _node_table(picture: Picture) -> Table:
    names = {grid_loop.id: f"{grid_loop.id} {grid_loop.name}" for grid_loop in picture.hub.grid_loops}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), caption_justify="left")
    table.add_column("kW (import +)")
    for name in ("power", "import limit", "room", "export limit", "room", "quarter so far", "projected"):
        table.add_column(name, justify="right")
    table.add_column("binds")
    for line in picture.lines():
        table.add_row(
            names.get(line.node, line.node),
            Text(kw(line.power_kw), style="bold"),
            kw(line.limit_import_kw),
            kw(line.headroom_import_kw),
            kw(line.limit_export_kw),
            kw(line.headroom_export_kw),
            _net(line.quarter_import_kw, line.quarter_export_kw),
            _net(line.projected_import_kw, line.projected_export_kw),
            _state(line),
        )
    return table


def _state(line: NodeLine) -> Text:
    if line.mode != "closed":
        return Text("FALLBACK", style="bold red")
    if not line.fresh:
        return Text("STALE", style="bold red")
    return Text(line.binding, style="bold yellow")


def _net(import_kw: float | None, export_kw: float | None) -> str:
    """Means of both registers; the export in brackets, where there is any."""
    if export_kw is None or kw(export_kw) == "0":
        return kw(import_kw)
    return f"{kw(import_kw)} (-{kw(export_kw)})"


def _setpoint_table(picture: Picture, rows: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("device", "grid loop"):
        table.add_column(name)
    for name in ("setpoint kW", "measured kW"):
        table.add_column(name, justify="right")
    for name in ("because", "of node"):
        table.add_column(name)
    for line in picture.most_interesting(rows):
        table.add_row(
            line.asset,
            line.grid_loop,
            f"{_BOUND.get(line.bound, '?')} {line.power_kw:.1f}",
            kw(picture.measured_kw.get(line.asset), digits=1),
            _because(line),
            line.binding,
        )
    return table


def _because(line: SetpointLine) -> Text:
    text = _REASON.get(line.reason, line.reason)
    return Text(text, style="bold yellow" if line.binding else "red" if line.reason == "fallback" else "")


def _counts(picture: Picture) -> str:
    counts: dict[str, int] = {}
    for line in picture.setpoints.values():
        counts[line.reason] = counts.get(line.reason, 0) + 1
    parts = [f"{count} {_REASON.get(reason, reason)}" for reason, count in sorted(counts.items())]
    return f"{len(picture.setpoints)} devices: {', '.join(parts)}; {picture.refused} frames refused by dispatch"


def kw(value: float | None, *, digits: int = 0) -> str:
    """A power for people; a dash where unknown or unlimited.

    >>> kw(1234.5), kw(None), kw(-0.01)
    ('1,234', '-', '0')
    """
    return "-" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}"
