"""The ledger of attempts: one line each in `attempts.jsonl`, written before anything can go wrong.

An attempt whose line says nothing of an end was killed, or is running.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from job import files
from job.errors import ExitCode
from job.record import AttemptRecord

FILE: Final = "attempts.jsonl"


class Ledger:
    """The attempts at one output folder; the last of them is this process."""

    def __init__(
        self, path: Path | None, earlier: list[AttemptRecord], current: AttemptRecord
    ) -> None:
        """Use `begin` instead."""
        self._path = path
        self._earlier = earlier
        self._current = current
        self._started = time.monotonic()

    @classmethod
    def begin(cls, output_dir: Path, node: str) -> "Ledger":
        """Enter a new attempt, durably."""
        path = output_dir / FILE
        earlier = _read(path)
        number = 1 + max((attempt.attempt for attempt in earlier), default=0)
        ledger = cls(path, earlier, AttemptRecord(attempt=number, node=node, started_at=_now()))
        ledger.note()
        return ledger

    @classmethod
    def unwritten(cls, node: str) -> "Ledger":
        """Keep no ledger: rank 0 keeps that of the run."""
        return cls(None, [], AttemptRecord(attempt=1, node=node, started_at=_now()))

    @property
    def attempts(self) -> list[AttemptRecord]:
        """All attempts, this one last."""
        return [*self._earlier, self._current]

    def note(self, **facts: Any) -> None:
        """Add facts to the line of this attempt, durably."""
        self._current = self._current.model_copy(update=facts)
        if self._path is not None:
            files.write_json_lines(self._path, [each.model_dump() for each in self.attempts])

    def end(self, code: ExitCode, reason: str, step: int | None) -> None:
        """Enter how this attempt ended, and the last durable step, durably."""
        seconds = round(time.monotonic() - self._started, 3)
        self.note(ended=reason, exit_code=int(code), step=step, seconds=seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(path: Path) -> list[AttemptRecord]:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [attempt for line in lines if (attempt := _parse(line)) is not None]


def _parse(line: str) -> AttemptRecord | None:
    try:
        return AttemptRecord.model_validate_json(line)
    except ValidationError:  # a ledger that was edited must not stop a training run
        return None
