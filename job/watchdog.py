"""Notices that the main thread no longer gets anywhere, and shows where every thread stands."""

import faulthandler
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from job.activity import Activity
from job.errors import StalledError

LOOK_SECONDS: Final = 1.0
STANDARD_ERROR: Final = 2  # the descriptor, which a progress bar does not swap

OnStall = Callable[[StalledError], None]


class Watchdog:
    """Looks once a second; `with` begins and ends it.

    It counts its own looks and asks no clock, so that a process that was suspended as a whole is
    not blamed for the time in which nothing could happen.
    """

    def __init__(
        self, activity: Activity, on_stall: OnStall, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Call `on_stall` from a thread of its own, once, after the stacks were written."""
        self._activity, self._on_stall, self._look_seconds = activity, on_stall, look_seconds
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()

    def _watch(self) -> None:
        seen, idle = self._activity.moved_at, 0.0
        while not self._ended.wait(self._look_seconds):
            moved_at, allowed = self._activity.moved_at, self._activity.allowed_seconds
            idle = idle + self._look_seconds if moved_at == seen else 0.0
            seen = moved_at
            if allowed is not None and idle >= allowed:
                self._bark(idle, allowed)
                return

    def _bark(self, idle: float, allowed: float) -> None:
        faulthandler.dump_traceback(STANDARD_ERROR, all_threads=True)
        self._on_stall(
            StalledError(
                f"no progress for {round(idle, 1):g} s in the phase {self._activity.phase}, "
                f"at step {self._activity.step}",
                allowed=f"{allowed:g} s in this phase, by JOB_STALL_SECONDS",
                fix="the stacks in the log tell where; run the same command to go on",
            )
        )
