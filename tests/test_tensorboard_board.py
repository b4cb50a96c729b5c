"""Claims about `job.tensorboard.board`: a courtesy that costs the run nothing, whatever happens."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from job import tensorboard
from job.errors import OutputError, SettingsError
from job.lease import Lease
from job.tensorboard import board as room
from job.tensorboard.events import event_files
from test_tensorboard_events import HYPERPARAMETERS, epochs, loaded, picture, require_history

__all__ = ["picture"]  # the fixture


class Silent(Lease):
    """Of a volume that does not answer for as long as the test lasts."""

    def __init__(self) -> None:
        """Nothing has come back yet."""
        self.back = threading.Event()

    def require(self) -> None:
        """Wait for the volume, as a file that is read there would."""
        self.back.wait()


class Lost(Lease):
    """Of a folder that is another job's by now."""

    def require(self) -> None:
        """Say so."""
        raise OutputError("output was taken over by another job")


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Such a volume, which comes back in the end."""
    lease = Silent()
    yield lease
    lease.back.set()


def follow(output_dir: Path, lease: Lease | None = None, count: int = 3) -> float:
    """A run of so many epochs that is watched; the seconds that its end took."""
    with tensorboard.make_board(output_dir, lease or Lease(), wanted=True) as board:
        board.begin([], HYPERPARAMETERS)
        for epoch in epochs(count):
            board.note(epoch)
        ends_at = time.perf_counter()
    return time.perf_counter() - ends_at


def test_run_that_nobody_watches_leaves_nothing(tmp_path: Path, picture: Path) -> None:
    """The board that does nothing takes all the calls, and starts no thread."""
    threads = threading.active_count()
    with tensorboard.make_board(tmp_path / "output", Lease(), wanted=False) as board:
        board.begin([], HYPERPARAMETERS)
        board.note(epochs(1)[0])
        board.finish(picture)

    assert not (tmp_path / "output").exists()
    assert threading.active_count() == threads


def test_epochs_are_written_by_the_end_of_the_run(tmp_path: Path) -> None:
    """Nothing that was noted before is missing afterwards."""
    follow(tmp_path)

    require_history(tmp_path / "tensorboard", epochs(3))


def test_all_is_written_when_finish_returns(tmp_path: Path, picture: Path) -> None:
    """The record comes after it; to end once more costs nothing."""
    with tensorboard.make_board(tmp_path, Lease(), wanted=True) as board:
        board.begin(epochs(2), HYPERPARAMETERS)
        board.finish(picture)
        assert len(loaded(tmp_path / "tensorboard").Images("confusion_matrix")) == 1
        require_history(tmp_path / "tensorboard", epochs(2))


def test_epochs_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    """Each is written when it has ended, and waits for no buffer to fill."""
    deadline = time.monotonic() + 30
    with tensorboard.make_board(tmp_path, Lease(), wanted=True) as board:
        board.begin(epochs(1), HYPERPARAMETERS)
        while time.monotonic() < deadline and not _has_an_epoch(tmp_path / "tensorboard"):
            time.sleep(0.01)
        require_history(tmp_path / "tensorboard", epochs(1))


def _has_an_epoch(folder: Path) -> bool:
    return bool(event_files(folder)) and bool(loaded(folder).Tags()["scalars"])


def test_volume_that_does_not_answer_holds_nobody_for_long(
    tmp_path: Path, silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To note an epoch takes no time, to end no more than its limit, and one warning is all."""
    monkeypatch.setattr(room, "END_SECONDS", 0.3)
    watched = tensorboard.make_board(tmp_path, silent, wanted=True)
    with structlog.testing.capture_logs() as told, watched as board:
        board.begin([], HYPERPARAMETERS)
        before = time.perf_counter()
        for epoch in epochs(100):
            board.note(epoch)
        assert time.perf_counter() - before < 0.1
        board.end()
    seconds = time.perf_counter() - before

    assert 0.3 <= seconds < 1.5
    assert [(each["event"], each["reason"]) for each in told] == [
        ("tensorboard given up", "not written within 0 s")
    ]


def test_limit_is_a_few_seconds() -> None:
    """No grace period of a scheduler is used up by it."""
    assert room.END_SECONDS <= 5


def test_queue_has_an_end(tmp_path: Path, silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that is silent for a whole run does not fill the memory, and is told once."""
    monkeypatch.setattr(room, "MOST_WAITING", 4)
    with structlog.testing.capture_logs() as told:
        seconds = follow(tmp_path, silent, count=50)

    assert [each["reason"] for each in told] == ["4 epochs behind"]
    assert seconds < 0.1


@pytest.mark.parametrize("in_the_way", ["tensorboard", "tensorboard/events.out.tfevents.1"])
def test_folder_that_cannot_be_used_is_one_warning(tmp_path: Path, in_the_way: str) -> None:
    """A file where the folder should be, and a folder where a file should be."""
    if in_the_way == "tensorboard":
        (tmp_path / in_the_way).touch()
    else:
        (tmp_path / in_the_way).mkdir(parents=True)
    with structlog.testing.capture_logs() as told:
        follow(tmp_path)

    assert [each["event"] for each in told] == ["tensorboard given up"]
    assert told[0]["log_level"] == "warning"
    assert told[0]["folder"] == str(tmp_path / "tensorboard")


def test_run_that_ends_before_it_trains_leaves_no_events(tmp_path: Path) -> None:
    """An unfit node is no attempt that TensorBoard should know of."""
    with tensorboard.make_board(tmp_path, Lease(), wanted=True):
        pass

    assert list(tmp_path.iterdir()) == []


def test_lost_folder_is_left_alone(tmp_path: Path) -> None:
    """Whoever writes has the lease; the thread asks for it, too."""
    with structlog.testing.capture_logs() as told:
        follow(tmp_path, Lost())

    assert not (tmp_path / "tensorboard").exists()
    assert [each["reason"] for each in told] == ["output was taken over by another job"]


def test_lease_is_asked_for_before_each_writing(tmp_path: Path) -> None:
    """A folder that is lost in the middle gets nothing more."""

    class LostLater(Lease):
        asked = 0

        def require(self) -> None:
            self.asked += 1
            if self.asked == 4:
                raise OutputError("taken over")

    with structlog.testing.capture_logs() as told:
        follow(tmp_path, LostLater(), count=9)

    require_history(tmp_path / "tensorboard", epochs(1))
    assert len(told) == 1


def test_package_that_is_broken_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found, and cannot be imported: that shows in the thread only."""
    monkeypatch.setitem(sys.modules, "job.tensorboard.events", None)
    with structlog.testing.capture_logs() as told:
        follow(tmp_path)

    assert [each["event"] for each in told] == ["tensorboard given up"]
    assert "job.tensorboard.events" in told[0]["reason"]


def test_package_that_is_missing_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 78, and what to install."""
    tensorboard.require_installed()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SettingsError, match="JOB_TENSORBOARD=true") as caught:
        tensorboard.require_installed()

    assert "pip install '.[tensorboard]'" in caught.value.fix
