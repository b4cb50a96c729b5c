"""The job as a user meets it: the program, the real Fashion-MNIST, signals from outside."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch

from conftest import Program
from job.assemble import make_trainee
from job.data.source import read
from job.data.spec import FASHION_MNIST
from job.data.split import in_order
from job.record import RunRecord
from job.settings import Settings

# Seven independent logs of the tutorial; docs/parity.md has the mean of ten seeds.
PUBLISHED_AFTER_FIVE_EPOCHS: Final = (0.640, 0.656)
ONE_SEED_MARGIN: Final = 0.006

Interrupt = Callable[["subprocess.Popen[str]", Path], object]


def by_signal(number: signal.Signals) -> Interrupt:
    """Ask, or kill, from outside."""
    return lambda process, _stop_file: process.send_signal(number)


def by_stop_file(_process: "subprocess.Popen[str]", stop_file: Path) -> None:
    """Ask without any signal."""
    stop_file.touch()


WAYS: Final[dict[str, tuple[Interrupt, int]]] = {
    "SIGTERM": (by_signal(signal.SIGTERM), 75),
    "SIGINT": (by_signal(signal.SIGINT), 75),
    "SIGUSR1": (by_signal(signal.SIGUSR1), 75),
    "SIGUSR2": (by_signal(signal.SIGUSR2), 75),
    "stop file": (by_stop_file, 75),
    "SIGKILL": (by_signal(signal.SIGKILL), -signal.SIGKILL),
}


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(output: Path, data: Path, *flags: str) -> "subprocess.Popen[str]":
    """The job over the real data, its log as a pipe."""
    command = [sys.executable, "-m", "job", "--output-dir", str(output), "--data-dir", str(data)]
    return subprocess.Popen(
        [*command, "--checkpoint-every-seconds", "0.3", *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def await_event(process: "subprocess.Popen[str]", name: str) -> dict[str, Any]:
    """Read the log until an event of that name."""
    assert process.stderr is not None
    for line in process.stderr:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"the job ended without an event {name}")


@pytest.fixture(scope="module")
def five_epochs(real_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the quickstart recipe after five epochs on the real data."""
    output = tmp_path_factory.mktemp("five-epochs") / "output"
    with start(output, real_data_dir, "--epochs", "5") as process:
        _, log = process.communicate(timeout=200)
    assert process.returncode == 0, log
    return output


@pytest.fixture
def record(five_epochs: Path) -> RunRecord:
    """Its record."""
    return RunRecord.model_validate_json((five_epochs / "metrics.json").read_bytes())


def test_quickstart_recipe_reaches_the_published_accuracy(record: RunRecord) -> None:
    """After five epochs the tutorial's readers see 64.0 to 65.6 per cent."""
    low, high = PUBLISHED_AFTER_FIVE_EPOCHS

    assert low - ONE_SEED_MARGIN <= record.evaluation.accuracy <= high + ONE_SEED_MARGIN
    assert record.history[-1].train_loss < record.history[0].train_loss
    assert record.dataset.sha256["train-images-idx3-ubyte"].startswith("c59f468a")


def test_fused_step_equals_the_eager_one_after_an_epoch_of_the_real_data(
    real_data_dir: Path,
) -> None:
    """The weights of 938 steps differ by at most 5e-6, the loss in no digit that is shown."""
    dataset = read(FASHION_MNIST, data_dir=real_data_dir, offline=True)
    trained = {}
    for kind in ("eager", "fused"):
        trainee = make_trainee(Settings(step=kind), dataset, torch.device("cpu"))
        step, batches = trainee.session.step, trainee.session.batches
        for _ in step.run(batches.epoch(in_order(batches.images)), 0):
            pass
        trained[kind] = (step.state(), step.take_loss() / batches.images)

    (eager, eager_loss), (fused, fused_loss) = trained["eager"], trained["fused"]
    assert max(float((eager[name] - fused[name]).abs().max()) for name in eager) < 5e-6
    assert fused_loss == pytest.approx(eager_loss, rel=1e-6)


def test_second_run_says_that_it_is_finished(
    five_epochs: Path, real_data_dir: Path, job: Program
) -> None:
    """The same command trains nothing and ends in 0."""
    before = digest(five_epochs / "metrics.json")

    result = job(
        *("--output-dir", five_epochs, "--data-dir", real_data_dir, "--epochs", "5"),
        *("--log-format", "console"),
    )

    assert result.returncode == 0
    assert "already finished" in result.stderr
    assert "accuracy" in result.stdout
    assert digest(five_epochs / "metrics.json") == before


@pytest.mark.parametrize("kind", ["safetensors", "pth", "pt2"])
def test_weights_of_each_kind_name_an_ankle_boot(
    five_epochs: Path, real_data_dir: Path, job: Program, kind: str
) -> None:
    """The first image of the test set is one, and any of the three files knows it."""
    result = job(
        *("predict", "--test-image", "0", "--data-dir", real_data_dir),
        *("--weights", five_epochs / f"model.{kind}"),
    )

    (prediction,) = json.loads(result.stdout)
    assert (prediction["class"], prediction["label"]) == ("Ankle boot", "Ankle boot")
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def test_program_predicts_without_this_package(five_epochs: Path, tmp_path: Path) -> None:
    """`model.pt2` needs torch alone, and takes any batch size."""
    code = (
        "import sys, torch\n"
        f"program = torch.export.load({str(five_epochs / 'model.pt2')!r}).module()\n"
        "assert program(torch.zeros(3, 1, 28, 28)).shape == (3, 10)\n"
        "assert not any(name.split('.')[0] == 'job' for name in sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False
    )

    assert result.returncode == 0


def test_run_that_was_interrupted_in_every_way_equals_one_that_was_not(
    real_data_dir: Path, tmp_path: Path
) -> None:
    """Each signal, the stop file and a kill; the weights are those of an uninterrupted run."""
    whole, broken, stop_file = tmp_path / "whole", tmp_path / "broken", tmp_path / "stop"
    flags = ("--epochs", "2", "--stop-file", str(stop_file))
    for interrupt, code in WAYS.values():
        stop_file.unlink(missing_ok=True)
        with start(broken, real_data_dir, *flags) as process:
            await_event(process, "loss")
            interrupt(process, stop_file)
            process.communicate(timeout=60)
        assert process.returncode == code
    for output in (broken, whole):
        with start(output, real_data_dir, *flags) as process:
            process.communicate(timeout=120)
        assert process.returncode == 0

    attempts = [json.loads(line) for line in (broken / "attempts.jsonl").read_text().splitlines()]
    assert [attempt["exit_code"] for attempt in attempts] == [75, 75, 75, 75, 75, None, 0]
    assert digest(broken / "model.safetensors") == digest(whole / "model.safetensors")
    assert _results(broken) == _results(whole)


def _results(output: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    timed = {"train_seconds", "images_per_second", "test_seconds"}
    return [{name: row[name] for name in row.keys() - timed} for row in rows]
