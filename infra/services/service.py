"""The life of an embedded service: owned folder, recovered folder, running child, and back.

The order matters and is the same for every service: lock first, because what an earlier run left may only be ended by
the one that owns the folder now.
"""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from infra.services.folder import FolderLock, require_space
from infra.services.process import ChildProcess, Progress

STOP_TIMEOUT_S = 15.0


class EmbeddedService(ABC):
    """A server of this machine whose data are in `folder`; a context manager that stops it at the end.

    All methods block; one thread at a time. `kill` and `start` again is what a crash looks like: the folder stays
    ours, the port stays the same.
    """

    needed_mib: int  # free space below which a start is refused

    def __init__(self, folder: Path, *, on_progress: Progress) -> None:
        self.folder = folder.resolve()
        self._on_progress = on_progress
        self._lock: FolderLock | None = None
        self._child: ChildProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the server's process is alive now."""
        return self._child is not None and self._child.exit_code is None

    @property
    def pid(self) -> int:
        """The server's process id; only of a service that was started."""
        if self._child is None:
            raise RuntimeError(f"{type(self).__name__} is not started")
        return self._child.pid

    def start(self) -> Self:
        """Returns when the server answers; nothing to do if it is running.

        Raises:
            ServiceError: with the fault and its remedy; nothing is left running or locked then.
        """
        if self.running:
            return self
        with ExitStack() as undo:
            undo.callback(self.stop)
            if self._lock is None:
                self._lock = FolderLock(self.folder)
            require_space(self.folder, self.needed_mib)
            self._recover()
            self._launch()
            undo.pop_all()
        return self

    def stop(self) -> None:
        """Ends the server in good order, bounded by STOP_TIMEOUT_S, and gives the folder up."""
        if self._child is not None:
            self._child.stop(timeout_s=STOP_TIMEOUT_S)
            self._settle()
        self._child = None
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL); the folder stays ours."""
        if self._child is not None:
            self._child.kill()
            self._settle()

    def restart(self) -> Self:
        """Stops the server if it runs and starts it again on the same folder and port."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @abstractmethod
    def _recover(self) -> None:
        """Ends what an earlier run left in the folder."""

    @abstractmethod
    def _launch(self) -> None:
        """Makes the data if there are none, sets `_child`, and returns when it is ready."""

    @abstractmethod
    def _settle(self) -> None:
        """Waits for what outlives the server's main process."""
