"""A run of several ranks as a user meets it: one command, one result, nothing lost."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from safetensors.torch import load_file

from conftest import Program, small_job_command
from job.data.spec import DatasetSpec
from job.errors import ExitCode
from job.world.torchrun import as_rank
from rank_processes import places

FLAGS: Final = ("--device", "cpu", "--learning-rate", "0.02", "--log-format", "json")
TWO_RANKS: Final = (*FLAGS, "--processes-per-node", "2", "--epochs", "2")
LONG: Final = (*FLAGS, "--processes-per-node", "2", "--epochs", "300")
# Twenty steps at a rate of 0.02, whose sums are cut in two.
TOLERANCE: Final = 1e-6

# A stop that came once in sixteen batches, as it once did, would take longer.
SLOW_BATCHES: Final = 10
SECONDS_A_BATCH: Final = 1.0
SLOW_NETWORK: Final = f"""
import time
from torch import nn

class Slow(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(28 * 28, classes)

    def forward(self, images):
        time.sleep({SECONDS_A_BATCH} if self.training else 0)
        return self.linear(images.flatten(1))

def make(classes, channels):
    return Slow(classes)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(small_data: tuple[Path, DatasetSpec]) -> Start:
    """Start the job over the small dataset and go on."""

    def begin(output: Path, *flags: str) -> "subprocess.Popen[str]":
        command = [*small_job_command(small_data), "--output-dir", str(output), *flags]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    return begin


@pytest.fixture(scope="module")
def two_ranks(
    small_data: tuple[Path, DatasetSpec], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The volume of an uninterrupted run of two ranks."""
    output = tmp_path_factory.mktemp("two")
    command = [*small_job_command(small_data), "--output-dir", str(output), *TWO_RANKS]
    subprocess.run(command, check=True, timeout=300)
    return output


def test_two_ranks_end_as_one_does(two_ranks: Path, tmp_path: Path, small_job: Program) -> None:
    """Weights within a stated tolerance, and the same evaluation."""
    alone = small_job("--output-dir", tmp_path, *FLAGS, "--epochs", "2", "--step", "eager")
    together, one = (_record(folder) for folder in (two_ranks, tmp_path))

    assert alone.returncode == 0
    assert _distance(two_ranks, tmp_path) < TOLERANCE
    assert together["evaluation"]["confusion"] == one["evaluation"]["confusion"]
    assert together["history"][1]["train_loss"] == pytest.approx(one["history"][1]["train_loss"])


def test_record_names_the_step_and_the_ranks(two_ranks: Path) -> None:
    """Whoever reads it knows how many trained, and there is one record and one ledger."""
    device = _record(two_ranks)["device"]

    assert (device["step"], device["ranks"], device["nodes"]) == ("shared", 2, 1)
    assert len((two_ranks / "attempts.jsonl").read_text().splitlines()) == 1


def test_stop_reaches_all_ranks_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    """SIGTERM to the launcher: 75 with a checkpoint; a second run goes on from it."""
    first = start(tmp_path, *LONG)
    _wait_for_a_checkpoint(tmp_path)
    first.send_signal(signal.SIGTERM)
    _, log = first.communicate(timeout=60)

    assert first.returncode == ExitCode.INTERRUPTED
    assert "stopping" in log
    second = start(tmp_path, *LONG)
    assert "resumed" in _log_until(second, "resumed")
    second.send_signal(signal.SIGTERM)
    assert _ended(second) == ExitCode.INTERRUPTED
    first_attempt, second_attempt = map(json.loads, _lines(tmp_path / "attempts.jsonl"))
    assert second_attempt["resumed_from_step"] == first_attempt["step"]


def test_stop_waits_for_no_more_than_a_slow_batch(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranks agree by time: sixteen batches of a large network would outlast a grace period."""
    (tmp_path / "slow_nets.py").write_text(SLOW_NETWORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    slow = ("--model", "slow_nets:make", "--checkpoint-every-seconds", "1", "--batch-size", "16")
    job = start(tmp_path / "output", *LONG, *slow)
    assert _log_until(job, '"event": "checkpoint"')
    asked_at = time.monotonic()
    job.send_signal(signal.SIGTERM)

    assert _ended(job) == ExitCode.INTERRUPTED
    assert time.monotonic() - asked_at < SLOW_BATCHES * SECONDS_A_BATCH


def test_interrupted_ranks_end_with_the_weights_of_uninterrupted_ones(
    two_ranks: Path, start: Start, tmp_path: Path
) -> None:
    """To the bit, though every rank had to be told where to go on."""
    stop_file = tmp_path / "stop"
    stop_file.touch()
    flags = (*TWO_RANKS, "--stop-file", str(stop_file))
    output = tmp_path / "output"
    assert _ended(start(output, *flags)) == ExitCode.INTERRUPTED
    stop_file.unlink()

    assert _ended(start(output, *flags)) == ExitCode.FINISHED
    assert _distance(two_ranks, output) == 0


def test_lost_rank_is_named_and_the_job_can_go_on(start: Start, tmp_path: Path) -> None:
    """A rank that the kernel kills takes the others along: 75, and no rank is left over."""
    job = start(tmp_path, *LONG)
    _wait_for_a_checkpoint(tmp_path)
    victim = _children(job.pid)[1]
    victim_at = time.monotonic()
    subprocess.run(["kill", "-KILL", str(victim)], check=True)
    _, log = job.communicate(timeout=60)

    assert job.returncode == ExitCode.INTERRUPTED
    assert "rank 1 was ended by SIGKILL" in log
    assert time.monotonic() - victim_at < 30
    assert _children(job.pid) == []


@pytest.mark.parametrize("culprit", [0, 1])
def test_rank_that_cannot_begin_takes_the_others_along(
    small_data: tuple[Path, DatasetSpec], tmp_path: Path, culprit: int
) -> None:
    """Within seconds; a 75 of theirs would hide from srun that trying again is in vain."""
    (tmp_path / "file").touch()
    command = [*small_job_command(small_data), "--epochs", "300", *FLAGS, "--output-dir"]
    output = tmp_path / "file" if culprit == 0 else tmp_path
    ranks = [
        subprocess.Popen(
            [*command, str(output), *(["--model", "odd:net"] if place.rank == culprit else [])],
            env=as_rank(os.environ, place),
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places(2)
    ]
    began = time.monotonic()
    codes = [_ended(rank) for rank in ranks]

    assert codes == [ExitCode.OUTPUT if culprit == 0 else ExitCode.SETTINGS] * 2
    assert time.monotonic() - began < 60


def test_batch_that_ranks_cannot_share_is_refused(start: Start, tmp_path: Path) -> None:
    """Told before anything is trained, with the number of ranks in it."""
    job = start(tmp_path, *FLAGS, "--processes-per-node", "3")
    _, log = job.communicate(timeout=120)

    assert job.returncode == ExitCode.SETTINGS
    assert "JOB_BATCH_SIZE=64" in log


def _record(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text())


def _distance(a: Path, b: Path) -> float:
    left, right = (load_file(folder / "model.safetensors") for folder in (a, b))
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _wait_for_a_checkpoint(output: Path) -> None:
    until = time.monotonic() + 90
    while not list(output.glob("checkpoints/step-*/manifest.json")):
        assert time.monotonic() < until, "no checkpoint came"
        time.sleep(0.05)


def _ended(job: "subprocess.Popen[str]") -> int:
    job.communicate(timeout=120)
    return job.returncode


def _log_until(job: "subprocess.Popen[str]", event: str) -> str:
    assert job.stderr is not None
    return next(line for line in job.stderr if event in line)


def _children(pid: int) -> list[int]:
    told = subprocess.run(
        ["ps", "--no-headers", "-o", "pid", "--ppid", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted(int(number) for number in told.stdout.split())
