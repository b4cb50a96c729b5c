"""Claims about `job.stopwatch`."""

import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from job import stopwatch
from job.stopwatch import Stopwatch


class Clock(SimpleNamespace):
    """Stands where the test puts it."""

    now = 100.0

    def perf_counter(self) -> float:
        """Seconds, from anywhere."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that stopwatches read."""
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def test_phase_takes_the_seconds_inside(clock: Clock) -> None:
    """Entered twice, it adds; time between belongs to none."""
    watch = Stopwatch()
    for seconds in (2.0, 3.0):
        with watch.phase("data"):
            clock.now += seconds
        clock.now += 10.0

    assert watch["data"] == 5.0
    assert watch.total == 25.0


def test_phase_that_fails_counts(clock: Clock) -> None:
    """The seconds before an error were spent all the same."""
    watch = Stopwatch()
    with suppress(KeyError), watch.phase("data"):
        clock.now += 4.0
        raise KeyError

    assert watch["data"] == 4.0


def test_phases_may_lie_in_each_other(clock: Clock) -> None:
    """The outer one has the seconds of the inner one, too."""
    watch = Stopwatch()
    with watch.phase("outer"):
        clock.now += 1.0
        with watch.phase("inner"):
            clock.now += 2.0

    assert (watch["outer"], watch["inner"]) == (3.0, 2.0)


def test_first_mark_counts(clock: Clock) -> None:
    """It is the time from the start; later ones change nothing."""
    watch = Stopwatch()
    for _ in range(3):
        clock.now += 1.5
        watch.mark("first_step")

    assert watch["first_step"] == 1.5


def test_phase_that_never_was_took_no_time() -> None:
    """A record of an attempt that skipped a phase says 0."""
    assert Stopwatch()["training"] == 0.0


def test_real_seconds_are_measured() -> None:
    """A phase of 20 ms takes 20 ms, and the total is no less."""
    watch = Stopwatch()
    with watch.phase("sleep"):
        time.sleep(0.02)

    assert 0.02 <= watch["sleep"] <= watch.total < 20
