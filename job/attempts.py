"""The ledger of attempts: one line each in `attempts.jsonl`, written before anything can go wrong.

An attempt whose line says nothing of an end was killed, or is running. What it could not say, the
next one enters: how far it came and how long it ran by its last heartbeat, where there is one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from job import files, heartbeat
from job.errors import HOPELESS, ExitCode, NoProgressError
from job.lease import Lease
from job.record import AttemptRecord
from job.stopwatch import Stopwatch

FILE: Final = "attempts.jsonl"
LIMIT_BYTES: Final = 2**24  # some ten thousand attempts
# Endings of a run that a further attempt does not carry on: it begins to count anew.
CONCLUSIONS: Final = HOPELESS | {ExitCode.FINISHED}


class Ledger:
    """The attempts at one output folder; the last of them is this process."""

    def __init__(
        self,
        path: Path | None,
        attempts: list[AttemptRecord],
        stopwatch: Stopwatch,
        lease: Lease,
    ) -> None:
        """Use `begin` instead."""
        self._path, self._stopwatch, self._lease = path, stopwatch, lease
        *self._earlier, self._current = attempts

    @classmethod
    def begin(
        cls,
        output_dir: Path,
        node: str,
        stopwatch: Stopwatch,
        *,
        durable_step: int | None = None,
        lease: Lease | None = None,
    ) -> "Ledger":
        """Enter a new attempt, durably, for the owner of the `lease`.

        `durable_step` is that of the newest checkpoint.
        """
        path = output_dir / FILE
        current = _new_attempt(node, stopwatch, durable_step)
        earlier = _read(path)
        if earlier:
            beat = heartbeat.read(output_dir / heartbeat.FILE)
            earlier[-1] = _completed(earlier[-1], beat, current)
        number = 1 + max((attempt.attempt for attempt in earlier), default=0)
        attempts = [*earlier, current.model_copy(update={"attempt": number})]
        ledger = cls(path, attempts, stopwatch, lease or Lease())
        ledger.note()
        return ledger

    @classmethod
    def unwritten(cls, node: str, stopwatch: Stopwatch) -> "Ledger":
        """Keep no ledger: rank 0 keeps that of the run."""
        return cls(None, [_new_attempt(node, stopwatch, None)], stopwatch, Lease())

    @property
    def attempts(self) -> list[AttemptRecord]:
        """All attempts, this one last."""
        return [*self._earlier, self._current]

    @property
    def number(self) -> int:
        """That of this attempt."""
        return self._current.attempt

    def note(self, **facts: Any) -> None:
        """Add facts to the line of this attempt, durably."""
        self._current = self._current.model_copy(update=facts)
        if self._path is not None:
            self._lease.require()
            files.write_json_lines(self._path, [each.model_dump() for each in self.attempts])

    def require_progress(self, limit: int) -> None:
        """Raise `NoProgressError` if the last `limit` attempts before this one came to nothing."""
        futile = without_progress(self._earlier)
        if 0 < limit <= len(futile):
            told = "; ".join(_in_words(attempt) for attempt in reversed(futile[:limit]))
            raise NoProgressError(
                f"{limit} attempts in a row have left no further step durable: {told}",
                allowed="JOB_MAX_ATTEMPTS_WITHOUT_PROGRESS, or 0 for any number",
                fix="mend what ended them, and run the same command again: it counts anew",
            )

    def resume(self, step: int) -> None:
        """Enter where this attempt goes on; one before a checkpoint that was torn loses more."""
        if self._earlier:
            self._earlier[-1] = _losing_down_to(step, self._earlier[-1])
        self.note(resumed_from_step=step)

    def end(
        self,
        code: ExitCode,
        reason: str,
        step: int | None,
        reached: int,
        unfit_node: str | None = None,
    ) -> None:
        """Enter how this attempt ended, the last durable step and the last step, durably."""
        reached = max(reached, step or 0)
        self.note(
            ended=reason,
            exit_code=int(code),
            unfit_node=unfit_node,
            step=step,
            reached_step=reached,
            lost_steps=reached - (step or 0),
            seconds=round(self._stopwatch.total, 3),
            seconds_known_by="itself",
        )


def without_progress(attempts: Sequence[AttemptRecord]) -> list[AttemptRecord]:
    """The newest attempts, newest first, up to one that made a step durable or ended the run.

    Those that were ended from outside before they had trained, by a stop or on a node that is
    unfit, are left out: they prove nothing.
    """
    streak = takewhile(_came_to_nothing, reversed(attempts))
    return [attempt for attempt in streak if not _is_excused(attempt)]


def _new_attempt(node: str, stopwatch: Stopwatch, durable_step: int | None) -> AttemptRecord:
    started = datetime.now(UTC) - timedelta(seconds=stopwatch.total)
    return AttemptRecord(
        attempt=1,
        node=node,
        started_at=started.isoformat(timespec="milliseconds"),
        found_step=durable_step,
    )


def _completed(
    killed: AttemptRecord, beat: heartbeat.Beat | None, following: AttemptRecord
) -> AttemptRecord:
    """The line of an attempt that said nothing of its end, with what others know of it."""
    if killed.exit_code is not None:
        return killed
    step = following.found_step
    facts: dict[str, Any] = {"step": step}
    if beat is not None and beat.attempt == killed.attempt:
        reached = max(beat.step, step or 0)
        facts |= {"reached_step": reached, "lost_steps": reached - (step or 0)}
        facts |= {"seconds": beat.seconds, "seconds_known_by": "heartbeat"}
    elif (seconds := _seconds_between(killed, following)) is not None:
        facts |= {"seconds": seconds, "seconds_known_by": "next start"}
    return killed.model_copy(update=facts)


def _seconds_between(killed: AttemptRecord, following: AttemptRecord) -> float | None:
    """None where the clock was set back, or a line was edited."""
    try:
        began, next_began = map(datetime.fromisoformat, (killed.started_at, following.started_at))
        seconds = round((next_began - began).total_seconds(), 3)
    except (ValueError, TypeError):
        return None
    return seconds if seconds >= 0 else None


def _losing_down_to(step: int, before: AttemptRecord) -> AttemptRecord:
    if before.reached_step is None:
        return before
    lost = max(before.reached_step - step, before.lost_steps or 0)
    return before.model_copy(update={"lost_steps": lost})


def _came_to_nothing(attempt: AttemptRecord) -> bool:
    began_at = attempt.resumed_from_step or attempt.found_step or 0
    return attempt.exit_code not in CONCLUSIONS and (attempt.step or 0) <= began_at


def _is_excused(attempt: AttemptRecord) -> bool:
    """Whether it ended because of something outside, before it had trained a step."""
    if attempt.exit_code == ExitCode.UNFIT_NODE:  # the next node may be a better one
        return True
    return attempt.exit_code == ExitCode.INTERRUPTED and not attempt.lost_steps


def _in_words(attempt: AttemptRecord) -> str:
    ended = attempt.ended or "killed"
    return f"attempt {attempt.attempt} on {attempt.node}, at step {attempt.step or 0}: {ended}"


def _read(path: Path) -> list[AttemptRecord]:
    data = files.read_bytes(path, LIMIT_BYTES) or b""
    lines = data.decode(errors="replace").splitlines()
    return [attempt for line in lines if (attempt := _parse(line)) is not None]


def _parse(line: str) -> AttemptRecord | None:
    try:
        return AttemptRecord.model_validate_json(line)
    except ValidationError:  # a ledger that was edited must not stop a training run
        return None
