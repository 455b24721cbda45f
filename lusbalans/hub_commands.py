"""`lusbalans hub check|show|init`: a hub folder from a terminal.

Prints what `hub/` finds; decides nothing. Exit codes: 0 ok, 2 bad input, 3 not found.
"""

from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Final, NoReturn

import click
import msgspec

from hub.errors import HubErrors
from hub.folder import read_hub
from hub.model import Hub, Judged, NodeLimit
from hub.summary import Summary, summarise
from hub.tree import Node, Tree, build_tree
from lusbalans.envelope_report import envelope_as_json, envelope_lines, report_envelope
from lusbalans.margin_report import local_day, margin_lines, margins_as_json, report_margins

EXIT_BAD_INPUT: Final = 2
EXIT_NOT_FOUND: Final = 3

_STARTER: Final = ("hub.toml", "connections.csv", "assets.csv", "envelope.csv")
_INDENT: Final = "  "


@click.group()
def hub() -> None:
    """Look at a hub folder: check it, show its tree, start a new one."""


@hub.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, also for a folder with errors.")
def check(folder: Path, as_json: bool) -> None:  # noqa: FBT001  (click passes flags by name)
    """Tell everything that is wrong with a hub folder, with file, row, column and remedy; else what it adds up to.

    Exit code 2 also where it is not safe with every computer off: no worker starts with it.
    """
    _want_folder(folder)
    try:
        park = read_hub(folder)
    except HubErrors as error:
        if as_json:
            _print_json({"ok": False, "errors": [asdict(one) for one in error.errors]})
        _fail(str(error), EXIT_BAD_INPUT)
    today = local_day(park)
    summary, margins, envelope = (
        summarise(park),
        report_margins(park, folder, today=today),
        report_envelope(park, today=today),
    )
    if as_json:
        reports = {"margins": margins_as_json(margins), "computers_off": envelope_as_json(envelope)}
        _print_json({"ok": envelope.proven, **asdict(summary), **reports})
    else:
        lines = (*_summary_lines(folder, summary), *margin_lines(margins), *envelope_lines(envelope))
        click.echo("\n".join(lines))
    if not envelope.proven:
        _fail(f"{folder}: not proven safe with every computer off", EXIT_BAD_INPUT)


@hub.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: nodes with limits, and assets.")
def show(folder: Path, as_json: bool) -> None:  # noqa: FBT001  (click passes flags by name)
    """Show the tree of a hub with the limits of every node."""
    _want_folder(folder)
    try:
        park = read_hub(folder)
    except HubErrors as error:
        _fail(str(error), EXIT_BAD_INPUT)
    tree = build_tree(park)
    if as_json:
        _print_json(_tree_as_json(park, tree))
    else:
        click.echo("\n".join(_tree_lines(park, tree)))


@hub.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a small, valid hub folder with comments to start from; nothing is ever overwritten."""
    taken = [name for name in _STARTER if (folder / name).exists()]
    if taken or (folder.exists() and not folder.is_dir()):
        what = f"{folder / taken[0]} is there already" if taken else f"{folder} is not a folder"
        _fail(f"{what}; choose another folder", EXIT_BAD_INPUT)
    starter = files("infra") / "hubs" / "starter"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _STARTER:
            with (folder / name).open("xb") as file:
                file.write((starter / name).read_bytes())
    except OSError as error:
        _fail(f"{folder}: cannot be written: {error.strerror}", EXIT_BAD_INPUT)
    click.echo(f"{folder}: {', '.join(_STARTER)}")
    click.echo(f"now edit them, then: lusbalans hub check {folder}", err=True)


def _want_folder(folder: Path) -> None:
    if not folder.is_dir():
        _fail(f"{folder}: no such folder; `lusbalans hub init {folder}` makes one", EXIT_NOT_FOUND)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(code)


def _print_json(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode())


def _summary_lines(folder: Path, summary: Summary) -> Iterator[str]:
    yield f"{folder}: no errors"
    yield f"{summary.grid_loops} grid loops with {summary.sections} sections"
    yield f"{summary.connections} connections, {summary.members} of members"
    for kind, count in sorted(summary.assets.items()):
        yield f"{count} {kind}, rated {summary.rated_kw[kind]:g} kW together"
    for direction, contracts_kw, park_kw, margin_kw in (
        ("import", summary.contract_import_kw, summary.park_import_kw, summary.margin_import_kw),
        ("export", summary.contract_export_kw, summary.park_export_kw, summary.margin_export_kw),
    ):
        limit = "no quarter limit" if park_kw is None else f"{park_kw:g} kW per quarter"
        yield f"{direction}: park {limit}, margin {margin_kw:g} kW; contracts {contracts_kw:g} kW together"
    yield f"fallback shares: {summary.fallback_max_kw:g} kW import together"
    if summary.invented:
        yield f"{len(summary.invented)} invented figures, as their source says:"
        yield from (f"{_INDENT}{place}" for place in summary.invented)


def _tree_lines(park: Hub, tree: Tree) -> Iterator[str]:
    names = {grid_loop.id: grid_loop.name for grid_loop in park.grid_loops} | {
        connection.ean: f"{connection.company} ({'member' if connection.member else 'not a member'})"
        for connection in park.connections
    }
    yield f"{park.name} ({park.id}), station {park.station}"
    depth: dict[str, int] = {}
    for node in _depth_first(tree):
        depth[node.id] = 1 if node.parent is None else depth[node.parent] + 1
        indent = _INDENT * depth[node.id]
        limits = "; ".join(_limit_text(limit) for limit in tree.limits.get(node.id, ()))
        yield f"{indent}{' '.join(part for part in (node.kind, node.id, names.get(node.id), limits) if part)}"
        for asset in tree.assets.get(node.id, ()):
            yield f"{indent}{_INDENT}{asset.kind} {asset.id} {asset.min_kw:g} to {asset.max_kw:g} kW"


def _depth_first(tree: Tree) -> Iterator[Node]:
    waiting = [tree.root.id]
    while waiting:
        node_id = waiting.pop()
        yield tree.by_id[node_id]
        waiting += reversed(tree.children.get(node_id, ()))


def _limit_text(limit: NodeLimit) -> str:
    directions = (("import", limit.import_kw), ("export", limit.export_kw))
    values = ", ".join(f"{name} {value:g}" for name, value in directions if value is not None)
    return f"{values} kW {'per quarter' if limit.judged is Judged.QUARTER else 'at once'} [{limit.layer}]"


def _tree_as_json(park: Hub, tree: Tree) -> dict[str, object]:
    return {
        "id": park.id,
        "name": park.name,
        "station": park.station,
        "nodes": [
            asdict(node) | {"limits": [asdict(limit) for limit in tree.limits.get(node.id, ())]} for node in tree.nodes
        ],
        "assets": [asdict(asset) for asset in park.assets],
        "meters": tree.meters,
    }
