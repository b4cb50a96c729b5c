"""A run under torchrun: it loses the exit code, but not what the ranks have saved."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from conftest import Program, small_job_command
from job.data.spec import DatasetSpec
from job.errors import ExitCode

TORCHRUN: Final = (sys.executable, "-m", "torch.distributed.run", "--standalone")
# More epochs than two ranks can train between their first checkpoint and a signal.
FLAGS: Final = ("--device", "cpu", "--learning-rate", "0.02", "--epochs", "40")
LIMIT_SECONDS: Final = 90

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def torchrun(small_data: tuple[Path, DatasetSpec], tmp_path: Path) -> Iterator[Start]:
    """Start torchrun with two ranks that train into `tmp_path`; none outlives the test."""
    started: list[int] = []

    def start() -> "subprocess.Popen[str]":
        _, *job = small_job_command(small_data)
        process = subprocess.Popen(
            [*TORCHRUN, "--nproc-per-node=2", *job, "--output-dir", str(tmp_path), *FLAGS],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process.pid)
        _wait_for_a_checkpoint(tmp_path)
        started.extend(_children(process.pid))
        return process

    yield start
    for process in reversed(started):
        subprocess.run(["kill", "-KILL", str(process)], check=False, capture_output=True)


def test_termination_is_1_for_torchrun_and_the_job_goes_on(
    torchrun: Start, small_job: Program, tmp_path: Path
) -> None:
    """SIGTERM reaches the ranks, which save and leave with 75; the same command goes on."""
    process = torchrun()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT_SECONDS)
    again = small_job("--output-dir", tmp_path, *FLAGS)

    assert process.returncode == 1
    assert again.returncode == ExitCode.FINISHED, again.stderr
    first, second = _attempts(tmp_path)
    assert (first["exit_code"], first["ended"]) == (ExitCode.INTERRUPTED, "stopped by SIGTERM")
    assert first["lost_steps"] == 0
    assert second["resumed_from_step"] == first["step"] is not None


def test_user_signal_kills_torchrun_and_the_ranks_are_not_asked_to_stop(
    torchrun: Start, tmp_path: Path
) -> None:
    """They see that their store is gone and leave with 75, with what they had saved before."""
    process = torchrun()
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=LIMIT_SECONDS)  # the pipe is open until the ranks are gone, too
    (attempt,) = _attempts(tmp_path)

    assert process.returncode == -signal.SIGUSR1
    assert attempt["exit_code"] == ExitCode.INTERRUPTED
    assert "store is gone" in attempt["ended"]
    assert any(tmp_path.glob("checkpoints/step-*/manifest.json"))


def _attempts(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "attempts.jsonl").read_text().splitlines()]


def _children(process: int) -> list[int]:
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def _wait_for_a_checkpoint(output: Path) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not list(output.glob("checkpoints/step-*/manifest.json")):
        assert time.monotonic() < until, "no checkpoint came"
        time.sleep(0.05)
