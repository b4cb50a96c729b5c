"""Claims about `job.launch.crew`, with ranks that are real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from job.launch.crew import Crew
from job.launch.endings import Ending
from job.launch.launcher import rank_environments
from job.stop import StopFlag
from job.world.placement import Node

PROGRAM: Final = str(Path(__file__).with_name("launched_rank.py"))
# A launcher has no other threads, the process of the tests has.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def crew(folder: Path, processes: int, *deeds: str, grace_seconds: float = 1.0) -> Crew:
    """Ranks that do their deeds."""
    environments = rank_environments(os.environ, Node(0, 1, "127.0.0.1", 9, "test"), processes)
    command = [sys.executable, PROGRAM, str(folder), str(processes), *deeds]
    return Crew(command, environments, grace_seconds)


def report(folder: Path, rank: int) -> dict[str, Any]:
    """What a rank saw, once it has begun."""
    path, until = folder / f"rank-{rank}.json", time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and (text := path.read_text()):
            return dict(json.loads(text))
        time.sleep(0.01)
    raise AssertionError(path)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@contextmanager
def launcher(folder: Path, *deeds: str) -> Iterator["subprocess.Popen[str]"]:
    """A launcher of two ranks in a process group of its own, when its ranks have begun."""
    command = [sys.executable, PROGRAM, str(folder), "2", *deeds]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, process_group=0)
    try:
        for rank in range(2):
            report(folder, rank)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ranks_that_finish_are_no_failure(tmp_path: Path) -> None:
    """Each has run, as a process of its own."""
    assert crew(tmp_path, 3).attend(StopFlag()) is None
    assert len({report(tmp_path, rank)["pid"] for rank in range(3)}) == 3


@pytest.mark.parametrize(
    ("deed", "status"), [("lack", 65), ("crash", 1), ("fault", -11), ("starve", -9)]
)
def test_first_failure_counts(tmp_path: Path, deed: str, status: int) -> None:
    """The others are asked to stop, and end with 75 because of it, which is not the reason."""
    first = crew(tmp_path, 3, "0=stop", f"1={deed}", "2=stop").attend(StopFlag())

    assert first == Ending(1, status)
    for rank in (0, 2):
        assert report(tmp_path, rank)["signals"] == ["SIGTERM"]


def test_last_word_is_that_of_the_rank_that_failed(tmp_path: Path) -> None:
    """However many write one after it, and whoever ends first because of it."""
    first = crew(tmp_path, 3, "0=lose", "1=lag", "2=stop", grace_seconds=20.0).attend(StopFlag())

    assert first == Ending(1, 65)
    assert json.loads(first.last_word)["reason"] == "nowhere"


def test_rank_that_was_killed_has_no_last_word(tmp_path: Path) -> None:
    """What it could not say, the launcher tells."""
    first = crew(tmp_path, 2, "0=stop", "1=starve").attend(StopFlag())

    assert first == Ending(1, -9)
    assert first.last_word == ""


def test_failure_is_logged_at_once(tmp_path: Path) -> None:
    """With the rank and how it ended; the reason is in its own words."""
    with capture_logs() as events:
        crew(tmp_path, 2, "0=stop", "1=fault").attend(StopFlag())

    assert events == [
        {
            "event": "rank ended",
            "log_level": "warning",
            "seen": "rank 1 was ended by SIGSEGV",
            "others": 1,
        }
    ]


def test_rank_that_ignores_the_end_is_killed(tmp_path: Path) -> None:
    """It has had its time; the exit code is still that of the one that failed."""
    began = time.monotonic()
    with capture_logs() as events:
        first = crew(tmp_path, 3, "0=cling", "1=lack", "2=stop").attend(StopFlag())

    assert first == Ending(1, 65)
    assert not is_alive(report(tmp_path, 0)["pid"])
    assert 1.0 <= time.monotonic() - began < 20.0
    assert events[-1] == {
        "event": "ranks killed",
        "log_level": "warning",
        "ranks": [0],
        "after_seconds": 1.0,
    }


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"])
def test_stop_signal_reaches_each_rank_once(tmp_path: Path, name: str) -> None:
    """It is passed on as it came; all ranks save, and the job ends with their 75."""
    ranks, stop = crew(tmp_path, 2, "0=stop", "1=stop", grace_seconds=20.0), StopFlag()
    for rank in range(2):
        report(tmp_path, rank)
    stop.request(name)

    assert ranks.attend(stop) in (Ending(0, 75), Ending(1, 75))
    assert [report(tmp_path, rank)["signals"] for rank in range(2)] == [[name], [name]]


def test_stop_file_is_left_to_the_ranks(tmp_path: Path) -> None:
    """They look for it themselves, and a signal would say something else."""
    ranks, stop = crew(tmp_path, 2, "0=finish", "1=finish"), StopFlag()
    stop.request("stop file x")

    assert ranks.attend(stop) is None
    assert [report(tmp_path, rank)["signals"] for rank in range(2)] == [[], []]


def test_ranks_die_with_their_launcher(tmp_path: Path) -> None:
    """Though nothing told them, and though they would not listen."""
    with launcher(tmp_path, "0=cling", "1=cling") as process:
        pids = [report(tmp_path, rank)["pid"] for rank in range(2)]
        assert all(map(is_alive, pids))
        process.kill()
        process.wait()
        until = time.monotonic() + 10
        while any(map(is_alive, pids)) and time.monotonic() < until:
            time.sleep(0.01)
        assert not any(map(is_alive, pids))


def test_ctrl_c_reaches_each_rank_once(tmp_path: Path) -> None:
    """A terminal sends it to the whole process group, in which the ranks are not."""
    with launcher(tmp_path, "0=stop", "1=stop") as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 75

    assert [report(tmp_path, rank)["signals"] for rank in range(2)] == [["SIGINT"], ["SIGINT"]]


def test_rank_whose_launcher_is_gone_already_does_not_begin() -> None:
    """It may die between the fork and the wish to die with it."""
    code = (
        "import os, sys; from job.launch.crew import _bound_to_this_process as bound;"
        "bind = bound(); os.getppid = lambda: 1; bind(); sys.exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
