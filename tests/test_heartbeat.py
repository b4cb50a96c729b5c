"""Claims about `job.heartbeat`."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from job import heartbeat
from job.activity import Activity
from job.heartbeat import Beat, Heartbeat, read
from job.process import this_process
from job.stopwatch import Stopwatch


def _heartbeat(*paths: Path, keep: Callable[[], bool] = lambda: True) -> Heartbeat:
    activity = Activity(60.0)
    activity.enter("training")
    activity.advance(42)
    return Heartbeat(paths, 3, activity, Stopwatch(), keep)


def _beat(**changes: object) -> Beat:
    parts = {
        "attempt": 1,
        "phase": "training",
        "step": 5,
        "idle_seconds": 0.5,
        "allowed_seconds": 60.0,
        "seconds": 9.0,
        "time": datetime.now(UTC),
        "uptime_seconds": time.monotonic(),
        "process": this_process(),
    }
    return Beat.model_validate(parts | changes)


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_beat_tells_phase_step_and_time(tmp_path: Path) -> None:
    """And whose they are; it is there as soon as the heartbeat has begun."""
    with _heartbeat(tmp_path / "beat"):
        beat = read(tmp_path / "beat")

    assert beat is not None
    assert (beat.attempt, beat.phase, beat.step) == (3, "training", 42)
    assert (beat.allowed_seconds, beat.process) == (60.0, this_process())
    assert abs(datetime.now(UTC) - beat.time) < timedelta(minutes=1)
    assert 0 <= beat.idle_seconds < 30
    assert 0 <= beat.seconds < 30


def test_beats_follow_each_other_in_all_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe of the node and a person with the volume see the same."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    paths = tmp_path / "volume", tmp_path / "node"
    with _heartbeat(*paths):
        seen = {read(path) for path in paths}
        _until(lambda: all(read(path) not in seen for path in paths))

    assert all(json.loads(path.read_text())["phase"] == "ended" for path in paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_lease_is_touched_at_every_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat is what keeps it, with or without a file to write."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    touched: list[float] = []

    def touch() -> bool:
        touched.append(time.monotonic())
        return True

    with _heartbeat(keep=touch):
        _until(lambda: len(touched) > 3)
    count = len(touched)
    time.sleep(0.05)

    assert len(touched) == count


def test_owner_of_nothing_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the lease is lost, the file is the successor's."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    kept = iter([True])
    with _heartbeat(tmp_path / "beat", keep=lambda: next(kept, False)):
        (tmp_path / "beat").write_text("the successor's")
        time.sleep(0.1)

    assert (tmp_path / "beat").read_text() == "the successor's"


def test_heartbeat_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    """It is a courtesy."""
    with _heartbeat(tmp_path / "none" / "beat"):
        pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(30)
def test_pipe_in_the_place_of_the_file_is_replaced(tmp_path: Path) -> None:
    """And one in the place of what becomes the file: nobody waits for a reader."""
    for name in ("beat", ".beat.partial"):
        os.mkfifo(tmp_path / name)
    with _heartbeat(tmp_path / "beat"):
        assert read(tmp_path / "beat") is not None


@pytest.mark.parametrize("name", ["beat", ".beat.partial"])
def test_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path, name: str) -> None:
    """Where it leads may be somebody else's."""
    (tmp_path / "other").write_text("somebody else's")
    (tmp_path / name).symlink_to(tmp_path / "other")
    with _heartbeat(tmp_path / "beat"):
        pass

    assert (tmp_path / "other").read_text() == "somebody else's"
    assert read(tmp_path / "beat") is not None


def test_folder_in_the_place_of_the_file_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the one that has no name."""
    monkeypatch.chdir(tmp_path)
    with _heartbeat(Path(), tmp_path, tmp_path / "beat"):
        assert read(tmp_path / "beat") is not None


@pytest.mark.parametrize("garbage", [b"", b"{", b"{}", b"null", b"\xff", b"[" * 2**17])
def test_garbled_heartbeat_is_none(tmp_path: Path, garbage: bytes) -> None:
    """Neither is a missing one, nor a pipe that nobody writes to."""
    (tmp_path / "beat").write_bytes(garbage)
    os.mkfifo(tmp_path / "pipe")

    assert [read(tmp_path / name) for name in ("beat", "none", "pipe")] == [None] * 3


def test_age_on_the_same_node_needs_no_clock_that_people_set() -> None:
    """It is that of the kernel, so that a jump of the time of day makes no job look dead."""
    beat = _beat(uptime_seconds=time.monotonic() - 5, time=datetime.now(UTC) - timedelta(days=400))

    assert 5 <= beat.age < 30


@pytest.mark.parametrize("boot", ["another", ""])
def test_age_on_another_node_is_told_by_both_clocks(boot: str) -> None:
    """There is nothing else that both have."""
    elsewhere = this_process().model_copy(update={"boot": boot})
    beat = _beat(time=datetime.now(UTC) - timedelta(seconds=7), process=elsewhere, uptime_seconds=0)

    assert 7 <= beat.age < 30


def test_volume_that_hangs_does_not_keep_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last beat is waited for, but not for ever."""
    monkeypatch.setattr(heartbeat, "LAST_BEAT_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    beats = iter([0.0, 2.0])

    def hang() -> bool:
        time.sleep(next(beats, 0.0))
        return True

    started = time.monotonic()
    with _heartbeat(tmp_path / "beat", keep=hang):
        time.sleep(0.2)

    assert time.monotonic() - started < 1.5
