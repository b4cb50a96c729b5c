"""Networks other than the quickstart's keep its promises: exact resume, whole results, clear ends.

Small pictures and few of them: the claims are about numbers that are equal, not good.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import Program
from job import checkpoint, weights
from job.assemble import Trainee, make_trainee
from job.data.dataset import Dataset
from job.data.split import plan_epoch
from job.delivered import delivered_beside
from job.errors import ExitCode, SettingsError
from job.evaluate import share_buffers
from job.session import CHECKPOINTS
from job.settings import Settings
from job.train import START, train
from job.world import ALONE, World
from other_data import FOLDER_CLASSES, image_folder

CPU: Final = torch.device("cpu")
SMALL: Final[dict[str, Any]] = {
    "image_size": 32,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.05,
}
MODULE: Final = """
from torch import nn

def make(classes, channels):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

class Stubborn(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(1, classes)

    def forward(self, images):
        brightness = images.mean((1, 2, 3))
        return self.linear(brightness[:, None] * (2 if brightness.sum().item() > 7 else 1))

def stubborn(classes, channels):
    return Stubborn(classes)
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def _dataset(images: int = 20, shape: tuple[int, ...] = (28, 28)) -> Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (images, *shape), np.uint8)
    labels = np.arange(images) % 4
    parts = pixels, labels, pixels[:6], labels[:6]
    return Dataset("some", ("a", "b", "c", "d"), *parts, {"train": "0"}, Path())


def _trainee(folder: Path, dataset: Dataset | None = None, **settings: Any) -> Trainee:
    chosen = {**SMALL, "output_dir": folder, **settings}
    return make_trainee(Settings(**chosen), dataset or _dataset(), CPU)


def _go_on(trainee: Trainee, until: int | None = None) -> None:
    session = trainee.session

    def plan(epoch: int) -> Any:
        return plan_epoch(0, epoch, session.batches.images, horizontal_flip=True)

    for position in train(session.step, session.batches, plan, 2, session.position):
        session.arrive(position)
        if session.steps == until:
            return
        if session.epoch_is_over:
            session.position = session.position._replace(epoch=position.epoch + 1, batch=0)


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small", "other_nets:make"])
@pytest.mark.parametrize("stopped_at", [2, 4])
def test_resumed_run_equals_uninterrupted_run(tmp_path: Path, model: str, stopped_at: int) -> None:
    """To the bit: weights, running statistics and momentum, with the model's own dropout."""
    options: dict[str, Any] = {"model": model, "momentum": 0.9}
    whole = _trainee(tmp_path / "whole", **options)
    _go_on(whole)

    first = _trainee(tmp_path / "cut", **options)
    _go_on(first, until=stopped_at)
    first.session.save()
    second = _trainee(tmp_path / "cut", **options)
    limit = second.session.payload_limit_bytes
    found = checkpoint.latest(tmp_path / "cut" / CHECKPOINTS, limit)
    assert found is not None
    assert any("running_mean" in name for name in found.tensors)
    second.session.resume(found)
    assert second.session.position != START
    torch.rand(7)
    _go_on(second)

    assert _same(second.session.step.state(), whole.session.step.state())


@pytest.mark.parametrize("kind", ["fused", "graph"])
def test_fast_steps_know_the_quickstarts_network_only(tmp_path: Path, kind: str) -> None:
    """Asked for by name they say so; `auto` takes the eager one."""
    assert _trainee(tmp_path, model="resnet18").session.step.name == "eager"
    with pytest.raises(SettingsError, match=f"JOB_STEP={kind} with another network") as caught:
        _trainee(tmp_path, model="resnet18", step=kind)

    assert "JOB_MODEL=mlp" in caught.value.allowed


@pytest.mark.parametrize("shape", [(28, 28), (3, 32, 20)])
def test_quickstarts_network_takes_other_images_by_its_fast_step(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """Colour and other sizes; the fused step and the eager one end with the same weights."""
    data = _dataset(shape=shape)
    fused, eager = (
        _trainee(tmp_path, data, step=kind, image_size=None) for kind in ("fused", "eager")
    )
    for trainee in (fused, eager):
        _go_on(trainee)

    for seen, expected in zip(fused.network.parameters(), eager.network.parameters(), strict=True):
        assert torch.allclose(seen, expected, atol=1e-5)


def test_last_batch_of_one_image_is_refused_for_batch_normalisation(tmp_path: Path) -> None:
    """One image has no variance; the MLP learns from it as always."""
    with pytest.raises(SettingsError, match="JOB_BATCH_SIZE=8 of 17 images"):
        _trainee(tmp_path, _dataset(17), model="resnet18")

    _trainee(tmp_path, _dataset(17), image_size=None)
    _trainee(tmp_path, _dataset(17), model="squeezenet1_1")


def test_network_that_cannot_be_exported_is_refused_before_it_trains(tmp_path: Path) -> None:
    """`model.pt2` is promised, so it is made once at the beginning."""
    with pytest.raises(SettingsError, match=r"torch\.export cannot make a program of it"):
        _trainee(tmp_path, model="other_nets:stubborn", image_size=None)


def test_every_rank_judges_with_rank_0s_running_statistics() -> None:
    """A rank's own are of its own images; a network without any asks nobody."""

    class Told(World):
        def broadcast(self, tensor: Tensor) -> Tensor:
            return tensor.fill_(7)

    convolution = nn.Conv2d(1, 2, 1)
    network = nn.Sequential(convolution, nn.BatchNorm2d(2))
    weight = convolution.weight.detach().clone()
    share_buffers(network, Told(ALONE.placement))

    assert {float(value) for buffer in network.buffers() for value in buffer.flatten()} == {7.0}
    assert torch.equal(convolution.weight, weight)


def test_resnet18_is_trained_from_the_command_line(tmp_path: Path, job: Program) -> None:
    """On pictures in folders: all files are there, verified, and predict names a picture."""
    data, output = image_folder(tmp_path / "data"), tmp_path / "output"
    chosen = ["--model", "resnet18", "--dataset", "image-folder", "--image-size", "32"]
    done = job(
        *chosen, "--epochs", "1", "--batch-size", "8", "--device", "cpu",
        "--data-dir", data, "--output-dir", output,
    )  # fmt: skip
    assert done.returncode == ExitCode.FINISHED, done.stderr
    record = json.loads((output / "metrics.json").read_text())

    assert record["model"] == {"name": "resnet18", "weights": None, "weights_sha256": None}
    assert record["dataset"]["name"] == "image-folder"
    assert record["dataset"]["shape"] == [3, 32, 32]
    assert [each["name"] for each in record["evaluation"]["classes"]] == list(FOLDER_CLASSES)
    assert record["device"]["step"] == "eager"

    picture = data / "test" / "coat" / "0.png"
    for name in ("model.safetensors", "model.pth", "model.pt2"):
        read = weights.read(output / name, delivered_beside(output / name).blank_network())
        assert not read.training
    told = job("predict", picture, "--weights", output / "model.safetensors")
    (answer,) = json.loads(told.stdout)
    assert set(answer["probabilities"]) == set(FOLDER_CLASSES)
    assert answer["notes"] == ["fitted from 40×40 to 32×32"]
