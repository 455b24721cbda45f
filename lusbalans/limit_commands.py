"""`lusbalans limit set|withdraw|confirm|reject|list`: the limits of a running park from a terminal.

Parses and prints; what is allowed is decided by `connectors.operator_commands`. Exit codes as in
`lusbalans.entry_options`.
"""

from typing import TYPE_CHECKING, Any

import click

from hub.limit_checks import nearest_nodes
from hub.limits import Effect, EffectiveLimit, Reference, StatedLimit, effective_limit
from hub.model import Judged, LimitLayer
from infra.clock import now_us
from lusbalans.entry_options import common_options, opened, print_json, show
from lusbalans.failure import BAD_INPUT, NOT_FOUND, CommandFailedError
from lusbalans.limit_words import WordsError, effective_lines, entry_lines, read_block, read_instant
from streams.limit_entries import KnownLimits
from streams.limit_messages import LimitBlock, LimitEntry, LimitTerms
from streams.two_people import Change, Pending, Refusal, is_gone

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connectors.operator_commands import OperatorCommands


@click.group()
def limit() -> None:
    """Limits of a running park: set, withdraw, confirm, reject, list.

    Tightening counts at once, in the next tick. What would allow more at any instant waits until a second person
    confirms it. Until there are logins that is another account of this machine, marked as unauthenticated.
    """


@limit.command("set")
@click.argument("node")
@click.argument("limit_id", metavar="ID")
@click.option("--import-kw", type=float, help="Most net power from the grid.")
@click.option("--export-kw", type=float, help="Most net power into the grid, a magnitude.")
@click.option(
    "--block",
    "blocks",
    multiple=True,
    metavar="TEXT",
    help="'22:00-06:00 import=200 days=1-5 season=10-01..03-31'; may be repeated, instead of the two above.",
)
@click.option(
    "--layer",
    type=click.Choice([str(each) for each in LimitLayer]),
    default="operator",
    show_default=True,
    help="Whose limit it is; a higher one outranks.",
)
@click.option(
    "--judged",
    type=click.Choice([str(each) for each in Judged]),
    default="instant",
    show_default=True,
    help="At each instant, or on the quarter's mean.",
)
@click.option("--from", "from_", metavar="TIME", help="2026-07-01T14:00 by the park's clock; default: now.")
@click.option("--until", metavar="TIME", help="Default: until it is withdrawn.")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@click.option("--source", default="operator", show_default=True, help="Letter, contract, message.")
@click.option("--right", is_flag=True, help="A transport right: adds to the contract of the hub folder.")
@click.option("--ring", is_flag=True, help="Import means from feeder a towards feeder b, of a section.")
@click.option("--series", default="", metavar="NAME", help="Limits of one series follow each other without a gap.")
@common_options
def set_command(
    node: str,
    limit_id: str,
    *,
    hub_dir: str | None,
    bootstrap: str | None,
    as_json: bool,
    **words: Any,  # noqa: ANN401 (click's options)
) -> None:
    """Set limit ID of NODE, or replace it.

    NODE is park, group, a grid loop, an arm (lus-1/a), a section, a micro group or an EAN. Example:

    lusbalans limit set lus-1 cap-114 --layer dso_cap --import-kw 245 --until 2026-07-01T18:00 --why "cable works"
    """
    with _commands(hub_dir, bootstrap) as commands:
        try:
            terms = _terms(commands, **words)
        except WordsError as error:
            raise CommandFailedError(str(error), BAD_INPUT) from error
        _show(commands.set_limit(node, limit_id, terms), commands, as_json=as_json)


@limit.command("withdraw")
@click.argument("node")
@click.argument("limit_id", metavar="ID")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@common_options
def withdraw_command(
    node: str, limit_id: str, *, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool
) -> None:
    """Take limit ID of NODE away; it waits for a second person where that allows more."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.withdraw_limit(node, limit_id, why=why), commands, as_json=as_json)


@limit.command("confirm")
@click.argument("node")
@click.argument("limit_id", metavar="ID")
@common_options
def confirm_command(node: str, limit_id: str, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Let what somebody else proposed for limit ID of NODE hold, as the second person."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.confirm_limit(node, limit_id), commands, as_json=as_json)


@limit.command("reject")
@click.argument("node")
@click.argument("limit_id", metavar="ID")
@click.option("--why", required=True, help="For whoever proposed it.")
@common_options
def reject_command(
    node: str, limit_id: str, *, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool
) -> None:
    """Drop what waits for a second person; what is in force stays."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.reject_proposal(node, limit_id, why=why), commands, as_json=as_json)


@limit.command("list")
@click.argument("node", required=False)
@common_options
def list_command(node: str | None, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Show all limits that were stated; with NODE also what binds it now, until when, and what comes next."""
    with _commands(hub_dir, bootstrap) as commands:
        known = commands.known()
    if node is not None and node not in known.tree.by_id:
        near = nearest_nodes(node, known.tree)
        raise CommandFailedError(
            f"there is no node {node!r}{': did you mean ' + ' or '.join(near) + '?' if near else ''}", NOT_FOUND
        )
    entries = [e for e in known.entries.values() if not is_gone(e) and node in (None, e.node)]
    entries.sort(key=lambda entry: (entry.node, entry.id))
    effective = {} if node is None else _effective(known, node)
    if as_json:
        binding = {direction: _effective_json(limit) for direction, limit in effective.items()}
        print_json({"limits": entries} | ({"node": node, "effective": binding} if effective else {}))
        return
    timezone = known.hub.timezone
    lines = [line for entry in entries for line in entry_lines(entry, timezone)]
    lines += effective_lines(node or "", effective, timezone)
    click.echo("\n".join(lines or ["no limits were stated besides those of the hub folder"]))


def _effective(known: KnownLimits, node: str) -> dict[str, EffectiveLimit]:
    book, at_us = known.book(), now_us()
    return {
        name: effective_limit(book, node, imports=name == "import", at_us=at_us) for name in ("import", "export")
    }  # fmt: skip


def _effective_json(found: EffectiveLimit) -> dict[str, object]:
    now, then = (
        None
        if ceiling is None
        else {
            "kw": ceiling.kw,
            "layer": ceiling.layer,
            "judged": ceiling.judged,
            "source": ceiling.origin.source,
            "limit": ceiling.origin.id if isinstance(ceiling.origin, StatedLimit) else None,
        }
        for ceiling in (found.now, found.then)
    )
    return {"now": now, "until_us": found.until_us, "then": then}


def _commands(hub_dir: str | None, bootstrap: str | None) -> "AbstractContextManager[OperatorCommands]":
    from connectors.operator_commands import OperatorCommands

    return opened(OperatorCommands, hub_dir, bootstrap)


def _terms(commands: "OperatorCommands", *, from_: str | None, until: str | None, **words: Any) -> LimitTerms:  # noqa: ANN401
    timezone, stated_us = commands.hub.timezone, now_us()
    plain = {"import_kw": words["import_kw"], "export_kw": words["export_kw"]}
    if words["blocks"] and any(kw is not None for kw in plain.values()):
        raise WordsError("give --import-kw and --export-kw, or blocks, not both")
    return LimitTerms(
        layer=words["layer"],
        judged=words["judged"],
        blocks=[read_block(text) for text in words["blocks"]] or [LimitBlock(**plain)],
        from_us=stated_us if from_ is None else read_instant(from_, timezone),
        until_us=None if until is None else read_instant(until, timezone),
        effect=Effect.RIGHT if words["right"] else Effect.CAP,
        reference=Reference.RING if words["ring"] else Reference.TREE,
        series=words["series"],
        source=words["source"],
        who=commands.person.name,
        authenticated=commands.person.authenticated,
        why=words["why"],
        stated_us=stated_us,
    )


def _show(outcome: Change[LimitEntry] | Refusal, commands: "OperatorCommands", *, as_json: bool) -> None:
    place = "" if not isinstance(outcome, Pending) else f"{outcome.entry.node} {outcome.entry.id}"

    def lines(entry: LimitEntry) -> list[str]:
        return [*entry_lines(entry, commands.hub.timezone)] or [f"{entry.node} {entry.id}: withdrawn"]

    show(outcome, as_json=as_json, lines=lines, confirm=f"lusbalans limit confirm {place}")
