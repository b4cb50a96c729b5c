"""Configures structlog once: sentences on a terminal, one JSON object a line everywhere else.

structlog is imported when it is configured and not before: it takes a tenth of a second, which
`explain` need not wait for.
"""

# ruff: noqa: PLC0415  # see above

import contextlib
import io
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from job.errors import OutputError

if TYPE_CHECKING:
    from structlog.typing import Processor

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

LEVELS: Final[dict[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _Unheard(io.FileIO):
    """A stream that loses what nobody takes: its reader is gone, its disk is full."""

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            if (written := super().write(data)) is not None:  # it is where waiting was forbidden
                return written
        return memoryview(data).nbytes


def outlive_readers() -> None:
    """Let a log that cannot be written cost words, and no training; call it before all else."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            os.fstat(descriptor)
            continue
        # Else the next file to be opened would be the log's.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    unheard = io.BufferedWriter(_Unheard(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(unheard, errors="backslashreplace", line_buffering=True)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # it is one


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Send the events of all modules to standard error; `auto` asks whether that is a terminal."""
    import structlog

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
    _adopt_libraries()


def answer(text: str) -> None:
    """Write what a command was asked for to standard output; nobody has to read to its end.

    Raises `OutputError` if it is a file and cannot be written.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise OutputError(
            f"cannot write standard output: {error.strerror}",
            fix="free some space, or let the output go elsewhere",
        ) from error


def is_console(log_format: LogFormat) -> bool:
    """Whether a person is to read the log, rather than a collector."""
    return is_for_people(log_format, sys.stderr)


def is_for_people(log_format: LogFormat, stream: TextIO) -> bool:
    """Whether what is written to `stream` is to be read by people; `auto` asks the terminal."""
    return log_format == "console" or (log_format == "auto" and stream.isatty())


def speaks_to_people() -> bool:
    """Whether logging was configured to write sentences rather than JSON."""
    import structlog

    return isinstance(structlog.get_config()["processors"][-1], structlog.dev.ConsoleRenderer)


def _adopt_libraries() -> None:
    """Let warnings and what libraries log come out in the same format as everything else."""
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, _Forwarder):
            return
    root.addHandler(_Forwarder(logging.WARNING))


class _Forwarder(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        import structlog

        event = record.getMessage().strip()
        structlog.get_logger().log(record.levelno, event, logger=record.name)


def _renderers(log_format: LogFormat) -> "list[Processor]":
    import structlog

    if is_console(log_format):
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    # What variables hold is nobody's business, and a tensor on a broken GPU cannot be shown.
    stacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(stacks),
        structlog.processors.JSONRenderer(),
    ]


class _StandardError:
    """Looks `sys.stderr` up at every line, because a progress bar swaps it while it is drawn."""

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    debug = info = warning = error = exception = msg
