"""The run that the crash proofs break off: where it lies, and what it must come to."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from job import checkpoint
from job.artifacts import read_record
from job.session import CHECKPOINTS
from warm import Attempt, Warm

# A checkpoint as often as the loop looks up; on the CPU, because CUDA does not survive a fork.
FLAGS: Final = (
    *("--epochs", "3", "--learning-rate", "0.02"),
    *("--checkpoint-every-seconds", "1e-6", "--device", "cpu"),
)
LEASE_SECONDS: Final = 5
# The proofs break off more attempts in a row than anybody would try.
PATIENT: Final = {
    "JOB_MAX_ATTEMPTS_WITHOUT_PROGRESS": "0",
    "JOB_LEASE_SECONDS": str(LEASE_SECONDS),
}
TIMED: Final = frozenset({"train_seconds", "images_per_second", "test_seconds"})
DEADLINE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Whole:
    """A run that nothing happened to: what it came to, and how long it took."""

    results: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class SmallRun:
    """A run over a small dataset into an output folder; what is `seen` there may be a mount."""

    warm: Warm
    data: Path
    output: Path

    @property
    def seen(self) -> Path:
        """The output folder as whoever looks from outside has it."""
        return self.warm.seen(self.output)

    def start(self, program: str = "job") -> Attempt:
        """Begin the next attempt."""
        folders = ("--data-dir", self.data, "--output-dir", self.output)
        return self.warm.start(program, "train", *folders, *FLAGS, environment=PATIENT)

    def finish(self) -> float:
        """An attempt with nothing in between; return its seconds."""
        started, attempt = time.monotonic(), self.start()
        ended = attempt.wait()
        assert ended.returncode == 0, attempt.log.read_text()
        return time.monotonic() - started

    def durable_step(self) -> int:
        """That of the newest checkpoint that is whole, 0 for none."""
        found = checkpoint.latest(self.seen / CHECKPOINTS)
        return 0 if found is None else found.step

    def await_checkpoint(self, attempt: Attempt) -> None:
        """Return once this attempt has made a step durable."""
        before = self.durable_step()
        await_that(lambda: self.durable_step() > before, attempt)

    def results(self) -> dict[str, Any]:
        """What must not depend on what happened on the way: weights, history, evaluation."""
        return results_in(self.seen)

    def require_whole(self) -> None:
        """If there is a record, then all that it names is there and is what it says."""
        record = read_record(self.seen)
        for name, artifact in ({} if record is None else record.artifacts).items():
            assert digest(self.seen / name) == artifact.sha256


def results_in(output: Path) -> dict[str, Any]:
    """See `SmallRun.results`."""
    record = read_record(output)
    assert record is not None
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return {
        "weights": digest(output / "model.safetensors"),
        "history": [{name: row[name] for name in row.keys() - TIMED} for row in rows],
        "evaluation": record.evaluation.model_dump(),
    }


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def await_that(is_so: Callable[[], bool], attempt: Attempt) -> None:
    """Return once it is so; fail with the log of the attempt if it does not become so."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, attempt.log.read_text()
        time.sleep(0.002)
