"""argv → command → exit code; the stop signals are caught before anything slow is imported."""

import contextlib
import os
import sys

from job import logs
from job.stop import StopFlag
from job.stopwatch import Stopwatch


def main() -> int:
    """Run the command of `sys.argv`, `train` if it names none, and return its exit code."""
    stopwatch, stop = Stopwatch(), StopFlag()
    named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
    name, flags = (sys.argv[1], sys.argv[2:]) if named else ("train", sys.argv[1:])
    if name in ("train", "sweep"):  # the other commands end at once, as programs do
        stop.install()
    from job.commands import execute  # noqa: PLC0415  # pydantic takes a third of a second

    return execute(name, flags, stop, stopwatch)


def leave(code: int) -> None:
    """End the process at once: all is durable, and unloading torch takes most of a second."""
    with contextlib.suppress(OSError):  # whoever reads it has seen enough, or was told
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def start() -> None:
    """Be the program, in a process of its own."""
    logs.outlive_readers()
    leave(main())


if __name__ == "__main__":
    start()
