"""Claims about `job.stop`."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from job import stop
from job.stop import StopFlag

NAMES = ["SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"]


@pytest.fixture
def flag() -> Iterator[StopFlag]:
    """A flag that the signals of this process set, until the test is over."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    flag = StopFlag()
    flag.install()
    yield flag
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every look that is taken at a file."""
    looks: list[Path] = []
    exists = Path.exists

    def watched(path: Path) -> bool:
        looks.append(path)
        return exists(path)

    monkeypatch.setattr(Path, "exists", watched)
    return looks


def test_nothing_asks_at_first(flag: StopFlag) -> None:
    """Neither a flag without handlers nor one with them is set by itself."""
    assert flag.reason is None
    assert StopFlag().reason is None


@pytest.mark.parametrize("name", NAMES)
def test_each_signal_asks_by_its_name(flag: StopFlag, name: str) -> None:
    """None of them ends the process or raises; each can be told from the others."""
    signal.raise_signal(signal.Signals[name])
    assert flag.reason == name


def test_first_reason_is_kept(flag: StopFlag) -> None:
    """Whoever comes second did not stop the run."""
    flag.request("out of time")
    signal.raise_signal(signal.SIGTERM)
    flag.request("something else")
    assert flag.reason == "out of time"


def test_burst_of_signals_is_one_request(flag: StopFlag) -> None:
    """Signals from elsewhere, in the middle of anything, disturb no work."""

    def burst() -> None:
        for count in range(400):
            os.kill(os.getpid(), stop.SIGNALS[count % len(stop.SIGNALS)])

    sender = threading.Thread(target=burst)
    sender.start()
    total = 0
    while sender.is_alive():
        total += len(sorted(range(100), reverse=True))
    sender.join()

    assert total % 100 == 0
    assert flag.reason in NAMES


def test_handler_only_sets_the_flag(
    flag: StopFlag, looks: list[Path], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No file is looked at and nothing is written, because a handler runs in the middle of that."""
    flag.watch(tmp_path)
    signal.raise_signal(signal.SIGTERM)

    assert flag.reason == "SIGTERM"
    assert looks == []
    assert capfd.readouterr() == ("", "")


def test_stop_file_asks_by_its_name(tmp_path: Path) -> None:
    """Once it was seen, it need not stay."""
    flag, stop_file = StopFlag(), tmp_path / "stop"
    stop_file.touch()
    flag.watch(stop_file)
    assert flag.reason == f"stop file {stop_file}"

    stop_file.unlink()
    assert flag.reason == f"stop file {stop_file}"


def test_stop_file_may_appear_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts at the next look, which is a tenth of a second away at most."""
    clock = SimpleNamespace(monotonic=lambda: 7.0)
    monkeypatch.setattr(stop, "time", clock)
    flag, stop_file = StopFlag(), tmp_path / "stop"
    flag.watch(stop_file)
    assert flag.reason is None

    stop_file.touch()
    clock.monotonic = lambda: 7.11
    assert flag.reason == f"stop file {stop_file}"


def test_stop_file_is_looked_at_ten_times_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[Path]
) -> None:
    """However often the flag is asked, a network volume is not."""
    times = iter(count / 1000 for count in range(2000))
    now = next(times)
    monkeypatch.setattr(stop, "time", SimpleNamespace(monotonic=lambda: now))
    flag = StopFlag()
    flag.watch(tmp_path / "stop")
    for now in times:  # noqa: B007  # the clock reads it
        assert flag.reason is None

    assert looks == [tmp_path / "stop"] * len(looks)
    assert 15 <= len(looks) <= 20


def test_no_stop_file_is_no_request(looks: list[Path]) -> None:
    """Without one, nothing is looked at."""
    flag = StopFlag()
    flag.watch(None)
    assert flag.reason is None
    assert looks == []
