"""The output folder has one owner, whatever happens to jobs: real ones, and signals to them."""

import hashlib
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

from conftest import ROOT, small_job_command
from job.data.spec import DatasetSpec
from job.errors import ExitCode

Start = Callable[..., "subprocess.Popen[str]"]


def lines_of(output: Path) -> list[dict[str, Any]]:
    """The ledger."""
    return [json.loads(line) for line in (output / "attempts.jsonl").read_text().splitlines()]


def digests_of(output: Path) -> dict[str, str]:
    """Every file of the folder."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def start(small_data: tuple[Path, DatasetSpec]) -> Iterator[Start]:
    """The job over the small dataset, which takes long if it is left alone; its log is a pipe."""
    started: list[subprocess.Popen[str]] = []

    def begin(*flags: str, program: list[str] | None = None, **environment: str) -> Any:
        command = [*(program or small_job_command(small_data)), "--output-dir=output", *flags]
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def await_event(process: "subprocess.Popen[str]", name: str) -> dict[str, Any]:
    """Read the log until an event of that name."""
    assert process.stderr is not None
    for line in process.stderr:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"the job ended without an event {name}")


def last_event(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for the end, and give what was said last."""
    _, log = process.communicate(timeout=120)
    return dict(json.loads(log.splitlines()[-1]))


LONG: Final = ("--epochs=100000", "--checkpoint-every-seconds=0.2")


def test_second_job_on_a_folder_leaves_with_73_and_the_first_goes_on(start: Start) -> None:
    """It names node, process and time, and has written nothing."""
    first = start(*LONG)
    await_event(first, "epoch")
    second = start(*LONG)
    told = last_event(second)

    assert second.returncode == ExitCode.OUTPUT == told["exit_code"]
    assert f"is held by process {first.pid} on " in told["reason"]
    assert len(lines_of(Path("output"))) == 1
    first.send_signal(signal.SIGTERM)
    assert last_event(first)["exit_code"] == ExitCode.INTERRUPTED == first.returncode


def test_job_that_was_suspended_and_followed_ends_with_73(start: Start) -> None:
    """It wakes up beside its successor, and not a byte of the folder is its own any more."""
    first = start(*LONG)
    await_event(first, "epoch")
    first.send_signal(signal.SIGSTOP)
    second = start("--epochs=100000", "--checkpoint-every-seconds=1000", "--lease-seconds=5")
    await_event(second, "resumed")
    second.send_signal(signal.SIGSTOP)
    before = digests_of(Path("output"))

    first.send_signal(signal.SIGCONT)
    told = last_event(first)

    assert first.returncode == ExitCode.OUTPUT == told["exit_code"]
    assert f"was taken over by process {second.pid} on " in told["reason"]
    assert digests_of(Path("output")) == before


def test_killed_job_is_followed_at_once_and_its_line_is_completed(start: Start) -> None:
    """How far it came and how long it ran is known by its heartbeat; what it lost, too."""
    first = start(*LONG)
    await_event(first, "epoch")
    time.sleep(1.5)
    first.kill()
    first.communicate()
    second = start(*LONG)
    log = [await_event(second, "resumed")]
    second.send_signal(signal.SIGTERM)
    second.communicate()

    killed, followed = lines_of(Path("output"))
    assert (killed["ended"], killed["exit_code"]) == (None, None)
    assert killed["step"] == followed["found_step"] == followed["resumed_from_step"]
    assert killed["lost_steps"] == killed["reached_step"] - killed["step"] >= 0
    assert (killed["seconds_known_by"], followed["seconds_known_by"]) == ("heartbeat", "itself")
    assert killed["seconds"] > 1
    assert log[0]["step"] == killed["step"]


def test_stalled_job_shows_its_stacks_and_ends_with_82(
    start: Start, small_data: tuple[Path, DatasetSpec], tmp_path: Path
) -> None:
    """The ledger and the last word of the container say so; the next attempt goes on."""
    (tmp_path / "last-word").touch()
    program = [sys.executable, str(ROOT / "tests" / "stalling_job.py"), "4", str(small_data[0])]
    stalled = start(
        *("--epochs=3", "--stall-seconds=2"),
        program=program,
        TERMINATION_LOG=str(tmp_path / "last-word"),
    )
    _, log = stalled.communicate(timeout=120)

    assert stalled.returncode == ExitCode.STALLED
    assert "in stalling_train" in log
    assert json.loads(log.splitlines()[-1])["event"] == "stalled"
    reason = "no progress for 2 s in the phase training, at step 14"
    last_word = json.loads((tmp_path / "last-word").read_text())
    assert (last_word["code"], last_word["reason"]) == (82, reason)
    assert last_word["checkpoint"] == "output/checkpoints/step-00000010"
    (line,) = lines_of(Path("output"))
    assert (line["exit_code"], line["ended"]) == (82, reason)
    assert (line["step"], line["lost_steps"]) == (10, 4)

    again = start("--epochs=3")
    assert last_event(again)["event"] == "finished"
    record = json.loads(Path("output/metrics.json").read_text())
    assert record["goodput"]["lost_steps"] == 4
    assert record["goodput"]["elapsed_seconds"] > line["seconds"] > 2
