"""What the commands on limits and on overrides have in common: options, exit codes, and how they reach the log.

Exit codes: 0 done or waiting for a second person, 1 not allowed or overtaken, 2 bad input, 3 not found, or no broker.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from lusbalans.failure import BAD_INPUT, FAILED, NOT_FOUND, CommandFailedError
from lusbalans.surroundings import account_name, want_hub, want_keyring, want_settings
from streams.two_people import Change, NotAllowed, NotThere, Pending, Person, Refusal, Unusable

if TYPE_CHECKING:
    from connectors.entry_commands import EntryCommands

_EXIT: Final = {Unusable: BAD_INPUT, NotThere: NOT_FOUND, NotAllowed: FAILED}
_Command = TypeVar("_Command", bound=Callable[..., Any])
_Commands = TypeVar("_Commands", bound="EntryCommands[Any]")
_E = TypeVar("_E")


def common_options(command: _Command) -> _Command:
    """Add `--hub`, `--bootstrap` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
        click.option("--bootstrap", metavar="HOST:PORT", help="The Kafka cluster; default: the settings."),
        click.option("--hub", "hub_dir", metavar="DIR", help="The hub folder; default: LUSBALANS_HUB_DIR."),
    ):
        command = option(command)
    return command


@contextmanager
def opened(kind: type[_Commands], hub_dir: str | None, bootstrap: str | None) -> Iterator[_Commands]:
    """Give the commands of the account that runs this process. Raises CommandFailedError."""
    from connectors.entry_commands import OvertakenError
    from connectors.entry_log import EntriesUnavailableError

    settings = want_settings(hub_dir=hub_dir, kafka_bootstrap=bootstrap)
    park, keyring = want_hub(settings.hub_dir), want_keyring(settings)
    try:
        with kind(settings.kafka_bootstrap, park, Person(account_name()), keyring) as commands:
            yield commands
    except EntriesUnavailableError as error:
        raise CommandFailedError(str(error), NOT_FOUND) from error
    except OvertakenError as error:
        raise CommandFailedError(str(error), FAILED) from error


def show(outcome: Change[_E] | Refusal, *, as_json: bool, lines: Callable[[_E], list[str]], confirm: str) -> None:
    """Print what became of a change; `lines` says what is known now, `confirm` by what a second person lets it hold."""
    if isinstance(outcome, Unusable | NotThere | NotAllowed):
        raise CommandFailedError(outcome.why, _EXIT[type(outcome)])
    pending = isinstance(outcome, Pending)
    if as_json:
        print_json({"outcome": "pending" if pending else "done", "entry": outcome.entry})
        return
    told = lines(outcome.entry)
    if pending:
        told.append(f"somebody else lets it hold by: {confirm}")
    click.echo("\n".join(told))


def print_json(value: object) -> None:
    """Print one document."""
    click.echo(msgspec.json.encode(value).decode())
