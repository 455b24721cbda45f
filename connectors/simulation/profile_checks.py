"""Whether a table of profiles can be the life of a hub: its columns, its times, its values. Pure.

Everything that is wrong is told at once, the first row of each kind of error per column.
"""

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from connectors.simulation.instants import as_utc
from connectors.simulation.powers import Powers
from connectors.simulation.profile_file import NO_INSTANT, TIME, Table
from connectors.simulator.arrays import Flags, Floats
from hub.errors import HubError, HubErrors
from hub.model import Asset, AssetKind, Connection, Hub
from hub.rows import unknown_name

_ABSURD_FACTOR: Final = 2.0
"""More than this times what a connection can carry was never measured: most likely it is in watts (R14)."""

_REFUSED_KINDS: Final = {
    AssetKind.BATTERY: ("is a battery, which follows its setpoints", "leave the column out"),
    AssetKind.GAS_METER: ("measures no power", "leave the column out"),
    AssetKind.WATER_METER: ("measures no power", "leave the column out"),
}


def check_profiles(table: Table, hub: Hub, *, with_sessions: Collection[str] = ()) -> Powers:
    """The powers of a file.

    Args:
        table: as read from the file.
        hub: whose connections and assets the columns are.
        with_sessions: chargers whose cars are told by sessions, which leaves no place for a column.

    Raises:
        HubErrors: with everything that is wrong.
    """
    errors = [*table.errors, *_columns(table, hub, with_sessions), *_times(table), *_values(table, hub)]
    if errors:
        raise HubErrors(errors)
    return Powers(
        names=table.names,
        start_us=int(table.at_us[0]),
        step_us=int(table.at_us[1] - table.at_us[0]),
        power_kw=table.power_kw,
    )


def cut(powers: Powers, *, file: str, from_us: int, until_us: int) -> Powers:
    """The powers of a period.

    Raises:
        HubErrors: they do not cover it.
    """
    if powers.start_us <= from_us and until_us <= powers.end_us:
        return powers.between(from_us, until_us)
    covered = f"the values cover {as_utc(powers.start_us)} to {as_utc(powers.end_us)}"
    remedy = f"ask for a period within that, not {as_utc(from_us)} to {as_utc(until_us)}"
    raise HubErrors([HubError(file, None, TIME, covered, remedy)])


def _columns(table: Table, hub: Hub, with_sessions: Collection[str]) -> Iterator[HubError]:
    kinds = {asset.id: asset.kind for asset in hub.assets}
    known = {connection.ean for connection in hub.connections} | kinds.keys()
    for name in dict.fromkeys(table.names):
        if name not in known:
            problem, remedy = unknown_name(name, sorted(known))
            yield HubError(table.file, 1, name, f"{problem} in hub {hub.id}", remedy[:200])
        elif table.names.count(name) > 1:
            yield HubError(table.file, 1, name, "the column is there twice", "remove one of them")
        elif name in with_sessions:
            yield HubError(
                table.file, 1, name, "the charger has sessions too", "keep either its sessions or its column"
            )
        elif (kind := kinds.get(name)) in _REFUSED_KINDS:
            yield HubError(table.file, 1, name, *_REFUSED_KINDS[kind])


def _times(table: Table) -> Iterator[HubError]:
    """What is wrong with the time axis; not looked at where a time could not be read."""
    if NO_INSTANT in table.at_us:
        return
    if len(table.at_us) < 2:
        yield HubError(table.file, None, TIME, "there are fewer than two rows", "write one row per step")
        return
    steps_us = np.diff(table.at_us)
    step_us = int(np.median(steps_us))
    for at in np.flatnonzero(steps_us != step_us)[:20].tolist():
        row, was, now = table.first_row + at + 1, as_utc(int(table.at_us[at])), as_utc(int(table.at_us[at + 1]))
        if steps_us[at] <= 0:
            yield HubError(table.file, row, TIME, f"{now} is not later than {was}", "sort the rows, each time once")
        elif steps_us[at] % step_us == 0:
            missing = int(steps_us[at]) // step_us - 1
            problem = f"there is a gap: {missing} rows are missing between {was} and {now}"
            yield HubError(table.file, row, TIME, problem, "fill them in; nothing is invented")
        else:
            problem = f"from {was} to {now} is not a step of {step_us / 1e6:g} s like the others"
            yield HubError(table.file, row, TIME, problem, "let all steps be equal")


def _values(table: Table, hub: Hub) -> Iterator[HubError]:
    points: dict[str, Connection | Asset] = {connection.ean: connection for connection in hub.connections}
    points |= {asset.id: asset for asset in hub.assets}
    told = {error.column for error in table.errors}
    for at, name in enumerate(table.names):
        power_kw, point = table.power_kw[:, at], points.get(name)
        if name not in told:
            yield from _first(table, at, ~np.isfinite(power_kw), "is not a finite number", "write a number")
        if point is not None:
            yield from _signs_and_sizes(table, at, power_kw, point)


def _signs_and_sizes(table: Table, at: int, power_kw: Floats, point: Connection | Asset) -> Iterator[HubError]:
    produces = point.kind is AssetKind.PV if isinstance(point, Asset) else point.contract_export_kw > 0
    consumes = not (isinstance(point, Asset) and produces)
    if not produces:
        remedy = "consumption is positive; production belongs in the column of the PV that makes it"
        yield from _first(table, at, power_kw < 0, "is negative, but nothing here can produce", remedy)
    if not consumes:
        remedy = "production is negative: change the sign of the column"
        yield from _first(table, at, power_kw > 0, "is positive, but PV takes no power", remedy)
    if isinstance(point, Asset):
        most_kw, said = 1.001 * max(-point.min_kw, point.max_kw), "the largest power that assets.csv states"
    else:
        most_kw, said = _ABSURD_FACTOR * point.capacity_kva, "twice what the connection carries"
    remedy = "mind the unit: powers are in kW"
    yield from _first(table, at, np.abs(power_kw) > most_kw, f"is beyond {most_kw:g} kW, {said}", remedy)


def _first(table: Table, at: int, wrong: Flags, problem: str, remedy: str) -> Iterator[HubError]:
    count = int(wrong.sum())
    if count:
        row = int(np.argmax(wrong))
        value = f"{table.power_kw[row, at]:g} {problem}"
        more = "" if count == 1 else f"; so are {count - 1} more of the column"
        yield HubError(table.file, table.first_row + row, table.names[at], f"{value}{more}", remedy)
