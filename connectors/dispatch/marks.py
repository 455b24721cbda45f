"""The high-water marks (epoch, sequence) of all grid loops, on disk, so that a restarted dispatch refuses what is old.

One small file, replaced atomically and fsynced *before* the frames it covers are acted upon. Writing ahead is what
makes R8 hold over a crash: no frame at or below one that was ever applied can be taken again, and no frame above it is
refused. Frames that arrive together share one write, so that it is a few per second of about 1 ms, whatever the number
of assets.
"""

import fcntl
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import msgspec

from connectors.dispatch.rules import Mark
from streams.messages import Epoch

FILE_NAME: Final = "dispatch-marks.json"


class MarksError(RuntimeError):
    """The marks cannot be had, and starting without them would accept what is old (R8); says file and remedy."""


class _Row(msgspec.Struct, frozen=True):
    epoch: Epoch
    sequence: int
    latched: bool = False


class _File(msgspec.Struct, frozen=True):
    saved_at_us: int
    """When a frame or revert was last taken; 0 for never."""
    grid_loops: dict[str, _Row]
    said: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class SavedMarks:
    """What the file said: marks per grid loop, when anything was last accepted (None: never), who was kept back."""

    marks: Mapping[str, Mark]
    saved_at_us: int | None
    latched: frozenset[str] = frozenset()
    """Grid loops that a revert still kept at their reversion values (R17)."""
    said: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Per grid loop, ids of the conditions that were said and not ended."""


def lowest_mark(incarnation: int) -> Mark:
    """Below every frame of this incarnation, above every frame of an earlier one (R8).

    >>> lowest_mark(2) > Mark(Epoch(1, 999, 999), 999)
    True
    """
    return Mark(Epoch(incarnation, -1, -1), -1)


class MarksFile:
    """The file of one hub in the data folder; as a context manager it keeps every other dispatch away from it (R8)."""

    def __init__(self, data_dir: Path, hub_id: str) -> None:
        self._path = data_dir / hub_id / FILE_NAME
        self._lock_fd: int | None = None
        self._file = _File(0, {})
        """As it was last read or written."""

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__()
            raise MarksError(
                f"{self._path}: another dispatch of this hub runs on this folder; stop it first"
            ) from error
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def read(self) -> SavedMarks:
        """Return what was saved; nothing where nothing ever was.

        Raises:
            MarksError: the file is there but cannot be read.
        """
        try:
            saved = self._file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return SavedMarks({}, None)
        except (OSError, msgspec.DecodeError) as error:
            raise MarksError(
                f"{self._path}: cannot be read ({error}); restore it, or delete it when no worker runs"
            ) from error
        marks = {grid_loop: Mark(row.epoch, row.sequence) for grid_loop, row in saved.grid_loops.items()}
        latched = frozenset(grid_loop for grid_loop, row in saved.grid_loops.items() if row.latched)
        said = {grid_loop: frozenset(ids) for grid_loop, ids in saved.said.items()}
        return SavedMarks(marks, saved.saved_at_us or None, latched, said)

    def save(self, marks: Mapping[str, Mark], *, now_us: int, latched: Collection[str] = ()) -> None:
        """Write all marks; when this returns they survive a loss of power.

        Raises:
            OSError: the disk is full or gone.
        """
        rows = {grid_loop: _Row(mark.epoch, mark.sequence, grid_loop in latched) for grid_loop, mark in marks.items()}
        self._write(_File(now_us, rows, self._file.said))

    def save_said(self, said: Mapping[str, Collection[str]]) -> None:
        """Write which conditions were said; when anything was last accepted stays as it is, for R12 goes by that.

        Raises:
            OSError: the disk is full or gone.
        """
        said_lists = {grid_loop: sorted(ids) for grid_loop, ids in said.items() if ids}
        if said_lists != self._file.said:
            self._write(msgspec.structs.replace(self._file, said=said_lists))

    def _write(self, file_now: _File) -> None:
        beside = self._path.with_suffix(".tmp")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(file_now))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._file = file_now
