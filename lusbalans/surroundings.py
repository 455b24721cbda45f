"""What a command needs to know before it starts: settings and the hub folder, or one clear line why not."""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hub.envelope import refused, undeclared
from hub.errors import HubErrors
from hub.folder import read_hub
from hub.model import Hub
from hub.tree import build_tree
from infra.settings import Settings, SettingsError, load_settings
from lusbalans.envelope_report import undeclared_line
from lusbalans.failure import BAD_INPUT, NOT_FOUND, CommandFailedError
from lusbalans.margin_report import local_day
from streams.signature import Keyring, KeyringError, read_keyring

MOST_TOLD: Final = 10
"""Limits of a park that is not proven safe, of which each has its line; `lusbalans hub check` has them all."""


def want_settings(**overrides: str | int | None) -> Settings:
    """Read the settings; `overrides` from the command line win where not None.

    Raises:
        CommandFailedError: a setting cannot be used.
    """
    try:
        return load_settings(os.environ, **overrides)
    except SettingsError as error:
        raise CommandFailedError(str(error), BAD_INPUT) from error


def want_keyring(settings: Settings) -> Keyring:
    """Read the keys that sign and verify.

    Raises:
        CommandFailedError: a key cannot be used.
    """
    try:
        return read_keyring(settings.signing_keys)
    except KeyringError as error:
        raise CommandFailedError(f"LUSBALANS_SIGNING_KEYS: {error}", BAD_INPUT) from error


def account_name() -> str:
    """The account that runs this process: not what a variable says, but no proof of a person either."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def want_hub(folder: str) -> Hub:
    """Read the hub folder.

    Raises:
        CommandFailedError: none is named, it is not there, or it has errors (all are told).
    """
    if not folder:
        raise CommandFailedError("no hub folder: give --hub or set LUSBALANS_HUB_DIR", BAD_INPUT)
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise CommandFailedError(f"{path}: no such folder; `lusbalans hub init {path}` makes one", NOT_FOUND)
    try:
        return read_hub(path)
    except HubErrors as error:
        raise CommandFailedError(str(error), BAD_INPUT) from error


def want_parks(folder: str) -> tuple[str, tuple[Hub, ...]]:
    """Read one hub folder, or a folder of hub folders; returns the consumer group of its workers, and the hubs.

    The group is named after the hub, or after the folder of hubs: adding a park leaves it as it is.

    Raises:
        CommandFailedError: as `want_hub`, with the errors of all parks by their folders, or two are the same hub.
    """
    path = Path(folder).expanduser().resolve() if folder else None
    below = [] if path is None or not path.is_dir() or _is_hub(path) else sorted(filter(_is_hub, path.iterdir()))
    if path is None or not below:
        hub = want_hub(folder)
        return f"lusbalans-{hub.id}", (hub,)
    hubs, errors = [], []
    for each in below:
        try:
            hubs.append(want_hub(str(each)))
        except CommandFailedError as error:
            errors += [f"{each.name}: {line}" for line in str(error).splitlines()]
    if errors:
        raise CommandFailedError("\n".join(errors), BAD_INPUT)
    by_id = {hub.id: each.name for hub, each in zip(hubs, below, strict=True)}
    for hub, each in zip(hubs, below, strict=True):
        if by_id[hub.id] != each.name:
            raise CommandFailedError(f"{path}: {each.name} and {by_id[hub.id]} are both the hub {hub.id}", BAD_INPUT)
    return f"lusbalans-parks-{path.name}", tuple(hubs)


def want_proven(hubs: Iterable[Hub]) -> None:
    """Refuse to steer a park that is not safe with every computer off (R4).

    Raises:
        CommandFailedError: with node, kW and remedy of each limit that would be exceeded and that nobody answers for.
    """
    lines: list[str] = []
    for hub in hubs:
        if found := refused(hub, local_day(hub)):
            eans = undeclared(hub, build_tree(hub))
            lines += [f"{hub.id}: {undeclared_line(eans)}"] if eans else []
            lines += [f"{hub.id}: {excess}" for excess in found]
    if lines:
        more = [f"and {len(lines) - MOST_TOLD} more: `lusbalans hub check` tells all"] if len(lines) > MOST_TOLD else []
        raise CommandFailedError("\n".join([*lines[:MOST_TOLD], *more]), BAD_INPUT)


def _is_hub(folder: Path) -> bool:
    return (folder / "hub.toml").is_file()
