"""Measured profiles a simulated park lives on: a year of load and PV shapes, and real charging sessions.

Reads the files that `hub.toml [profiles]` names. Shapes are power over time without a size: the size comes from the
hub (yearly use of a connection, kWp of a roof). Nothing here invents a value: what the files do not hold is an error.
"""

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hub.model import Connection, Hub

Floats = npt.NDArray[np.float64]

_HOUR_US = 3_600_000_000


class ProfileError(ValueError):
    """A profile file that cannot be used; one line with the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Session:
    """One car at one charger: how long it stood there and how much it took."""

    arrival_us: int
    departure_us: int
    energy_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profiles:
    """Shapes on one time axis: value i is the mean over `[start_us + i * step_us, start_us + (i + 1) * step_us)`."""

    start_us: int
    """Instant of the first value, UTC."""
    step_us: int
    load: Mapping[str, Floats]
    """Name of a shape to its values [n], dimensionless with mean 1."""
    pv: Mapping[str, Floats]
    """Name of a shape to its values [n], kW produced per kWp (>= 0: a shape, not a power in load convention)."""
    sectors: Mapping[str, str]
    """Sector of a connection to the name of its load shape."""
    sessions: tuple[Session, ...]
    """In order of arrival."""

    @property
    def count(self) -> int:
        """Number of steps n."""
        return len(next(iter(self.load.values())))

    @property
    def pv_names(self) -> tuple[str, ...]:
        """Names of the PV shapes, in file order."""
        return tuple(self.pv)

    def load_ratio(self, name: str) -> Floats:
        """Load over its yearly mean [n], by the name of a shape or of a sector.

        Raises:
            ProfileError: neither a shape nor a sector is called so.
        """
        shape = self.load.get(self.sectors.get(name, name))
        if shape is None:
            raise ProfileError(f"no load profile {name!r}: there are {', '.join(self.load)}")
        return shape

    def pv_kw_per_kwp(self, name: str) -> Floats:
        """Return the power a roof of 1 kWp could produce [n], >= 0.

        Raises:
            ProfileError: no shape is called so.
        """
        shape = self.pv.get(name)
        if shape is None:
            raise ProfileError(f"no PV profile {name!r}: there are {', '.join(self.pv)}")
        return shape

    def load_kw(self, connection: Connection) -> Floats:
        """Load of a connection without its assets [n], kW >= 0; zero where its yearly use is not known."""
        if connection.yearly_use_kwh is None:
            return np.zeros(self.count)
        year_h = self.count * self.step_us / _HOUR_US
        return self.load_ratio(connection.sector) * (connection.yearly_use_kwh / year_h)

    def index(self, at_us: int) -> int:
        """Which step holds an instant; the year repeats before its start and after its end."""
        return (at_us - self.start_us) // self.step_us % self.count


def read_profiles(folder: Path, hub: Hub) -> Profiles:
    """Read the profiles of a hub from its folder.

    Raises:
        ProfileError: the hub names none, a file is missing or not what it should be, or a sector has no shape.
    """
    files = hub.profiles
    if files is None:
        raise ProfileError(f"{folder / 'hub.toml'}: no [profiles]; a park without them cannot be simulated")
    load_axis_us, load = _read_shapes(folder / files.load)
    pv_axis_us, pv = _read_shapes(folder / files.pv)
    if not np.array_equal(load_axis_us, pv_axis_us):
        raise ProfileError(f"{folder / files.pv}: times differ from those of {files.load}")
    for sector, name in files.sectors.items():
        if name not in load:
            raise ProfileError(f"{folder / files.load}: no column {name!r}, which sector {sector!r} uses")
    return Profiles(
        start_us=int(load_axis_us[0]),
        step_us=int(load_axis_us[1] - load_axis_us[0]),
        load=load,
        pv=pv,
        sectors=files.sectors,
        sessions=_read_sessions(folder / files.sessions),
    )


def _read_shapes(path: Path) -> tuple[npt.NDArray[np.int64], dict[str, Floats]]:
    """Time axis [n] and the columns [n] of a file whose first column is `time_utc`."""
    rows = _read_rows(path)
    names = rows[0]
    if names[0] != "time_utc" or len(names) < 2 or len(rows) < 3:
        raise ProfileError(f"{path}: wants a column time_utc, then one column per shape, and two rows or more")
    try:
        axis_us = np.array([_instant_us(row[0]) for row in rows[1:]], dtype=np.int64)
        values = np.array([row[1:] for row in rows[1:]], dtype=np.float64)
    except ValueError as error:
        raise ProfileError(f"{path}: {error}") from error
    if np.any(np.diff(axis_us) != axis_us[1] - axis_us[0]) or axis_us[1] <= axis_us[0]:
        raise ProfileError(f"{path}: the times are not evenly spaced and increasing")
    if not np.all(values >= 0) or not np.all(np.isfinite(values)):
        raise ProfileError(f"{path}: a value is negative or not a number")
    return axis_us, {name: np.ascontiguousarray(values[:, at]) for at, name in enumerate(names[1:])}


def _read_sessions(path: Path) -> tuple[Session, ...]:
    rows = _read_rows(path)
    if rows[0] != ["arrival_utc", "departure_utc", "energy_kwh"]:
        raise ProfileError(f"{path}: wants the columns arrival_utc, departure_utc, energy_kwh")
    try:
        sessions = [Session(_instant_us(row[0]), _instant_us(row[1]), float(row[2])) for row in rows[1:]]
    except (ValueError, IndexError) as error:
        raise ProfileError(f"{path}: {error}") from error
    for session in sessions:
        if not (session.departure_us > session.arrival_us and session.energy_kwh > 0):
            raise ProfileError(f"{path}: a session that ends before it begins, or takes no energy: {session}")
    return tuple(sorted(sessions, key=lambda session: (session.arrival_us, session.departure_us)))


def _read_rows(path: Path) -> list[list[str]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: cannot be read: {error}") from error
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise ProfileError(f"{path}: is empty")
    return rows


def _instant_us(text: str) -> int:
    """Microseconds since the epoch of an ISO 8601 instant that says its offset (`2016-01-01T00:00Z`)."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} does not say that it is UTC (end it with Z)")
    return round(instant.timestamp()) * 1_000_000
