"""One `StopFlag`: SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and the stop file ask for the same thing.

A handler only sets the flag, because signals come in bursts and in the middle of anything; whoever
does the work looks at the flag when stopping is safe. Handlers go in before torch is imported:
PID 1 without a handler ignores SIGTERM, and importing torch takes seconds.
"""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
# A stat on a network volume costs up to a millisecond; ten a second are lost in the noise.
STOP_FILE_INTERVAL_SECONDS: Final = 0.1


class StopFlag:
    """Whether this attempt was asked to stop, and by what."""

    def __init__(self) -> None:
        """Start unset, with no handler installed and no file watched."""
        self._reason: str | None = None
        self._stop_file: Path | None = None
        self._next_look = 0.0

    def install(self) -> None:
        """Let the stop signals set this flag, in place of what they did before."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def watch(self, stop_file: Path | None) -> None:
        """Count the appearance of `stop_file` as a request, too."""
        self._stop_file = stop_file

    def request(self, reason: str) -> None:
        """Ask for a stop; the first reason is the one that is kept."""
        self._reason = self._reason or reason

    @property
    def reason(self) -> str | None:
        """What asked for the stop, or None while nothing has."""
        if self._reason is None and self._stop_file_appeared():
            self.request(f"stop file {self._stop_file}")
        return self._reason

    def _stop_file_appeared(self) -> bool:
        if self._stop_file is None or time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + STOP_FILE_INTERVAL_SECONDS
        return self._stop_file.exists()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.request(signal.Signals(number).name)
