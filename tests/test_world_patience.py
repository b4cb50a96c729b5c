"""Claims about `job.world.patience`."""

from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from job.errors import InterruptedRunError
from job.stop import StopFlag
from job.world import patience as module
from job.world.patience import Limits, Patience


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        """Start at some moment."""
        self.now = 100.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them pass; no clock is finer than a microsecond."""
        self.sleeps.append(seconds)
        self.now += max(seconds, 1e-6)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock that patience looks at."""
    clock = Clock()
    watched = SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setattr(module, "time", watched)
    yield clock
    assert max(clock.sleeps, default=0.0) <= module.LOOK_SECONDS + 1e-9  # a stop is seen soon


def wait_on(patience: Patience, awaited: str) -> None:
    """Try again until it ends."""
    while True:
        patience.wait(awaited)


def test_pauses_grow_up_to_a_bound(clock: Clock) -> None:
    """The first tries follow each other quickly, and no name server is asked all the time."""
    patience, ends = Patience(300.0, StopFlag()), [clock.now]
    for _ in range(8):
        patience.wait("rank 0")
        ends.append(clock.now)

    pauses = [round(after - before, 3) for before, after in pairwise(ends)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_patience_ends_and_says_for_what_it_was(clock: Clock) -> None:
    """The run can be started again, so this is no fault of the settings."""
    patience = Patience(40.0, StopFlag())
    with pytest.raises(InterruptedRunError) as caught:
        wait_on(patience, "the name gpu1 to be known")

    assert caught.value.seen == "waited 40 s in vain for the name gpu1 to be known"
    assert clock.now == pytest.approx(140.0, abs=0.2)


def test_name_that_is_unknown_for_half_a_minute_is_waited_for() -> None:
    """Kubernetes' DNS remembers for 30 s that a name was unknown; ten times that is the limit."""
    assert Limits().rendezvous >= 300.0


class LateStop(StopFlag):
    """A flag that is set at a moment of a clock."""

    def __init__(self, clock: Clock, at: float) -> None:
        """Not set yet."""
        super().__init__()
        self._clock, self._at = clock, at

    @property
    def reason(self) -> str | None:
        """A signal, from the moment on."""
        return "SIGTERM" if self._clock.now >= self._at else None


def test_stop_ends_a_pause_at_once(clock: Clock) -> None:
    """It is looked for many times a second, in the middle of a pause of two seconds, too."""
    patience = Patience(300.0, LateStop(clock, at=107.0))
    with pytest.raises(InterruptedRunError, match="SIGTERM while waiting for rank 0"):
        wait_on(patience, "rank 0")

    assert 107.0 <= clock.now < 107.2


def test_waiting_is_logged_now_and_then(clock: Clock) -> None:
    """Not at once, because ranks are never started at the same moment; then each ten seconds."""
    patience, events = Patience(300.0, StopFlag()), list[Any]()
    with capture_logs() as logged:
        while clock.now < 100.0 + 40.0:
            patience.wait("ranks 1, 3 of 4")
        events += logged

    seconds = [event["seconds"] for event in events]
    assert len(events) in (3, 4)
    assert 5 <= seconds[0] <= 8
    assert all(event["log_level"] == "warning" for event in events)
    assert {event["awaited"] for event in events} == {"ranks 1, 3 of 4"}


def test_limits_leave_room_for_each_other() -> None:
    """A suspicion is several beats long, silence longer, and an exchange may last much longer."""
    limits = Limits()

    assert 3 * limits.beat <= limits.suspicion < limits.silence < limits.collective
    assert 2 * limits.beat < limits.leave
