"""`lusbalans override set|withdraw|confirm|reject|list`: stop an asset of a running park, hold it or keep it low.

Parses and prints; what is allowed is decided by `connectors.operator_commands`. Exit codes as in
`lusbalans.entry_options`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hub.overrides import OverrideKind, kept_by
from infra.clock import now_us
from lusbalans.entry_options import common_options, opened, print_json, show
from lusbalans.failure import BAD_INPUT, NOT_FOUND, CommandFailedError
from lusbalans.limit_words import WordsError, clock_text, read_instant, who_text
from streams.codec import Rejected
from streams.override_entries import KnownOverrides
from streams.override_messages import OverrideEntry, OverrideTerms
from streams.two_people import Change, Refusal, is_gone

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connectors.operator_commands import OverrideCommands


@click.group()
def override() -> None:
    """Single assets of a running park: set, withdraw, confirm, reject, list.

    One person stops or curtails an asset, at once. What allows it more, or obliges it to more, and what ends a stop,
    waits until a second person confirms it. No limit moves an asset out of an override. This is no emergency stop of a
    machine: that stays hard-wired.
    """


@override.command("set")
@click.argument("asset")
@click.argument("kind", type=click.Choice([str(kind) for kind in OverrideKind]))
@click.option(
    "--kw", "power_kw", type=float, help="Where to hold it, by the load convention; the most, as a magnitude."
)
@click.option("--until", metavar="TIME", help="2026-07-01T14:00 by the park's clock; default: until it is withdrawn.")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@common_options
def set_command(
    asset: str,
    kind: str,
    *,
    power_kw: float | None,
    until: str | None,
    why: str,
    hub_dir: str | None,
    bootstrap: str | None,
    as_json: bool,
) -> None:
    """Override ASSET, or replace what overrides it.

    \b
    stop            no power, or as little as its hub folder lets it take
    out_of_service  likewise, because somebody works on it
    hold --kw X     exactly X, whatever the limits: charging positive, production and discharge negative
    at_most --kw X  no more than X, in both directions

    lusbalans override set charger-07 stop --why "smoke at the plug"
    """  # noqa: D301 (click's mark for a paragraph that is not to be wrapped)
    with _commands(hub_dir, bootstrap) as commands:
        try:
            until_us = None if until is None else read_instant(until, commands.hub.timezone)
        except WordsError as error:
            raise CommandFailedError(str(error), BAD_INPUT) from error
        terms = OverrideTerms(
            kind=kind,
            power_kw=power_kw,
            until_us=until_us,
            who=commands.person.name,
            authenticated=commands.person.authenticated,
            why=why,
            stated_us=now_us(),
        )
        _show(commands.set_override(asset, terms), commands, asset, as_json=as_json)


@override.command("withdraw")
@click.argument("asset")
@click.option("--why", required=True, help="For whoever reads it in a year.")
@common_options
def withdraw_command(asset: str, *, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """End what overrides ASSET; it waits for a second person where that allows the asset more."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.withdraw_override(asset, why=why), commands, asset, as_json=as_json)


@override.command("confirm")
@click.argument("asset")
@common_options
def confirm_command(asset: str, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Let what somebody else proposed for ASSET hold, as the second person."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.confirm_override(asset), commands, asset, as_json=as_json)


@override.command("reject")
@click.argument("asset")
@click.option("--why", required=True, help="For whoever proposed it.")
@common_options
def reject_command(asset: str, *, why: str, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Drop what waits for a second person; what is in force stays."""
    with _commands(hub_dir, bootstrap) as commands:
        _show(commands.reject_override(asset, why=why), commands, asset, as_json=as_json)


@override.command("list")
@click.argument("asset", required=False)
@common_options
def list_command(asset: str | None, *, hub_dir: str | None, bootstrap: str | None, as_json: bool) -> None:
    """Show what overrides assets, or one of them, and what waits."""
    with _commands(hub_dir, bootstrap) as commands:
        known = commands.known()
    if asset is not None and asset not in known.assets:
        raise CommandFailedError(f"there is no asset {asset!r}", NOT_FOUND)
    entries = [each for each in known.entries.values() if not is_gone(each) and asset in (None, each.asset)]
    entries.sort(key=lambda entry: entry.asset)
    if as_json:
        print_json({"overrides": entries})
        return
    lines = [line for entry in entries for line in _entry_lines(entry, known)]
    click.echo("\n".join(lines or ["nothing is overridden"]))


def _commands(hub_dir: str | None, bootstrap: str | None) -> "AbstractContextManager[OverrideCommands]":
    from connectors.operator_commands import OverrideCommands

    return opened(OverrideCommands, hub_dir, bootstrap)


def _show(outcome: Change[OverrideEntry] | Refusal, commands: "OverrideCommands", asset: str, *, as_json: bool) -> None:
    def lines(entry: OverrideEntry) -> list[str]:
        return [*_entry_lines(entry, commands.known())] or [f"{asset}: no longer overridden"]

    show(outcome, as_json=as_json, lines=lines, confirm=f"lusbalans override confirm {asset}")


def _entry_lines(entry: OverrideEntry, known: KnownOverrides) -> Iterator[str]:
    terms, proposed = entry.terms, entry.proposed
    if terms is not None:
        confirmed = f", confirmed by {terms.confirmed_by}" if terms.confirmed_by else ""
        yield f"{entry.asset}: {_terms_text(entry.asset, terms, known)}"
        yield f"  by {who_text(terms.who, authenticated=terms.authenticated)}{confirmed}: {terms.why}"
    if proposed is not None:
        what = "withdraw it" if proposed.terms is None else _terms_text(entry.asset, proposed.terms, known)
        yield f"{entry.asset}: WAITS for a second person: {what}"
        yield f"  {proposed.loosens}; by {who_text(proposed.who, authenticated=proposed.authenticated)}: {proposed.why}"


def _terms_text(asset: str, terms: OverrideTerms, known: KnownOverrides) -> str:
    override = known.read(asset, terms)
    if isinstance(override, Rejected):  # proposed when the hub folder was another
        return f"{terms.kind}: {override.detail}"
    over = terms.until_us is not None and terms.until_us <= now_us()
    kept = kept_by(known.assets[asset], override, at_us=terms.stated_us)
    powers = f"{kept.min_kw:g} kW" if kept.min_kw == kept.max_kw else f"{kept.min_kw:g} to {kept.max_kw:g} kW"
    return f"{terms.kind}, kept at {powers} until {clock_text(terms.until_us, known.hub.timezone)}{', over' if over else ''}"
