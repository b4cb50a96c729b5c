"""The whole job with `JOB_TENSORBOARD=true`: killed, gone on with, and read by TensorBoard."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from conftest import Program, small_job_command
from job.commands import execute
from job.data.spec import DatasetSpec
from job.errors import ExitCode
from job.record import EpochRecord
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from test_tensorboard_events import loaded, require_history

FLAGS: Final = ("--tensorboard", "--epochs", "9", "--learning-rate", "0.02")
DEADLINE_SECONDS: Final = 60.0
ADDRESS: Final = re.compile(r"http://[^ ]+/")


def history_in(output_dir: Path) -> list[EpochRecord]:
    """The epochs of `metrics.jsonl`."""
    lines = (output_dir / "metrics.jsonl").read_text().splitlines()
    return [EpochRecord(**json.loads(line)) for line in lines]


def warnings_in(stderr: str) -> list[Any]:
    """What the log has above the level of information."""
    told = [json.loads(line) for line in stderr.splitlines()]
    return [each for each in told if each["level"] != "info"]


def kill_after(epoch: int, command: list[str]) -> None:
    """Start the job, and kill it when it has told of that epoch."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            told = json.loads(line)
            if told["event"] == "epoch" and told["epoch"] == epoch:
                process.kill()
    assert process.returncode == -9


def test_run_that_was_killed_twice_has_each_epoch_once(
    small_data: tuple[Path, DatasetSpec], small_job: Program, tmp_path: Path
) -> None:
    """Each with the very numbers of `metrics.jsonl`, and one file for each attempt."""
    flags = [*FLAGS, "--output-dir", str(tmp_path / "output")]
    for epoch in (2, 5):
        kill_after(epoch, [*small_job_command(small_data), *flags])
    done = small_job(*flags)

    assert (done.returncode, warnings_in(done.stderr)) == (0, [])
    history = history_in(tmp_path / "output")
    assert [each.epoch for each in history] == list(range(1, 10))
    require_history(tmp_path / "output" / "tensorboard", history)
    (picture,) = loaded(tmp_path / "output" / "tensorboard").Images("confusion_matrix")
    png = tmp_path / "output" / "plots" / "confusion-matrix.png"
    assert picture.encoded_image_string == png.read_bytes()


def test_run_without_it_leaves_no_events_and_loads_no_package(
    small_job: Program, tmp_path: Path
) -> None:
    """Whoever does not ask for it does not pay for it."""
    done = small_job("--epochs", "1", "--output-dir", tmp_path, PYTHONVERBOSE="1")

    assert done.returncode == 0
    assert not (tmp_path / "tensorboard").exists()
    assert "import 'job.tensorboard.board'" in done.stderr
    assert "import 'tensorboard" not in done.stderr
    assert "import 'job.tensorboard.events'" not in done.stderr


def test_folder_that_cannot_be_written_is_never_the_jobs_failure(
    small_job: Program, tmp_path: Path
) -> None:
    """One warning, and all that the contract promises."""
    (tmp_path / "tensorboard").touch()
    done = small_job("--tensorboard", "--epochs", "1", "--output-dir", tmp_path)
    (warning,) = warnings_in(done.stderr)

    assert done.returncode == 0
    assert warning["event"] == "tensorboard given up"
    assert (tmp_path / "metrics.json").exists()


def test_missing_package_is_78_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after hours of training, and not silently."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    flags = ["--tensorboard", "--output-dir", str(tmp_path / "output")]

    assert execute("train", flags, StopFlag(), Stopwatch()) == ExitCode.SETTINGS
    assert "pip install '.[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


@contextmanager
def tensorboard_over(folder: Path) -> Iterator[str]:
    """TensorBoard's own server, started by its own command on a free port; its address."""
    flags = ["--logdir", str(folder), "--host", "127.0.0.1", "--port", "0", "--load_fast=false"]
    command = [sys.executable, "-m", "tensorboard.main", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield next(found[0] for line in server.stderr or () if (found := ADDRESS.search(line)))
        finally:
            server.kill()


def get(address: str, question: object = None) -> Any:
    """What the server answers, as JSON."""
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(  # noqa: S310  # an address of ours
        address, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # likewise
        return json.loads(answer.read())


def await_run(address: str) -> Any:
    """The tags of all runs, as soon as the server has read one."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (tags := get(f"{address}data/plugin/scalars/tags")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return tags


def test_page_of_tensorboard_shows_scalars_picture_and_hyperparameters(
    small_job: Program, tmp_path: Path
) -> None:
    """Its own server is asked for what its page asks it for."""
    assert small_job(*FLAGS, "--output-dir", tmp_path / "run-7").returncode == 0
    history = history_in(tmp_path / "run-7")
    with tensorboard_over(tmp_path) as address:
        ((run, tags),) = await_run(address).items()
        query = f"run={run.replace(os.sep, '%2F')}&tag=accuracy%2Ftest"
        points = get(f"{address}data/plugin/scalars/scalars?{query}")
        images = get(f"{address}data/plugin/images/tags")
        wanted = {"experimentName": "", "startIndex": 0, "sliceSize": 9, "allowedStatuses": STATES}
        sessions = get(f"{address}data/plugin/hparams/session_groups", wanted)

    assert set(tags) >= {"loss/train", "loss/test", "accuracy/test"}
    assert [point[1] for point in points] == [each.epoch for each in history]
    assert [point[2] for point in points] == pytest.approx([e.test_accuracy for e in history])
    assert images[run].keys() == {"confusion_matrix"}
    (group,) = sessions["sessionGroups"]
    assert group["hparams"]["learning_rate"] == 0.02
    assert {each["name"]["tag"] for each in group["metricValues"]} >= {"accuracy/test"}


STATES: Final = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
