"""Claims about `job.activity`."""

import time
from typing import get_args

import pytest

from job.activity import PATIENCE, Activity, Phase


def test_every_phase_has_its_patience() -> None:
    """None is forgotten when a phase is added."""
    assert set(PATIENCE) == set(get_args(Phase))


def test_progress_is_a_step_or_another_phase() -> None:
    """Either one sets the idle time back."""
    activity = Activity(300.0)
    time.sleep(0.02)
    assert activity.idle_seconds >= 0.02

    activity.advance(7)
    assert (activity.step, activity.phase) == (7, "starting")
    assert activity.idle_seconds < 0.02

    time.sleep(0.02)
    activity.enter("data")
    assert (activity.step, activity.phase) == (7, "data")
    assert activity.idle_seconds < 0.02


@pytest.mark.parametrize(
    ("phase", "allowed"),
    [("training", 60), ("evaluating", 60), ("data", 720), ("meeting", None), ("ended", None)],
)
def test_fetching_may_be_long_and_a_step_may_not(phase: Phase, allowed: float | None) -> None:
    """JOB_STALL_SECONDS is that of a step; ranks that wait for each other have limits of theirs."""
    activity = Activity(60.0)
    activity.enter(phase)

    assert activity.allowed_seconds == allowed


def test_no_limit_is_no_limit_of_any_phase() -> None:
    """JOB_STALL_SECONDS=0 waits for ever."""
    activity = Activity(0.0)
    activity.enter("training")

    assert activity.allowed_seconds is None


def test_noting_a_step_costs_next_to_nothing() -> None:
    """It is done after every step, of which the fastest take some tens of microseconds."""
    activity = Activity(300.0)
    started = time.perf_counter()
    for step in range(10_000):
        activity.advance(step)

    assert (time.perf_counter() - started) / 10_000 < 5e-6
