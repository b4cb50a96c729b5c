"""Claims about `job.lease`: one live owner of an output folder, whatever happens to it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog

from contestants import Rival, file_of, holder_of, leave_behind, race, rewrite
from job import lease
from job.errors import InterruptedRunError, OutputError
from job.holder import lock, this_holder
from job.lease import Lease, acquire
from job.stop import StopFlag

# The owner of a race shows that it lives every 5 ms; the machine may be busy.
SILENCE: Final = 0.5


@pytest.fixture
def rival() -> Iterator[Rival]:
    """Another process that wants the folder."""
    with Rival() as one:
        yield one


@pytest.fixture(scope="module")
def rivals() -> Iterator[list[Rival]]:
    """Two of them."""
    with Rival() as one, Rival() as two:
        yield [one, two]


def _seconds_to_acquire(output_dir: Path, silence: float = 60.0) -> float:
    started = time.monotonic()
    with acquire(output_dir, silence, StopFlag()):
        return time.monotonic() - started


def _files(output_dir: Path) -> list[str]:
    return [path.name for path in (output_dir / "lease").iterdir()]


def _leave_nothing(_output_dir: Path) -> None:
    """A folder that is new."""


def _leave_released(output_dir: Path) -> None:
    acquire(output_dir, 1.0, StopFlag()).__exit__(None, None, None)


def _leave_dead(output_dir: Path) -> None:
    leave_behind(output_dir, 3)
    mine = this_holder(0, locked=False).process
    rewrite(output_dir, **(mine.model_dump() | {"pid": 2**22 + 1}))


@pytest.mark.parametrize(
    ("earlier", "races"),
    [(_leave_nothing, 70), (_leave_released, 70), (_leave_dead, 50), (leave_behind, 10)],
    ids=["new", "released", "of a dead owner", "of a silent owner"],
)
def test_race_has_one_winner(
    tmp_path: Path, rivals: list[Rival], earlier: Callable[[Path], None], races: int
) -> None:
    """For a folder that is new, released, of a dead owner, of a silent one: two hundred in all."""
    for number in range(races):
        output_dir = tmp_path / str(number)
        earlier(output_dir)
        (winner,) = race(rivals, output_dir, SILENCE)
        assert holder_of(output_dir).process.pid == winner.process.pid
        assert winner.ask("require")["refused"] is None
        winner.ask("release")
        assert len(_files(output_dir)) == 1


def test_second_job_is_refused_at_once_and_told_who_is_first(tmp_path: Path, rival: Rival) -> None:
    """Node, process and since when; it takes no longer than a sign of life of the owner."""
    rival.take(tmp_path)
    holder = holder_of(tmp_path)

    started = time.monotonic()
    with pytest.raises(OutputError) as caught:
        acquire(tmp_path, 60.0, StopFlag())

    assert time.monotonic() - started < 5
    assert caught.value.seen == (
        f"{tmp_path} is held by process {rival.process.pid} on {holder.process.node} "
        f"since {holder.since}"
    )
    assert caught.value.exit_code == 73
    assert rival.ask("require")["refused"] is None


def test_killed_owner_is_followed_at_once(tmp_path: Path) -> None:
    """A restart on the same node waits for nothing."""
    with Rival() as rival:
        rival.take(tmp_path)

    assert _seconds_to_acquire(tmp_path) < 1


def test_killed_container_is_followed_at_once(tmp_path: Path) -> None:
    """Its process was number 1 as this one may be, of a host that had another name."""
    with Rival() as rival:
        rival.take(tmp_path)
    rewrite(tmp_path, pid=os.getpid(), pid_namespace=1, node="the-container-before")

    assert _seconds_to_acquire(tmp_path) < 1


def test_silent_owner_is_followed_after_the_time_that_is_stated(tmp_path: Path) -> None:
    """A node that is gone for good cannot let go of anything."""
    leave_behind(tmp_path)

    assert 0.5 <= _seconds_to_acquire(tmp_path, 0.5) < 5


def test_killed_owner_on_a_file_system_without_locks_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once in the same container, after its silence in another one."""

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with Rival() as rival:
        rival.take(tmp_path)
    rewrite(tmp_path, locked=False)
    assert _seconds_to_acquire(tmp_path) < 1
    assert not holder_of(tmp_path).locked

    leave_behind(tmp_path, 9, pid_namespace=1)
    assert _seconds_to_acquire(tmp_path, 0.5) >= 0.5


def test_suspended_owner_that_was_followed_notices_before_it_writes(
    tmp_path: Path, rival: Rival
) -> None:
    """It names its successor, asks its own run to stop, and cannot take the folder back."""
    rival.take(tmp_path)
    rival.process.send_signal(signal.SIGSTOP)
    with acquire(tmp_path, 0.5, StopFlag()) as mine:
        rival.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        answer = rival.ask("require")
        assert answer["refused"].startswith(f"{tmp_path} was taken over by process {os.getpid()} ")
        assert answer["stop"] == "the loss of the output folder"

        rival.ask("release")
        mine.require()
        assert holder_of(tmp_path).process.pid == os.getpid()


def test_owner_without_a_file_is_no_owner(tmp_path: Path) -> None:
    """Whoever removes it, by hand perhaps, has ended the claim."""
    with acquire(tmp_path, 1.0, StopFlag()) as mine:
        file_of(tmp_path).unlink()
        with pytest.raises(OutputError, match="taken over by another job"):
            mine.require()

    assert _files(tmp_path) == []


def test_numbers_only_grow_and_only_the_newest_stays(tmp_path: Path) -> None:
    """So that a name is never given to two owners."""
    for number in (1, 2, 3):
        with acquire(tmp_path, 1.0, StopFlag()):
            assert _files(tmp_path) == [f"{number:08}.json"]
    (tmp_path / "lease" / "notes.json").touch()
    with acquire(tmp_path, 1.0, StopFlag()):
        assert sorted(_files(tmp_path)) == ["00000004.json", "notes.json"]


def test_challenger_that_slept_through_two_owners_claims_no_number_of_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees the list of names that there was, creates the next, and finds a newer one."""
    for _ in range(3):
        _leave_released(tmp_path)
    newest, looks = lease._newest, iter([1])
    monkeypatch.setattr(lease, "_newest", lambda folder: next(looks, None) or newest(folder))

    with acquire(tmp_path, 1.0, StopFlag()):
        assert _files(tmp_path) == ["00000004.json"]


def test_challenger_that_finds_its_own_file_removed_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody with a newer number was there in the same moment."""
    taken = iter([True])

    def removed(path: Path) -> int | None:
        if next(taken, False):
            path.unlink()
        return lock(path)

    monkeypatch.setattr("job.lease.lock", removed)

    with acquire(tmp_path, 1.0, StopFlag()) as mine:
        mine.require()


def test_stop_ends_the_wait(tmp_path: Path) -> None:
    """A job that watches a silent owner is interrupted like any other."""
    leave_behind(tmp_path)
    stop = StopFlag()
    stop.request("SIGTERM")

    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        acquire(tmp_path, 60.0, stop)


def test_wait_is_told(tmp_path: Path) -> None:
    """Who reads the log knows whom the job waits for, and that it went on without a word."""
    leave_behind(tmp_path)
    with (
        structlog.testing.capture_logs() as events,
        acquire(tmp_path, 0.1, StopFlag()),
    ):
        pass

    assert [event["event"] for event in events] == ["watching the owner", "owner is silent"]
    assert "process 99 on node-9" in events[0]["owner"]


@pytest.mark.parametrize("fault", ["a file", "no names"])
def test_volume_that_cannot_hold_a_lease_is_an_output_error(tmp_path: Path, fault: str) -> None:
    """73, with the place and the cause."""
    if fault == "a file":
        (tmp_path / "lease").touch()
    else:
        (tmp_path / "lease").mkdir()
        (tmp_path / "lease" / "00000001.json").symlink_to("00000001.json")

    with pytest.raises(OutputError, match=str(tmp_path / "lease")):
        acquire(tmp_path, 0.1, StopFlag())


def test_volume_that_fails_for_a_moment_ends_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that can be neither read nor touched is not lost; the next write will tell."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    stop = StopFlag()
    with acquire(tmp_path, 1.0, stop) as mine, monkeypatch.context() as broken:
        broken.setattr(os, "utime", fail)
        broken.setattr("job.lease.look", fail)
        with structlog.testing.capture_logs() as events:
            assert mine.touch()
            mine.require()

    assert [event["event"] for event in events] == ["lease not touched"]
    assert stop.reason is None


def test_lease_that_cannot_be_released_hides_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full volume at the end of a run is told, and the next one finds a dead owner anyway."""

    def full(*_: object) -> None:
        raise OutputError("full")

    monkeypatch.setattr("job.files.write_bytes", full)
    with structlog.testing.capture_logs() as events, acquire(tmp_path, 1.0, StopFlag()):
        pass

    assert [event["event"] for event in events] == ["lease not released"]


def test_process_that_writes_nothing_has_nothing_to_lose() -> None:
    """Of several ranks, rank 0 has the lease."""
    with Lease() as nothing:
        assert nothing.touch()
        nothing.require()
