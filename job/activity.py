"""What this attempt is doing right now: set by the main thread, read by those who watch it."""

import time
from typing import Final, Literal

Phase = Literal[
    "starting", "preflight", "meeting", "data", "training", "evaluating", "delivering", "ended"
]

# How many times JOB_STALL_SECONDS a phase may go on without a sign of progress.
PATIENCE: Final[dict[Phase, float | None]] = {
    "starting": 1.0,
    "preflight": 1.0,
    "meeting": None,  # `world` has limits of its own for ranks that wait for each other
    "data": 12.0,  # an hour by default: fetching over a slow network may be long
    "training": 1.0,
    "evaluating": 1.0,
    "delivering": 6.0,  # other ranks wait for rank 0 meanwhile
    "ended": None,
}


class Activity:
    """The phase, the step, and the moment of the last progress."""

    def __init__(self, stall_seconds: float) -> None:
        """Start; with 0 `stall_seconds` every phase may take for ever."""
        self._stall_seconds = stall_seconds
        self.phase: Phase = "starting"
        self.step = 0
        self.moved_at = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Go over to `phase`."""
        self.phase = phase
        self.moved_at = time.monotonic()

    def advance(self, step: int) -> None:
        """Note progress, at `step` of the run; cheap enough to be called at every step."""
        self.step = step
        self.moved_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last progress."""
        return time.monotonic() - self.moved_at

    @property
    def allowed_seconds(self) -> float | None:
        """As many of them as are no stall in this phase; None for any number."""
        patience = PATIENCE[self.phase]
        return patience * self._stall_seconds if patience and self._stall_seconds else None
