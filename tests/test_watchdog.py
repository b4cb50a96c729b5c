"""Claims about `job.watchdog`."""

import threading
import time

import pytest

from job.activity import Activity
from job.errors import StalledError
from job.watchdog import Watchdog

LOOK = 0.01


def _activity(stall_seconds: float = 0.1) -> Activity:
    activity = Activity(stall_seconds)
    activity.enter("training")
    activity.advance(42)
    return activity


def _stalls(activity: Activity, seconds: float) -> list[StalledError]:
    """What the watchdog says while nothing happens for some seconds."""
    told: list[StalledError] = []
    with Watchdog(activity, told.append, LOOK):
        time.sleep(seconds)
    return told


def test_stall_is_told_once_with_every_stack(capfd: pytest.CaptureFixture[str]) -> None:
    """Where it was, for how long, and what each thread does."""
    waiting = threading.Event()
    thread = threading.Thread(target=_wait_for_what_never_comes, args=(waiting,))
    thread.start()
    (error,) = _stalls(_activity(), 1.0)
    waiting.set()
    thread.join()

    assert error.exit_code == 82
    assert error.seen == "no progress for 0.1 s in the phase training, at step 42"
    assert "JOB_STALL_SECONDS" in error.allowed
    stacks = capfd.readouterr().err
    assert "in _wait_for_what_never_comes" in stacks
    assert "in _stalls" in stacks


def test_steps_keep_it_quiet() -> None:
    """However long it goes on."""
    activity, told = _activity(0.2), list[StalledError]()
    with Watchdog(activity, told.append, LOOK):
        for step in range(20):
            time.sleep(0.03)
            activity.advance(step)

    assert told == []


def test_next_phase_keeps_it_quiet() -> None:
    """Each begins with all of its time."""
    activity, told = _activity(0.2), list[StalledError]()
    with Watchdog(activity, told.append, LOOK):
        for _ in range(10):
            time.sleep(0.03)
            activity.enter("evaluating")
            time.sleep(0.03)
            activity.enter("training")

    assert told == []


def test_without_a_limit_it_says_nothing() -> None:
    """JOB_STALL_SECONDS=0."""
    assert _stalls(_activity(0.0), 0.3) == []


def test_end_keeps_it_quiet() -> None:
    """A process that takes its time to leave is not stalled."""
    told: list[StalledError] = []
    with Watchdog(_activity(), told.append, LOOK):
        pass
    time.sleep(0.3)

    assert told == []


def test_suspended_process_is_not_blamed() -> None:
    """It counts its looks: time in which it could not look itself is no stall."""
    activity, told = _activity(5.0), list[StalledError]()
    activity.moved_at -= 1000.0  # as the clock has it after a long suspension

    with Watchdog(activity, told.append, LOOK):
        time.sleep(0.3)

    assert told == []


def _wait_for_what_never_comes(waiting: threading.Event) -> None:
    waiting.wait(60)
