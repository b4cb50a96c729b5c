"""Claims about `job.world.beats`, with a real store on the loopback and ranks of this process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from job.errors import ExitCode, JobError
from job.stop import StopFlag
from job.world import Placement
from job.world.beats import Beats
from job.world.loss import Loss, tell_loss
from job.world.patience import Limits, Patience
from job.world.rendezvous import beat_key, meet, open_store, visit_store
from rank_processes import places, started

LIMITS = Limits(beat=0.05, silence=1.5, suspicion=0.4, leave=0.3)
# For ranks that are to be found alive, on cores that ten other processes may want as well.
PATIENT = replace(LIMITS, silence=4.0, suspicion=2.5)
HOST = socket.gethostname()


def come(placed: list[Placement]) -> None:
    """Let ranks meet; rank 0's store stays until the process ends."""
    stores = [open_store(place, Patience(20.0, StopFlag()), LIMITS) for place in placed]
    tasks = [
        threading.Thread(target=meet, args=(store, place, "cpu", Patience(20.0, StopFlag())))
        for store, place in zip(stores, placed, strict=True)
    ]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    HELD.extend(stores)


HELD: list[object] = []


@contextmanager
def beating(place: Placement, limits: Limits = LIMITS) -> Iterator[tuple[Beats, list[JobError]]]:
    """A rank that gives its signs of life, and what it was ended for."""
    left: list[JobError] = []
    beats = Beats(visit_store(place, limits), place, limits, left.append)
    try:
        yield beats, left
    finally:
        beats.end()


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def test_ranks_that_live_are_never_lost() -> None:
    """Over more than silence may last."""
    placed = places(2)
    come(placed)
    with (
        beating(placed[0], PATIENT) as (first, left),
        beating(placed[1], PATIENT) as (second, also_left),
    ):
        time.sleep(1.5 * PATIENT.silence)

        assert (first.loss, second.loss) == (None, None)
    assert left + also_left == []


@pytest.mark.parametrize(("watcher", "silent"), [(0, 1), (1, 0)])
def test_rank_that_is_silent_is_named(watcher: int, silent: int) -> None:
    """With its host, when the time is up and not before."""
    placed = places(2)
    come(placed)
    with beating(placed[watcher]) as (beats, _):
        seconds = wait_for(lambda: beats.loss)

        assert beats.loss == f"rank {silent} on {HOST}: no sign of life"
    assert seconds >= LIMITS.silence


def test_all_silent_ranks_are_named() -> None:
    """A host that lost its power takes several ranks along."""
    placed = places(4)
    come(placed)
    with beating(placed[0], PATIENT) as (beats, _), beating(placed[2], PATIENT):
        wait_for(lambda: beats.loss)

        assert beats.loss == f"rank 1 on {HOST}, rank 3 on {HOST}: no sign of life"


def test_suspicion_makes_the_search_short_for_all() -> None:
    """A connection broke on one rank; rank 0, which can name the lost one, hears of it."""
    placed, limits = places(3), replace(PATIENT, silence=60.0, leave=30.0)
    come(placed)
    with beating(placed[0], limits) as (first, _), beating(placed[1], limits) as (second, _):
        time.sleep(0.5)
        error = second.explain("connection closed")

        assert error.seen == f"rank 2 on {HOST}: no sign of life"
        assert error.exit_code == ExitCode.INTERRUPTED
        wait_for(lambda: first.loss)
        assert first.loss == error.seen


def test_trouble_without_a_lost_rank_is_told_as_it_is() -> None:
    """All are alive, so it was the network; the run still cannot go on."""
    placed = places(2)
    come(placed)
    with beating(placed[0], PATIENT) as (beats, left), beating(placed[1], PATIENT):
        error = beats.explain("timed out")
        time.sleep(2 * PATIENT.leave)

    assert error.seen == "the connection to another rank broke: timed out"
    assert left == []


def test_loss_that_was_told_is_heard() -> None:
    """A rank that fails leaves its reason behind."""
    placed = places(2)
    come(placed)
    with beating(placed[0]) as (first, _), beating(placed[1]) as (second, _):
        tell_loss(first._store, Loss("rank 7 on x: DataError"))
        wait_for(lambda: first.loss and second.loss)

        assert first.loss == second.loss == "rank 7 on x: DataError"


def test_main_thread_that_is_stuck_is_ended() -> None:
    """Neither at once, nor never."""
    placed = places(2)
    come(placed)
    with beating(placed[0]) as (beats, left):
        wait_for(lambda: beats.loss)
        assert wait_for(lambda: left) >= LIMITS.leave / 2

        assert left[0].seen == beats.loss
        assert left[0].exit_code == ExitCode.INTERRUPTED


def test_main_thread_that_leaves_by_itself_may() -> None:
    """It has things to put in order."""
    placed = places(2)
    come(placed)
    with beating(placed[0]) as (beats, left):
        wait_for(lambda: beats.loss)
        beats.explain("connection closed")
        time.sleep(3 * LIMITS.leave)

    assert left == []


def test_ranks_that_leave_follow_the_one_that_failed() -> None:
    """Two beats later, so that whoever counts the first failure counts the right one."""
    placed = places(2)
    come(placed)
    with beating(placed[0]) as (beats, _):
        wait_for(lambda: beats.loss)
        began = time.monotonic()
        beats.explain("connection closed")
        assert time.monotonic() - began >= LIMITS.beat

        began = time.monotonic()
        beats.explain("connection closed")
        assert time.monotonic() - began < LIMITS.beat


def test_nobody_is_lost_after_the_end() -> None:
    """Ranks that part do not call each other dead."""
    placed = places(2)
    come(placed)
    with beating(placed[0]) as (beats, left):
        beats.end()
        time.sleep(2 * LIMITS.silence)

        assert beats.loss is None
    assert left == []


def test_rank_0_whose_store_is_gone_is_named() -> None:
    """It holds it, unless torchrun does."""
    placed = places(2)
    with started([placed[0]], "kill", culprit=0) as [main]:
        store = open_store(placed[1], Patience(60.0, StopFlag()), LIMITS)
        meet(store, placed[1], "cpu", Patience(60.0, StopFlag()))
        with beating(placed[1], Limits(beat=0.05, silence=30.0)) as (beats, _):
            main.kill()
            wait_for(lambda: beats.loss)

            assert beats.loss == f"rank 0 on {HOST}: its store is gone"


def test_rank_0_whose_store_does_not_answer_is_named() -> None:
    """A talk with it may wait forever, so that another thread keeps the time."""
    placed = places(2)
    with started([placed[0]], "freeze", culprit=0) as [main]:
        store = open_store(placed[1], Patience(60.0, StopFlag()), LIMITS)
        meet(store, placed[1], "cpu", Patience(60.0, StopFlag()))
        with beating(placed[1], replace(LIMITS, leave=30.0)) as (beats, _):
            time.sleep(LIMITS.silence / 2)
            main.send_signal(signal.SIGSTOP)
            wait_for(lambda: beats.loss)

            assert beats.loss == f"rank 0 on {HOST}: no sign of life"


def test_sign_of_life_is_a_number_that_grows() -> None:
    """The same one twice is silence."""
    placed = places(2)
    come(placed)
    with beating(placed[0]), beating(placed[1]) as (beats, _):
        first = int(beats._store.get(beat_key(1)))
        wait_for(lambda: int(beats._store.get(beat_key(1))) > first)


def test_process_can_be_ended_from_any_thread(tmp_path: Path) -> None:
    """With the exit code of the error, all that was said, and a word in the termination log."""
    log = tmp_path / "termination-log"
    log.touch()
    code = (
        "import sys, threading, time; from job.errors import InterruptedRunError;"
        "from job.world.beats import leave_at_once;"
        "sys.stderr.write('last word');"
        "error = InterruptedRunError('x');"
        "threading.Thread(target=leave_at_once, args=(error,), daemon=True).start();"
        "time.sleep(60)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TERMINATION_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (75, "last word")
    assert json.loads(log.read_text())["reason"] == "x"
