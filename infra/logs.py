"""Logs: one event name and fields with units per line, on stderr.

INFO is lifecycle, WARNING degraded but safe, ERROR an operator must act; nothing per message.
"""

import logging
import sys
from typing import Final, TextIO, cast

import structlog

_LIBRARIES: Final = ("aiokafka", "kafka", "faust", "mode")
"""Client libraries log thousands of lines in a broker outage; they speak from ERROR up only, and in turns."""

QUIET_S: Final = 10.0
"""A library's lines within this time of its last one are only counted."""


class OneInAWhile(logging.Filter):
    """Lets one line per client library through in a while; the next one says how many were held back."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line may pass; `record.created` is its time."""
        library = record.name.partition(".")[0]
        if library not in _LIBRARIES:
            return True
        if record.created - self._last_s.get(library, float("-inf")) < QUIET_S:
            self._held[library] = self._held.get(library, 0) + 1
            return False
        self._last_s[library] = record.created
        if held := self._held.pop(library, 0):
            record.msg = f"{record.getMessage()} ({held} lines of {library} held back)"
            record.args = ()
        return True


class UnbrokenStream:
    """A line that cannot be written, for a full disk or a pipe that nobody reads any more, is counted and let go.

    It is worth less than what the process does: setpoints must not end with the log.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> int:
        """Write, preceded by how many lines were lost before; whether it worked shows in the next one."""
        said = f"{self._lost} lines could not be written\n{text}" if self._lost else text
        try:
            self._stream.write(said)
            self._stream.flush()
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing waits: each line is written through."""


def configure_logs(*, role: str, level: str = "INFO", as_json: bool = False) -> None:
    """Set up logging for one process; every line carries `role`."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", UnbrokenStream(sys.stderr))),
    )
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(OneInAWhile())
    logging.basicConfig(
        handlers=[handler], level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
