"""Claims about `job.tenure`: no attempt leaves without a word, and none goes in vain."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from contestants import leave_behind
from job import heartbeat, tenure
from job.errors import (
    InterruptedRunError,
    JobError,
    NoProgressError,
    OutputError,
    UnfitNodeError,
)
from job.settings import Settings
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.tenure import Tenure
from job.world import ALONE, Placement

Hold = Callable[..., AbstractContextManager[Tenure]]
SECOND_RANK: Final = Placement(
    rank=1,
    size=2,
    local_rank=0,
    local_size=1,
    node=1,
    nodes=2,
    master_address="node-0",
    master_port=1,
    source="test",
)


@pytest.fixture
def left() -> list[JobError]:
    """With which errors the process would have been left from another thread."""
    return []


@pytest.fixture
def hold(tmp_path: Path, left: list[JobError]) -> Hold:
    """A tenure of the folder `output`, with settings as keywords."""

    def begin(
        place: Placement = ALONE.placement, stop: StopFlag | None = None, **settings: Any
    ) -> AbstractContextManager[Tenure]:
        values = Settings(output_dir=tmp_path / "output", **settings)
        return tenure.hold(values, stop or StopFlag(), Stopwatch(), place, left.append)

    return begin


def lines_of(output: Path) -> list[dict[str, Any]]:
    """The ledger."""
    return [json.loads(line) for line in (output / "attempts.jsonl").read_text().splitlines()]


def fail(hold: Hold, error: BaseException, reached: int = 0, **settings: Any) -> None:
    """An attempt that ends with an error, after some steps of which none became durable."""
    with pytest.raises(type(error)), hold(**settings) as held:  # noqa: PT012  # hold must not raise
        held.activity.advance(reached)
        raise error


def test_tenure_ends_with_everything_said(tmp_path: Path, hold: Hold) -> None:
    """The ledger has the end, the heartbeat too, and the lease lets the next one in."""
    with hold() as held:
        held.activity.advance(7)
        beat = heartbeat.read(tmp_path / "output" / heartbeat.FILE)
        assert beat is not None
        assert (beat.attempt, beat.phase) == (1, "starting")
        with pytest.raises(OutputError, match="held by"), hold(lease_seconds=60):
            pass

    (line,) = lines_of(tmp_path / "output")
    assert (line["exit_code"], line["ended"], line["reached_step"]) == (0, "finished", 7)
    last = heartbeat.read(tmp_path / "output" / heartbeat.FILE)
    assert last is not None
    assert (last.phase, last.step) == ("ended", 7)
    with hold():
        pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InterruptedRunError("stopped by test"), 75),
        (ZeroDivisionError("nobody knew"), 70),
        (SystemExit(3), 70),
        (KeyboardInterrupt("from own code"), 70),
        (GeneratorExit("closed"), 70),
    ],
    ids=lambda each: type(each).__name__,
)
def test_error_is_an_ending(tmp_path: Path, hold: Hold, error: BaseException, code: int) -> None:
    """It comes through, and stands in the ledger; so does what is no error to Python."""
    fail(hold, error)

    (line,) = lines_of(tmp_path / "output")
    assert line["exit_code"] == code
    assert line["ended"] == (error.seen if isinstance(error, JobError) else repr(error))


@pytest.mark.parametrize("kind", [UnfitNodeError, InterruptedRunError])
def test_unfit_node_stands_in_the_ledger(
    tmp_path: Path, hold: Hold, left: list[JobError], kind: type[JobError]
) -> None:
    """Its own or another rank's, and from whichever thread; a node that is fit does not."""
    fail(hold, kind("no GPU", unfit_node="gpu2"))
    fail(hold, kind("stopped by test"))
    with hold() as held:
        held.leave(kind("no GPU", unfit_node="gpu3"))
        lines = lines_of(tmp_path / "output")

    assert [line["unfit_node"] for line in lines] == ["gpu2", None, "gpu3"]
    assert [error.unfit_node for error in left] == ["gpu3"]


def test_other_ranks_write_nothing(tmp_path: Path, hold: Hold) -> None:
    """The folder is rank 0's; a heartbeat of the node is written where it was asked for."""
    with hold(SECOND_RANK, heartbeat_file=tmp_path / "beat") as held:
        held.ledger.note(resumed_from_step=1)
        held.lease.require()

    assert [path.name for path in tmp_path.iterdir()] == ["beat"]
    beat = heartbeat.read(tmp_path / "beat")
    assert beat is not None
    assert beat.phase == "ended"


def test_lost_folder_is_the_end_whatever_it_led_to(tmp_path: Path, hold: Hold) -> None:
    """73 and not the 75 of the stop that the loss asks for; the ledger is its successor's."""
    output = tmp_path / "output"

    def lose() -> bytes:
        leave_behind(output, 9)
        (output / "lease" / "00000001.json").unlink()
        return (output / "attempts.jsonl").read_bytes()

    with pytest.raises(OutputError, match="taken over by process 99 on node-9"), hold():  # noqa: PT012
        before = lose()
        raise InterruptedRunError("stopped by the loss of the output folder")

    assert (output / "attempts.jsonl").read_bytes() == before


def test_attempts_in_vain_come_to_an_end(tmp_path: Path, hold: Hold) -> None:
    """After three of them the fourth does not begin, and tells of all three; the fifth does."""
    for reason in ("one", "two", "three"):
        fail(hold, ValueError(reason))

    with pytest.raises(NoProgressError) as caught, hold():
        pass

    assert caught.value.exit_code == 83
    assert caught.value.seen.startswith("3 attempts in a row have left no further step durable: ")
    for number, reason in enumerate(("one", "two", "three"), start=1):
        assert f"attempt {number} on " in caught.value.seen
        assert f"at step 0: ValueError('{reason}')" in caught.value.seen
    assert lines_of(tmp_path / "output")[-1]["exit_code"] == 83
    with hold():
        pass


def test_limit_is_the_one_that_is_set(hold: Hold) -> None:
    """One attempt in vain is enough, or none ever is."""
    fail(hold, ValueError("once"))
    for _ in range(4):
        fail(hold, ValueError("again"), max_attempts_without_progress=0)

    with pytest.raises(NoProgressError, match="1 attempts in a row"):
        hold(max_attempts_without_progress=1).__enter__()


def test_leaving_from_another_thread_says_so_first(
    tmp_path: Path, hold: Hold, left: list[JobError]
) -> None:
    """In the ledger, before the process is gone."""
    with hold() as held:
        held.leave(JobError("stuck"))
        (line,) = lines_of(tmp_path / "output")

    assert (line["exit_code"], line["ended"]) == (70, "stuck")
    assert [error.seen for error in left] == ["stuck"]


def test_volume_that_hangs_does_not_keep_the_process_from_leaving(
    hold: Hold, left: list[JobError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be why nothing moves."""
    monkeypatch.setattr(tenure, "LAST_LINE_SECONDS", 0.05)
    with hold() as held:
        with monkeypatch.context() as broken:
            broken.setattr("job.attempts.Ledger.end", lambda *_: time.sleep(1))
            started = time.monotonic()
            held.leave(JobError("stuck"))
            assert time.monotonic() - started < 0.8
        assert [error.seen for error in left] == ["stuck"]


def test_ledger_that_cannot_be_written_hides_no_reason(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume fails at the end of an attempt that fails for another reason."""

    def full(*_: object) -> None:
        raise OutputError("full")

    monkeypatch.setattr("job.attempts.Ledger.end", full)
    with structlog.testing.capture_logs() as events:
        fail(hold, InterruptedRunError("stopped by test"))

    assert [event["event"] for event in events] == ["ledger not written"]


def test_stop_ends_the_wait_for_a_silent_owner(tmp_path: Path, hold: Hold) -> None:
    """No line is written for an attempt that never had the folder."""
    leave_behind(tmp_path / "output")
    stop = StopFlag()
    stop.request("SIGTERM")

    with pytest.raises(InterruptedRunError, match="SIGTERM"), hold(stop=stop):
        pass

    assert not (tmp_path / "output" / "attempts.jsonl").exists()


def test_samples_of_the_gpu_end_with_the_tenure(hold: Hold, tmp_path: Path) -> None:
    """Nothing is sampled unless it is begun, and what was begun does not outlive the attempt."""
    with hold() as held:
        assert held.gpu_use.record() is None
        held.gpu_use.begin(None)  # no properties of a device: it fails, and only says so

    assert "gpu-use" not in {thread.name for thread in threading.enumerate()}
    assert lines_of(tmp_path / "output")[0]["exit_code"] == 0
