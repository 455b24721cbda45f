"""Reads a hub folder: `hub.toml`, `connections.csv`, `assets.csv`, perhaps `envelope.csv`. The way into everything that knows a park.

A folder is used whole or not at all; everything that is wrong with it is told at once.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hub.build import build_hub
from hub.csv_rows import read_csv
from hub.draft import Draft
from hub.errors import HubError, HubErrors
from hub.folder_checks import FOLDER_RULES
from hub.model import Hub
from hub.row_checks import (
    ASSET_RULES,
    CONNECTION_RULES,
    ENVELOPE_RULES,
    GRID_LOOP_RULES,
    LIMIT_RULES,
    MARGIN_RULES,
    TIMING_RULES,
    check_rows,
)
from hub.rows import Row
from hub.schema import ASSETS, CONNECTIONS, ENVELOPE
from hub.toml_rows import ParkRows, read_toml


def read_hub(folder: Path) -> Hub:
    """Read and check a hub folder.

    Raises:
        HubErrors: with every error found. Rules between files are checked only where all three could be read.
    """
    park, errors = read_toml(folder / "hub.toml")
    connections, connection_errors = read_csv(folder / "connections.csv", CONNECTIONS)
    assets, asset_errors = read_csv(folder / "assets.csv", ASSETS)
    envelope, envelope_errors = _read_envelope(folder)
    errors += [
        *connection_errors,
        *asset_errors,
        *envelope_errors,
        *_check_each_row(park, connections or (), assets or ()),
    ]
    errors += check_rows(envelope or (), ENVELOPE_RULES)
    if park is None or connections is None or assets is None or envelope is None:
        raise HubErrors(errors)
    draft = Draft(park=park, connections=connections, assets=assets, envelope=envelope)
    errors += chain.from_iterable(rule(draft) for rule in FOLDER_RULES)
    errors += _missing_profiles(folder, park)
    if errors:
        raise HubErrors(errors)
    return build_hub(draft)


def _read_envelope(folder: Path) -> tuple[tuple[Row, ...] | None, list[HubError]]:
    """Read `envelope.csv`; a park without one declares nothing."""
    path = folder / "envelope.csv"
    return read_csv(path, ENVELOPE) if path.exists() else ((), [])


def _check_each_row(park: ParkRows | None, connections: tuple[Row, ...], assets: tuple[Row, ...]) -> Iterator[HubError]:
    if park is not None:
        yield from check_rows([park.timing], TIMING_RULES)
        yield from check_rows([park.margin], MARGIN_RULES)
        yield from check_rows(park.grid_loops, GRID_LOOP_RULES)
        yield from check_rows(park.limits, LIMIT_RULES)
    yield from check_rows(connections, CONNECTION_RULES)
    yield from check_rows(assets, ASSET_RULES)


def _missing_profiles(folder: Path, park: ParkRows) -> Iterator[HubError]:
    if park.profiles is None:
        return
    for key, name in park.profiles.values.items():
        if not (folder / name).is_file():
            yield park.profiles.error(key, f"there is no file {name}", "write a path within the hub folder")
