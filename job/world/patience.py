"""How long ranks wait for each other, and what they say meanwhile."""

import time
from dataclasses import dataclass
from typing import Final

import structlog

from job.errors import InterruptedRunError
from job.stop import StopFlag

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.1
# Ranks that are started together are seldom further apart than importing torch takes.
QUIET_SECONDS: Final = 5.0
WORD_EVERY_SECONDS: Final = 10.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Limits:
    """Times in seconds, of a rank that waits for others.

    `rendezvous`: until all have met; the name of rank 0 may stay unknown for half a minute.
    `beat`: between two signs of life. `silence`: without one, until a rank counts as lost; loading
    a library may keep a rank from giving any. `suspicion`: the same, once a connection has broken.
    `farewell`: for the others to hear of a failure before all have met.
    `leave`: for a rank that hears of a loss to end by itself, before it is ended.
    `collective`: for one exchange, and rank 0 may write results meanwhile.
    """

    rendezvous: float = 300.0
    beat: float = 1.0
    silence: float = 20.0
    suspicion: float = 3.0
    farewell: float = 30.0
    leave: float = 5.0
    collective: float = 1800.0


class Patience:
    """Waits between two tries, longer each time, until it is used up or a stop is asked for."""

    def __init__(self, seconds: float, stop: StopFlag) -> None:
        """Begin to wait, for `seconds` in all."""
        self._seconds = seconds
        self._stop = stop
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE_SECONDS
        self._next_word = QUIET_SECONDS

    @property
    def waited(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def wait(self, awaited: str) -> None:
        """Pause after a try that failed; `awaited` says for what.

        Raises `InterruptedRunError` if the time is used up or a stop is asked for.
        """
        self._say(awaited)
        until = self.waited + self._pause
        while (left := until - self.waited) > 0:
            self._require_more(awaited)
            time.sleep(min(left, LOOK_SECONDS))
        self._require_more(awaited)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _say(self, awaited: str) -> None:
        if self.waited >= self._next_word:
            log.warning("waiting", awaited=awaited, seconds=round(self.waited))
            self._next_word = self.waited + WORD_EVERY_SECONDS

    def _require_more(self, awaited: str) -> None:
        if (reason := self._stop.reason) is not None:
            raise InterruptedRunError(
                f"stopped by {reason} while waiting for {awaited}",
                fix="run the same command to go on",
            )
        if self.waited >= self._seconds:
            raise InterruptedRunError(
                f"waited {self.waited:.0f} s in vain for {awaited}",
                fix="see why the other ranks did not start, and run the same command again",
            )
