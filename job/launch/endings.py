"""How a rank ended, as the system tells it, becomes how the job ends."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from job.errors import ExitCode, InterruptedRunError, JobError

# What a process brings upon itself; the next attempt would, too.
FAULTS: Final = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSYS,
        signal.SIGTRAP,
    }
)
# How a rank ends that lost another one, or that the launcher has ended because of another one.
CONSEQUENCES: Final = (ExitCode.INTERRUPTED, -signal.SIGTERM, -signal.SIGKILL)


@dataclass(frozen=True)
class Ending:
    """The end of a rank; `status` is its exit code, or minus the number of a signal.

    `last_word` is what it would have left in the termination log.
    """

    rank: int
    status: int
    last_word: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.status >= 0:
            return f"rank {self.rank} ended with exit code {self.status}"
        return f"rank {self.rank} was ended by {self._signal_name}"

    @property
    def _signal_name(self) -> str:
        try:
            return signal.Signals(-self.status).name
        except ValueError:  # the real-time signals between the first and the last have no name
            return f"signal {-self.status}"

    def exit_code(self) -> ExitCode:
        """The job's exit code, if the rank ended with one of the table: it has told the reason.

        Raises the error that tells what no rank could: `JobError` (70) for SIGSEGV and its like
        and for a code that is not in the table, such as Python's own 1; `InterruptedRunError` (75)
        for all other signals, because whoever sent SIGKILL or SIGTERM, be it the kernel that was
        out of memory, may let the next attempt live.
        """
        if self.status in tuple(ExitCode):
            return ExitCode(self.status)
        if self.status >= 0:
            raise JobError(str(self), fix="the log of that rank tells where; please report it")
        if -self.status in FAULTS:
            raise JobError(str(self), fix="set PYTHONFAULTHANDLER=1 for a stack, and report it")
        raise InterruptedRunError(str(self), fix=self._remedy())

    def _remedy(self) -> str:
        go_on = "run the same command to go on"
        if -self.status == signal.SIGKILL:
            return f"if the kernel was out of memory (dmesg), ask for more; {go_on}"
        return go_on


def cause(failures: Sequence[Ending], *, stopped: bool) -> Ending | None:
    """The failure that brought about the others, in the order in which they came.

    It is the first, unless that rank had only lost another one, which took longer to end: 75
    without a stop is nobody's first.
    """
    first = next(iter(failures), None)
    if first is None or stopped or first.status != ExitCode.INTERRUPTED:
        return first
    return next((each for each in failures if each.status not in CONSEQUENCES), first)
