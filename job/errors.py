"""The `JobError` family: what was seen, what is allowed, the fix, the exit code.

The table of exit codes is here and nowhere else; docs, manifests and batch scripts are tested
against it. Numbers come from sysexits.h where it has a word, from the 80s where it has none.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final


class ExitCode(IntEnum):
    """How an attempt ended, as schedulers see it."""

    FINISHED = 0
    USAGE = 64
    DATA = 65
    UNFIT_NODE = 69
    BUG = 70
    OUTPUT = 73
    INTERRUPTED = 75
    SETTINGS = 78
    QUALITY = 80
    DIVERGED = 81
    STALLED = 82
    NO_PROGRESS = 83


@dataclass(frozen=True)
class Policy:
    """What an exit code means and what the schedulers are to do about it."""

    meaning: str
    kubernetes: str
    slurm: str


POLICIES: Final[dict[ExitCode, Policy]] = {
    ExitCode.FINISHED: Policy("finished; artifacts written and verified", "Complete", "done"),
    ExitCode.USAGE: Policy("unknown command or flag", "FailJob", "no requeue"),
    ExitCode.DATA: Policy("dataset missing or corrupt", "FailJob", "no requeue"),
    ExitCode.UNFIT_NODE: Policy(
        "a required GPU is missing or unfit (preflight)",
        "count, retry elsewhere",
        "requeue, bounded, node named",
    ),
    ExitCode.BUG: Policy("a bug: unexpected exception", "count", "no requeue"),
    ExitCode.OUTPUT: Policy(
        "output volume unusable: missing, read-only, full, held by another live run",
        "count",
        "no requeue",
    ),
    ExitCode.INTERRUPTED: Policy(
        "interrupted; a checkpoint is durable; run again to go on",
        "Ignore with DisruptionTarget, else count",
        "requeue, bounded",
    ),
    ExitCode.SETTINGS: Policy(
        "invalid settings, or a checkpoint that belongs to other settings",
        "FailJob",
        "no requeue",
    ),
    ExitCode.QUALITY: Policy("quality gate missed (`JOB_MIN_ACCURACY`)", "FailJob", "no requeue"),
    ExitCode.DIVERGED: Policy("training diverged: non-finite loss", "FailJob", "no requeue"),
    ExitCode.STALLED: Policy(
        "stalled: the watchdog saw no step in time; stacks are in the log",
        "count",
        "requeue, bounded",
    ),
    ExitCode.NO_PROGRESS: Policy(
        "no progress over several attempts: trying again is waste", "FailJob", "no requeue"
    ),
}


# No further attempt mends these; a scheduler that obeys makes none.
HOPELESS: Final = frozenset(code for code, each in POLICIES.items() if each.kubernetes == "FailJob")


class JobError(Exception):
    """An ending that a stranger can act on: what was seen, what is allowed, the fix.

    `unfit_node` is the node that has caused it, by the name that the scheduler has for it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(
        self,
        seen: str,
        *,
        allowed: str = "",
        fix: str = "",
        checkpoint: str = "",
        unfit_node: str = "",
    ) -> None:
        """Keep the parts apart, so that a log and a terminal can each show them their way."""
        super().__init__(seen)
        self.seen = seen
        self.allowed = allowed
        self.fix = fix
        self.checkpoint = checkpoint
        self.unfit_node = unfit_node

    def __str__(self) -> str:
        """All parts as lines, the empty ones left out."""
        parts = (("", self.seen), ("allowed: ", self.allowed), ("fix: ", self.fix))
        return "\n".join(label + text for label, text in parts if text)


def kind_of(code: ExitCode) -> type[JobError]:
    """The class of the errors that end with `code`; `JobError` itself for a bug."""
    return next((kind for kind in JobError.__subclasses__() if kind.exit_code == code), JobError)


class UsageError(JobError):
    """An unknown command or flag."""

    exit_code = ExitCode.USAGE


class DataError(JobError):
    """The dataset is missing or is not the one that was asked for."""

    exit_code = ExitCode.DATA


class UnfitNodeError(JobError):
    """The GPU that was asked for is missing or does not work."""

    exit_code = ExitCode.UNFIT_NODE


class OutputError(JobError):
    """The output volume cannot take the results."""

    exit_code = ExitCode.OUTPUT


class InterruptedRunError(JobError):
    """The run was asked to stop and can go on from a durable checkpoint."""

    exit_code = ExitCode.INTERRUPTED


class SettingsError(JobError):
    """The settings are invalid, or the output folder belongs to other settings."""

    exit_code = ExitCode.SETTINGS


class QualityError(JobError):
    """The model was trained and delivered, and misses `JOB_MIN_ACCURACY`."""

    exit_code = ExitCode.QUALITY


class DivergedError(JobError):
    """The loss is no longer a finite number."""

    exit_code = ExitCode.DIVERGED


class StalledError(JobError):
    """Nothing has moved for longer than it may."""

    exit_code = ExitCode.STALLED


class NoProgressError(JobError):
    """Several attempts in a row have made nothing durable."""

    exit_code = ExitCode.NO_PROGRESS
