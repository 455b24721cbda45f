"""What a command needs to know before it starts: settings and the hub folder, or one clear line why not."""

import os
from pathlib import Path

from hub.errors import HubErrors
from hub.folder import read_hub
from hub.model import Hub
from infra.settings import Settings, SettingsError, load_settings
from lusbalans.failure import BAD_INPUT, NOT_FOUND, CommandFailedError


def want_settings(**overrides: str | int | None) -> Settings:
    """Read the settings; `overrides` from the command line win where not None.

    Raises:
        CommandFailedError: a setting cannot be used.
    """
    try:
        return load_settings(os.environ, **overrides)
    except SettingsError as error:
        raise CommandFailedError(str(error), BAD_INPUT) from error


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
