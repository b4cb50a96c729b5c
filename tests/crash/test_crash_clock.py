"""A clock that jumps by years, forwards and back, decides nothing."""

import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import scale
from job.data.spec import DatasetSpec
from proof import Proof
from small_run import LEASE_SECONDS, SmallRun, Whole, await_that
from warm import Attempt, Warm, warm_start

pytest_plugins = ["crash_fixtures"]

LIBRARIES: Final = ("/usr/lib", "*/faketime/libfaketimeMT.so.1")
REAL_SLEEP: Final = Path(__file__).with_name("real_sleep.c")
OFFSETS: Final = ("-3650d", "-1h", "-1s", "+0", "+1s", "+1h", "+3650d")
JUMP_SECONDS: Final = 0.1
GOES_ON: Final = 0.85  # the chance that an attempt sees one jump more


@dataclass(frozen=True)
class Clock:
    """The calendar of a warm start's attempts; what counts seconds goes on, as on a real node."""

    offset: Path
    warm: Warm

    def jump(self, offset: str) -> None:
        """Be that far off from now on, for processes that run already, too."""
        replacement = self.offset.with_suffix(".new")
        replacement.write_text(offset + "\n")
        replacement.replace(self.offset)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clock]:
    """A clock that can be set while others look at it."""
    folder = tmp_path_factory.mktemp("clock")
    offset = folder / "offset"
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": ":".join(map(str, (_real_sleep(folder), _libfaketime()))),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with warm_start(folder, **environment) as warm:
        yield Clock(offset, warm)


def _libfaketime() -> Path:
    library = next(Path(LIBRARIES[0]).glob(LIBRARIES[1]), None)
    if library is None:
        raise FileNotFoundError("libfaketime is needed: apt-get install libfaketime")
    return library


def _real_sleep(folder: Path) -> Path:
    library = folder / "real_sleep.so"
    strict = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run(["cc", *strict, "-o", str(library), str(REAL_SLEEP)], check=True)
    return library


def test_run_under_a_jumping_clock_ends_as_under_a_good_one(
    clock: Clock, proof: Proof, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """It is stopped, killed and started again at dates that are years apart."""
    years: set[str] = set()
    while proof.done["jumps"] < scale.of(quick=60, full=2_000):
        run = SmallRun(clock.warm, small_data[0], tmp_path / f"output-{proof.done['runs']}")
        returncode = None
        while returncode != 0:
            attempt = run.start()
            returncode = _broken_off(attempt, clock, proof)
            years |= {event["timestamp"][:4] for event in attempt.events()}
        assert run.results() == whole.results
        proof.count("runs")
    assert len(years) > 1


def test_silent_owner_is_watched_for_as_long_whatever_the_clock_says(
    clock: Clock, proof: Proof, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """One that was killed before it had said who it is, as a challenger sees it."""
    run = SmallRun(clock.warm, small_data[0], tmp_path / "output")
    lease = run.output / "lease" / "00000001.json"
    lease.parent.mkdir(parents=True)
    lease.touch()
    attempt = run.start()
    await_that(lambda: _is_watching(attempt), attempt)
    began = time.monotonic()
    while attempt.is_running and _is_watching(attempt):
        _jump(clock, proof)
    watched = time.monotonic() - began
    assert attempt.wait().returncode == 0
    assert run.results() == whole.results
    assert 0.8 * LEASE_SECONDS < watched < 3 * LEASE_SECONDS


def _broken_off(attempt: Attempt, clock: Clock, proof: Proof) -> int:
    # One that watches is left alone: killed each time, it would have to begin its watch anew.
    while attempt.is_running and (_is_watching(attempt) or proof.choose.random() < GOES_ON):
        _jump(clock, proof)
    attempt.kill(proof.choose.choice([signal.SIGTERM, signal.SIGKILL]))
    ended = attempt.wait()
    assert ended.returncode in {0, 75, -signal.SIGKILL, -signal.SIGTERM}, attempt.log.read_text()
    return ended.returncode


def _jump(clock: Clock, proof: Proof) -> None:
    clock.jump(proof.choose.choice(OFFSETS))
    proof.count("jumps")
    time.sleep(JUMP_SECONDS)


def _is_watching(attempt: Attempt) -> bool:
    told = [event["event"] for event in attempt.events()]
    return "watching the owner" in told and "owner is silent" not in told
