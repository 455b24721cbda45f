"""`lusbalans topology move|confirm|doubt|list`: where the rings of a running park are open.

Parses and prints; what is allowed is decided by `connectors.operator_commands`. Exit codes as in
`lusbalans.entry_options`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hub.model import Certainty, GridLoop
from hub.open_point import permitted
from infra.clock import now_us
from lusbalans.entry_options import common_options, opened, print_json, show
from lusbalans.failure import NOT_FOUND, CommandFailedError
from lusbalans.limit_words import clock_text, who_text
from streams.topology_entries import KnownTopology
from streams.topology_messages import TopologyEntry

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connectors.operator_commands import TopologyCommands
    from streams.two_people import Change, Refusal


@click.group()
def topology() -> None:
    """Open points of the rings of a running park: move, confirm, doubt, list.

    One person says where an open point goes, before it is switched: from then on limits of both places hold. When it
    lies there a second person confirms it, and its limits alone count. A position is the number of sections before it,
    counted from feeder a.
    """


@topology.command("move")
@click.argument("grid_loop")
@click.option("--to", "open_after", type=click.IntRange(min=0), required=True, help="Open after so many sections.")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@common_options
def move_command(
    grid_loop: str, *, open_after: int, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool
) -> None:
    """Say that the open point of GRID_LOOP goes there, or goes back.

    lusbalans topology move lus-1 --to 5 --why "works on section 5"
    """
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.move(grid_loop, open_after, why=why), commands, grid_loop, as_json=as_json)


@topology.command("confirm")
@click.argument("grid_loop")
@common_options
def confirm_command(grid_loop: str, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Say, as the second person, that GRID_LOOP is open where the first one said: look at the switches first."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.confirm(grid_loop), commands, grid_loop, as_json=as_json)


@topology.command("doubt")
@click.argument("grid_loop")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@common_options
def doubt_command(grid_loop: str, *, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Say that GRID_LOOP may be open anywhere: limits of all permitted places hold, at once."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.doubt(grid_loop, why=why), commands, grid_loop, as_json=as_json)


@topology.command("list")
@click.argument("grid_loop", required=False)
@common_options
def list_command(grid_loop: str | None, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Show where all rings are open, or one of them, where they may be opened, and what waits."""
    with _commands(hub_dir, bootstrap) as commands:
        known = commands.known()
    rings = [ring for ring in known.hub.grid_loops if grid_loop in (None, ring.id)]
    if not rings:
        raise CommandFailedError(f"there is no grid loop {grid_loop!r}", NOT_FOUND)
    if as_json:
        print_json({"rings": [_as_json(ring, known) for ring in rings]})
        return
    click.echo("\n".join(line for ring in rings for line in _lines(ring, known)))


def _commands(hub_dir: str | None, bootstrap: str | None) -> "AbstractContextManager[TopologyCommands]":
    from connectors.operator_commands import TopologyCommands

    return opened(TopologyCommands, hub_dir, bootstrap)


def _show(
    outcome: "Change[TopologyEntry] | Refusal", commands: "TopologyCommands", grid_loop: str, *, as_json: bool
) -> None:
    def lines(_entry: TopologyEntry) -> list[str]:
        known = commands.known()
        return [line for ring in known.hub.grid_loops if ring.id == grid_loop for line in _lines(ring, known)]

    show(outcome, as_json=as_json, lines=lines, confirm=f"lusbalans topology confirm {grid_loop}")


def _as_json(ring: GridLoop, known: KnownTopology) -> dict[str, object]:
    point, entry = known.open_point(ring, now_us=now_us()), known.find(ring.id)
    return {
        "grid_loop": ring.id,
        "certainty": point.certainty,
        "open_after": point.open_after,
        "positions": point.positions,
        "permitted": permitted(ring),
        "proposed": None if entry is None else entry.proposed,
        "changed_us": None if entry is None else entry.changed_us,
    }


def _lines(ring: GridLoop, known: KnownTopology) -> Iterator[str]:
    point, entry = known.open_point(ring, now_us=now_us()), known.find(ring.id)
    at = " or ".join(map(str, point.positions))
    may = ", ".join(map(str, permitted(ring)))
    doubt = "" if point.certainty is Certainty.CONFIRMED else f", {str(point.certainty).upper()}"
    by = ", as the hub folder says" if entry is None else ""
    yield f"{ring.id}: open after section {at} of {len(ring.sections)}{doubt}{by}; permitted after {may}"
    if entry is None:
        return
    yield f"  {clock_text(entry.changed_us, known.hub.timezone)} by {entry.changed_by}: {entry.changed_why}"
    if entry.proposed is not None:
        who = who_text(entry.proposed.who, authenticated=entry.proposed.authenticated)
        yield f"  WAITS for a second person: open after section {entry.proposed.open_after}, says {who}"
