"""Claims about `job.attempts`."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from job import attempts, heartbeat
from job.activity import Activity
from job.attempts import Ledger, without_progress
from job.errors import ExitCode, NoProgressError, OutputError
from job.heartbeat import Heartbeat
from job.lease import Lease
from job.record import AttemptRecord
from job.stopwatch import Stopwatch

BEGIN_AND_DIE = """
import os, pathlib, signal, sys
from job.attempts import Ledger
from job.stopwatch import Stopwatch
Ledger.begin(pathlib.Path(sys.argv[1]), "node-1", Stopwatch())
os.kill(os.getpid(), signal.SIGKILL)
"""


def _begin(folder: Path, node: str = "node-1", **facts: Any) -> Ledger:
    return Ledger.begin(folder, node, Stopwatch(), **facts)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / attempts.FILE).read_text().splitlines()]


def test_attempts_are_counted_from_one(tmp_path: Path) -> None:
    """Each has its number, its node and its start in UTC."""
    for node in ("node-1", "node-2", "node-3"):
        ledger = _begin(tmp_path, node)
    lines = _lines(tmp_path)

    assert [line["attempt"] for line in lines] == [1, 2, 3]
    assert [line["node"] for line in lines] == ["node-1", "node-2", "node-3"]
    assert lines == [each.model_dump() for each in ledger.attempts]
    started = datetime.fromisoformat(lines[2]["started_at"])
    assert started.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - started) < timedelta(minutes=5)


def test_line_names_the_node_that_ended_the_attempt(tmp_path: Path) -> None:
    """Where it was one; the lines of earlier jobs, which did not know of it, are kept."""
    path = tmp_path / attempts.FILE
    _begin(tmp_path).end(ExitCode.BUG, "KeyError", None, 0)
    (old,) = _lines(tmp_path)
    del old["unfit_node"]
    path.write_text(json.dumps(old) + "\n")
    ledger = _begin(tmp_path)
    ledger.end(ExitCode.INTERRUPTED, "rank 1: no GPU", None, 0, "gpu2")

    assert [line["unfit_node"] for line in _lines(tmp_path)] == [None, "gpu2"]
    assert '"unfit_node": "gpu2"' in path.read_text()  # as slurm/*.sh look for it


def test_killed_attempt_leaves_a_line_without_an_end(tmp_path: Path) -> None:
    """It is there from the first moment on, and the next attempt says of no end either."""
    command = [sys.executable, "-c", BEGIN_AND_DIE, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -9

    _begin(tmp_path, "node-2").end(ExitCode.FINISHED, "finished", 40, 40)
    killed, finished = _lines(tmp_path)
    assert (killed["attempt"], killed["ended"], killed["exit_code"]) == (1, None, None)
    assert (finished["attempt"], finished["ended"]) == (2, "finished")


def test_end_is_entered(tmp_path: Path) -> None:
    """Code, reason, last durable step and seconds; the start stays."""
    ledger = _begin(tmp_path, "node-1")
    (begun,) = _lines(tmp_path)
    ledger.end(ExitCode.DIVERGED, "loss\nis no number", 40, 43)

    (line,) = _lines(tmp_path)
    assert 0 <= line.pop("seconds") < 60
    expected = {"ended": "loss\nis no number", "exit_code": 81, "step": 40}
    expected |= {"reached_step": 43, "lost_steps": 3, "seconds_known_by": "itself"}
    assert line == {name: fact for name, fact in begun.items() if name != "seconds"} | expected


def test_attempt_without_a_durable_step_says_so(tmp_path: Path) -> None:
    """None is not step 0."""
    _begin(tmp_path, "node-1").end(ExitCode.BUG, "KeyError", None, 0)
    assert _lines(tmp_path)[0]["step"] is None


def test_note_is_kept_by_the_end(tmp_path: Path) -> None:
    """Where an attempt was resumed is known while it runs and when it is over."""
    ledger = _begin(tmp_path, "node-1")
    ledger.resume(40)
    assert _lines(tmp_path)[0]["resumed_from_step"] == 40

    ledger.end(ExitCode.FINISHED, "finished", 80, 80)
    assert _lines(tmp_path)[0]["resumed_from_step"] == 40
    assert len(ledger.attempts) == 1


@pytest.mark.parametrize("garbage", [b"", b"{", b"null", b'{"attempt": 9}', b"\xff\xfe\0"])
def test_garbled_line_does_not_stop_the_next_attempt(tmp_path: Path, garbage: bytes) -> None:
    """The lines that can be read count; the other one is dropped."""
    _begin(tmp_path, "node-1")
    path = tmp_path / attempts.FILE
    path.write_bytes(garbage + b"\n" + path.read_bytes() + garbage)
    _begin(tmp_path, "node-2")

    assert [line["attempt"] for line in _lines(tmp_path)] == [1, 2]


def test_numbers_go_on_after_a_lost_line(tmp_path: Path) -> None:
    """No two attempts have the same number, even if the first line is gone."""
    _begin(tmp_path, "node-1")
    _begin(tmp_path, "node-1")
    path = tmp_path / attempts.FILE
    path.write_text("x\n" + path.read_text().splitlines()[1] + "\n")

    assert _begin(tmp_path, "node-1").attempts[-1].attempt == 3


def test_attempt_that_cannot_be_entered_does_not_begin(tmp_path: Path) -> None:
    """A volume that takes no line takes no results, either."""
    with pytest.raises(OutputError, match="No such file"):
        _begin(tmp_path / "none", "node-1")


def _beat(folder: Path, attempt: int, step: int, stopwatch: Stopwatch) -> None:
    """Leave the last heartbeat of an attempt that was killed."""
    activity = Activity(60.0)
    activity.advance(step)
    with Heartbeat([folder / heartbeat.FILE], attempt, activity, stopwatch, lambda: True):
        pass


def test_killed_attempt_is_completed_by_its_heartbeat(tmp_path: Path) -> None:
    """The next one enters how far it came, how long it ran, and what has to be done again."""
    _begin(tmp_path, durable_step=10)
    _beat(tmp_path, 1, 47, Stopwatch())
    _begin(tmp_path, durable_step=40)
    killed, following = _lines(tmp_path)

    assert (killed["found_step"], killed["step"], killed["reached_step"]) == (10, 40, 47)
    assert (killed["lost_steps"], killed["seconds_known_by"]) == (7, "heartbeat")
    assert 0 <= killed["seconds"] < 60
    assert (following["found_step"], following["seconds_known_by"]) == (40, None)


def test_heartbeat_that_is_behind_the_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """It is up to a second old."""
    _begin(tmp_path)
    _beat(tmp_path, 1, 38, Stopwatch())
    _begin(tmp_path, durable_step=40)

    killed, _ = _lines(tmp_path)
    assert (killed["reached_step"], killed["lost_steps"]) == (40, 0)


@pytest.mark.parametrize("of_another", [True, False])
def test_killed_attempt_without_heartbeat_took_at_most_until_the_next(
    tmp_path: Path, of_another: bool
) -> None:
    """And says that this is how it is known; how far it came is not."""
    _begin(tmp_path)
    if of_another:
        _beat(tmp_path, 7, 47, Stopwatch())
    path = tmp_path / attempts.FILE
    began = datetime.now(UTC) - timedelta(seconds=90)
    path.write_text(json.dumps({**_lines(tmp_path)[0], "started_at": began.isoformat()}) + "\n")
    _begin(tmp_path, durable_step=40)

    killed, _ = _lines(tmp_path)
    assert killed["seconds"] == pytest.approx(90, abs=30)
    assert (killed["seconds_known_by"], killed["step"]) == ("next start", 40)
    assert (killed["reached_step"], killed["lost_steps"]) == (None, None)


@pytest.mark.parametrize("started_at", ["now", "2026-01-01", "9999-01-01T00:00:00+00:00"])
def test_start_that_tells_nothing_gives_no_seconds(tmp_path: Path, started_at: str) -> None:
    """A line that was edited, a clock that was set back."""
    _begin(tmp_path)
    path = tmp_path / attempts.FILE
    path.write_text(json.dumps({**_lines(tmp_path)[0], "started_at": started_at}) + "\n")
    _begin(tmp_path)

    killed, _ = _lines(tmp_path)
    assert (killed["seconds"], killed["seconds_known_by"]) == (None, None)


def test_torn_checkpoint_costs_the_attempt_that_made_it(tmp_path: Path) -> None:
    """Going on from an earlier one does more steps again than were lost at first."""
    _begin(tmp_path).end(ExitCode.INTERRUPTED, "stopped", 40, 42)
    ledger = _begin(tmp_path, durable_step=40)
    ledger.resume(40)
    assert _lines(tmp_path)[0]["lost_steps"] == 2
    ledger.resume(30)
    assert _lines(tmp_path)[0]["lost_steps"] == 12


def test_lost_steps_of_an_attempt_of_which_little_is_known_stay_unknown(tmp_path: Path) -> None:
    """Nothing is made up."""
    _begin(tmp_path)
    _begin(tmp_path, durable_step=40).resume(30)

    assert _lines(tmp_path)[0]["lost_steps"] is None


def test_seconds_count_from_the_start_of_the_process(tmp_path: Path) -> None:
    """Imports are part of an attempt, and of what it costs."""
    stopwatch = Stopwatch()
    stopwatch._started -= 100.0
    ledger = Ledger.begin(tmp_path, "node-1", stopwatch)
    ledger.end(ExitCode.FINISHED, "finished", 1, 1)
    (line,) = _lines(tmp_path)

    began = datetime.fromisoformat(line["started_at"])
    assert 100 <= (datetime.now(UTC) - began).total_seconds() < 160
    assert 100 <= line["seconds"] < 160


def test_ledger_of_a_lost_folder_is_not_written(tmp_path: Path) -> None:
    """It is the successor's, whose line it would remove."""

    class Lost(Lease):
        def require(self) -> None:
            raise OutputError("taken over")

    ledger = _begin(tmp_path)
    before = _lines(tmp_path)
    lost = Ledger(tmp_path / attempts.FILE, ledger.attempts, Stopwatch(), Lost())
    with pytest.raises(OutputError, match="taken over"):
        lost.end(ExitCode.FINISHED, "finished", 1, 1)

    assert _lines(tmp_path) == before


def test_rank_that_keeps_no_ledger_writes_none(tmp_path: Path) -> None:
    """Rank 0 keeps that of the run."""
    ledger = Ledger.unwritten("node-2", Stopwatch())
    ledger.resume(40)
    ledger.end(ExitCode.FINISHED, "finished", 40, 40)

    assert (ledger.number, list(tmp_path.iterdir())) == (1, [])


def _attempt(code: ExitCode | None, found: int, step: int, **facts: Any) -> AttemptRecord:
    return AttemptRecord(
        attempt=1,
        node="node-1",
        started_at="now",
        found_step=found,
        step=step,
        exit_code=code,
        **facts,
    )


IN_VAIN = _attempt(ExitCode.BUG, 40, 40)
KILLED = _attempt(None, 40, 40)
STALLED = _attempt(ExitCode.STALLED, 40, 40, lost_steps=3)
WITH_PROGRESS = _attempt(None, 40, 50)


def test_attempts_in_vain_are_counted_from_the_newest() -> None:
    """A bug, a kill, a stall; what is before an attempt that made progress does not matter."""
    futile = without_progress([IN_VAIN, WITH_PROGRESS, KILLED, STALLED, IN_VAIN])

    assert futile == [IN_VAIN, STALLED, KILLED]
    assert without_progress([IN_VAIN, IN_VAIN, WITH_PROGRESS]) == []


def test_preempted_attempt_that_made_progress_ends_the_count() -> None:
    """However it ended: a step that is durable was worth it."""
    preempted = _attempt(ExitCode.INTERRUPTED, 40, 41)

    assert without_progress([IN_VAIN, IN_VAIN, preempted]) == []


def test_progress_is_counted_from_where_it_was_resumed() -> None:
    """The newest checkpoint was torn, and the attempt went on from the one before it."""
    torn = _attempt(None, 40, 40, resumed_from_step=30)

    assert without_progress([torn]) == []


@pytest.mark.parametrize(
    "excused",
    [
        _attempt(ExitCode.INTERRUPTED, 0, 0, lost_steps=0),
        _attempt(ExitCode.INTERRUPTED, 40, 40),
        _attempt(ExitCode.UNFIT_NODE, 40, 40),
    ],
)
def test_end_from_outside_before_training_proves_nothing(excused: AttemptRecord) -> None:
    """Preemption while data are fetched, an unfit node: only those around it are counted."""
    assert without_progress([IN_VAIN, excused, IN_VAIN, excused]) == [IN_VAIN, IN_VAIN]


def test_interruption_that_lost_what_it_had_trained_is_counted() -> None:
    """Such as that of a rank which is killed again and again before the first checkpoint."""
    lost = _attempt(ExitCode.INTERRUPTED, 40, 40, lost_steps=12)

    assert without_progress([lost, lost]) == [lost, lost]


@pytest.mark.parametrize("code", [0, 64, 65, 78, 80, 81, 83])
def test_ending_that_no_scheduler_repeats_begins_a_new_count(code: int) -> None:
    """Whoever starts the job again after that has mended something."""
    assert without_progress([IN_VAIN, IN_VAIN, _attempt(ExitCode(code), 40, 40), KILLED]) == [
        KILLED
    ]


def test_count_goes_over_attempts_that_were_killed(tmp_path: Path) -> None:
    """What the next one has entered of them is enough."""
    for _ in range(3):
        _begin(tmp_path, durable_step=40).require_progress(3)
    ledger = _begin(tmp_path, durable_step=40)

    ledger.require_progress(4)
    ledger.require_progress(0)
    with pytest.raises(NoProgressError, match=r"attempt 1 on node-1, at step 40: killed; .*3 on"):
        ledger.require_progress(3)
