"""A stand-in for the job: launches itself as the job does, and does as each rank is told.

    python tests/launched_rank.py FOLDER PROCESSES [RANK=DEED ...]

Each rank leaves what it saw in FOLDER/rank-N.json. Without a deed it is to `finish`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]

from job import logs, termination  # noqa: E402  # the path above comes first
from job.errors import DataError, ExitCode, InterruptedRunError, JobError  # noqa: E402
from job.launch import run  # noqa: E402
from job.settings import Settings  # noqa: E402
from job.stop import StopFlag  # noqa: E402

LIMIT_SECONDS: Final = 30.0
TOLD: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Witness(StopFlag):
    """A flag that remembers every signal."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__()
        self.seen: list[str] = []

    def request(self, reason: str) -> None:
        """Remember it, and be set."""
        self.seen.append(reason)
        super().request(reason)


def finish(_: Witness) -> int:
    """All is well."""
    return ExitCode.FINISHED


def lack(_: Witness) -> int:
    """The dataset is missing."""
    return _end(DataError("nowhere"))


def lag(_: Witness) -> int:
    """The dataset is missing, and its end takes so long that the others' loss is seen first."""
    termination.report(DataError("nowhere"))
    time.sleep(0.5)
    return ExitCode.DATA


def lose(_: Witness) -> int:
    """Another rank is lost, which takes a moment to notice."""
    time.sleep(0.2)
    return _end(InterruptedRunError("another rank was lost"))


def crash(_: Witness) -> int:
    """As Python does where nothing catches an exception."""
    return 1


def fault(_: Witness) -> int:
    """Read where there is nothing."""
    return perish(signal.SIGSEGV)


def starve(_: Witness) -> int:
    """The kernel is out of memory."""
    return perish(signal.SIGKILL)


def stop(witness: Witness) -> int:
    """Train until it is asked to stop; save, which takes a moment in which signals come twice."""
    _sleep(lambda: witness.reason is not None)
    time.sleep(0.3)
    return _end(InterruptedRunError(f"stopped by {witness.reason}"))


def cling(witness: Witness) -> int:
    """Stuck where no signal is looked at."""
    _sleep(lambda: False)
    return len(witness.seen)


DEEDS: Final[dict[str, Callable[[Witness], int]]] = {
    each.__name__: each for each in (finish, lack, lag, lose, crash, fault, starve, stop, cling)
}


def perish(number: signal.Signals) -> int:
    """Be ended by it."""
    os.kill(os.getpid(), number)
    return ExitCode.BUG


def main() -> int:
    """Launch, or be the rank that was launched."""
    folder, processes, *deeds = sys.argv[1:]
    witness = Witness()
    witness.install()
    logs.configure("json", "info")
    try:
        ended = run(Settings(processes_per_node=int(processes)), witness, grace_seconds=1.0)
    except JobError as error:
        sys.stdout.write(json.dumps({"seen": error.seen, "fix": error.fix}))
        return error.exit_code
    if ended is not None:
        return ended
    return be_rank(Path(folder), witness, dict(deed.split("=") for deed in deeds))


def be_rank(folder: Path, witness: Witness, deeds: dict[str, str]) -> int:
    """Say what was seen, do the deed when all have begun, and say what was seen meanwhile."""
    rank = os.environ["RANK"]
    seen = {
        "pid": os.getpid(),
        "told": {name: os.environ[name] for name in TOLD},
        "threads": os.environ["OMP_NUM_THREADS"],
        "argv": sys.argv[1:],
        "utf8": sys.flags.utf8_mode,
    }
    report = folder / f"rank-{rank}.json"
    report.write_text(json.dumps(seen))
    _sleep(lambda: len(list(folder.glob("rank-*.json"))) == int(os.environ["WORLD_SIZE"]))
    code = DEEDS[deeds.get(rank, "finish")](witness)
    report.write_text(json.dumps(seen | {"signals": witness.seen}))
    return code


def _end(error: JobError) -> int:
    termination.report(error)
    return error.exit_code


def _sleep(is_over: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not is_over() and time.monotonic() < until:
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
