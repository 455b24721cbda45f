"""Logs: one event name and fields with units per line, on stderr.

INFO is lifecycle, WARNING degraded but safe, ERROR an operator must act; nothing per message.
"""

import logging
import sys
from typing import Final

import structlog

_NOISY: Final = ("aiokafka", "kafka", "faust", "mode")
"""Client libraries log thousands of lines in a broker outage; they speak from ERROR up only."""


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
