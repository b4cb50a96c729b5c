"""Signs of life for probes and people: where an attempt stands, written once a second.

Replaced atomically and never synced: a power cut makes it worthless anyway. What cannot be written
is left out, because a heartbeat is a courtesy and never the job's failure.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from job.activity import Activity, Phase
from job.files import TEMPORARY_SUFFIX
from job.process import Process, this_process
from job.reading import read_bounded
from job.stopwatch import Stopwatch

FILE: Final = "heartbeat.json"
BEAT_SECONDS: Final = 1.0
LIMIT_BYTES: Final = 2**16
# A volume that does not answer must not keep the process from ending.
LAST_BEAT_SECONDS: Final = 5.0


class Beat(BaseModel):
    """One sign of life."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    attempt: int
    phase: Phase
    step: int  # of the run, over all attempts
    idle_seconds: float  # since the last progress
    allowed_seconds: float | None  # of them, before it counts as stalled; None for any number
    seconds: float  # since the start of the process
    time: AwareDatetime
    uptime_seconds: float  # of the node, by the clock that never jumps
    process: Process

    @property
    def age(self) -> float:
        """Seconds since; on another node than the writer's they depend on both clocks."""
        if self.process.boot and self.process.boot == this_process().boot:
            return time.monotonic() - self.uptime_seconds
        return (datetime.now(UTC) - self.time).total_seconds()


class Heartbeat:
    """Writes a beat to each of `paths` once a second, from a thread; `with` begins and ends it."""

    def __init__(
        self,
        paths: Sequence[Path],
        attempt: int,
        activity: Activity,
        stopwatch: Stopwatch,
        keep: Callable[[], bool],
    ) -> None:
        """Call `keep` at every beat: it keeps the lease, and forbids the beat once that is lost."""
        self._paths, self._attempt, self._keep = paths, attempt, keep
        self._activity, self._stopwatch = activity, stopwatch
        self._process = this_process()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write a last beat, of the phase `ended`."""
        self._activity.enter("ended")
        self._ended.set()
        self._thread.join(LAST_BEAT_SECONDS)

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._beat()
        self._beat()

    def _beat(self) -> None:
        if self._keep():
            text = self._now().model_dump_json() + "\n"
            for path in self._paths:
                _replace(path, text)

    def _now(self) -> Beat:
        return Beat(
            attempt=self._attempt,
            phase=self._activity.phase,
            step=self._activity.step,
            idle_seconds=round(self._activity.idle_seconds, 3),
            allowed_seconds=self._activity.allowed_seconds,
            seconds=round(self._stopwatch.total, 3),
            time=datetime.now(UTC),
            uptime_seconds=time.monotonic(),
            process=self._process,
        )


def read(path: Path) -> Beat | None:
    """The beat at `path`; None for none that can be read."""
    try:
        return Beat.model_validate_json(read_bounded(path, LIMIT_BYTES))
    except (OSError, ValidationError):
        return None


def _replace(path: Path, text: str) -> None:
    temporary = path.parent / f".{path.name}{TEMPORARY_SUFFIX}"
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
        # Only as a new file: a pipe of this name would be waited for, and a link followed.
        with temporary.open("xb") as file:
            file.write(text.encode())
        temporary.replace(path)
