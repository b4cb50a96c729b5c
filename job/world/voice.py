"""How a rank speaks: rank 0 as the settings say, the others only of trouble."""

import os

from job import logs
from job.logs import LEVELS, LogFormat, LogLevel
from job.world.placement import Placement


def speak_as(place: Placement, log_format: LogFormat, level: LogLevel) -> None:
    """Configure the log of this process; with several ranks, each line has the rank's number.

    Call it before torch is imported, whose warnings of a lost rank are stacks of C++, thirty lines
    each, and say less than `beats` does.
    """
    quiet = not place.is_main and LEVELS[level] < LEVELS["warning"]
    logs.configure(log_format, "warning" if quiet else level)
    if place.size > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        import structlog  # noqa: PLC0415  # as in `job.logs`

        structlog.contextvars.bind_contextvars(rank=place.rank)
