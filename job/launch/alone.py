"""One run as a process of its own, for commands that start several, one after another."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from job.errors import ExitCode, JobError
from job.launch.crew import Crew
from job.launch.endings import Ending
from job.launch.launcher import GRACE_SECONDS
from job.stop import StopFlag

STANDARD_ERROR: Final = 2


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `last_word` is what it would have left in the termination log."""

    code: ExitCode
    last_word: str = ""
    reason: str = ""


def run_alone(
    command: Sequence[str],
    stop: StopFlag,
    *,
    log: Path | None = None,
    watch: Callable[[], None] | None = None,
) -> Outcome:
    """Run `command` to its end; a stop is passed on to it, once.

    What it prints goes to the end of the file `log`, or to standard error. `watch` is called some
    fifty times a second meanwhile.
    """
    if log is None:  # an answer on standard output is the caller's own
        return _run(command, stop, STANDARD_ERROR, watch)
    with log.open("ab") as file:
        return _run(command, stop, file.fileno(), watch)


def this_program(*flags: str) -> list[str]:
    """The command line of this process with `flags` at its end, where they beat all others."""
    return [sys.executable, *sys.orig_argv[1:], *flags]


def _run(
    command: Sequence[str],
    stop: StopFlag,
    output: int,
    watch: Callable[[], None] | None,
) -> Outcome:
    crew = Crew(command, {0: os.environ}, GRACE_SECONDS, output=output)
    failure = crew.attend(stop, watch)
    return Outcome(ExitCode.FINISHED) if failure is None else _outcome(failure)


def _outcome(failure: Ending) -> Outcome:
    try:
        return Outcome(failure.exit_code(), failure.last_word)
    except JobError as error:  # it could not tell; the system has
        return Outcome(error.exit_code, failure.last_word, str(error))
