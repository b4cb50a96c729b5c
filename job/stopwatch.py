"""Where the seconds of an attempt went, phase by phase."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Runs from its making on, which is the start of the process but for the interpreter's own."""

    def __init__(self) -> None:
        """Start."""
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time inside to the phase `name`."""
        entered = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self[name] + time.perf_counter() - entered

    def mark(self, name: str) -> None:
        """Let `name` be the time from the start to the first call with it."""
        self._seconds.setdefault(name, self.total)

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def __getitem__(self, name: str) -> float:
        return self._seconds.get(name, 0.0)
