"""Configures structlog once: sentences on a terminal, one JSON object a line everywhere else."""

import logging
import sys
from typing import Final, Literal

import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

LEVELS: Final[dict[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Send the events of all modules to standard error; `auto` asks whether that is a terminal."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_renderers(log_format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=False,
    )


def is_console(log_format: LogFormat) -> bool:
    """Whether a person is to read the output, rather than a log collector."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def _renderers(log_format: LogFormat) -> list[Processor]:
    if is_console(log_format):
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]


class _StandardError:
    """Looks `sys.stderr` up at every line, because a progress bar swaps it while it is drawn."""

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    debug = info = warning = error = exception = msg
