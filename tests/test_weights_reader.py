"""Claims about `job.weights.reader`: three formats, one network, a reason for any other file."""

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from job import weights
from job.errors import DataError
from job.model import NeuralNetwork, build
from weight_files import BIAS, ENCODERS, SUFFIXES, encoded, network, refused, refused_path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_come_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    """What is read is what was written, ready to predict."""
    path = tmp_path / f"model{suffix}"
    path.write_bytes(encoded(suffix))
    read = weights.read(path)

    assert not read.training
    for name, value in network().state_dict().items():
        assert torch.equal(read.state_dict()[name], value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_network_with_dropout_is_read_like_any_other(tmp_path: Path, suffix: str) -> None:
    """Dropout leaves no trace in a file."""
    dropping = build(3, 0.5, torch.device("cpu"))
    path = tmp_path / f"model{suffix}"
    path.write_bytes(ENCODERS[suffix](dropping.eval()))
    images = torch.rand(2, 1, 28, 28)

    assert torch.equal(weights.read(path)(images), network()(images))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    """Wherever the copy broke off, even before its first byte."""
    content = encoded(suffix)

    refused(tmp_path, f"model{suffix}", content[: int(share * len(content))])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"these are words", b"\x80\x02", b"\x80\x02}q\x00."])
def test_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    """The ending of a name is no proof."""
    refused(tmp_path, f"model{suffix}", content)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_altered_number_is_refused(tmp_path: Path, suffix: str) -> None:
    """One bit in the middle of two million."""
    content = bytearray(encoded(suffix))
    content[len(content) // 2] ^= 1

    refused(tmp_path, f"model{suffix}", bytes(content))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_of_another_network_are_refused(tmp_path: Path, suffix: str) -> None:
    """A different width is told, not stretched."""
    other = NeuralNetwork()
    other.linear_relu_stack[4] = torch.nn.Linear(512, 11)

    refused(tmp_path, f"model{suffix}", ENCODERS[suffix](other))


def test_weights_that_lack_a_name_are_refused(tmp_path: Path) -> None:
    """Half a network is none."""
    state = dict(network().state_dict())
    del state[BIAS]

    refused(tmp_path, "model.safetensors", safetensors.torch.save(state))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, suffix: str, value: float) -> None:
    """Such a network predicts nothing, and JSON could not say it."""
    broken = build(0, 0.0, torch.device("cpu"))
    broken.load_state_dict({**broken.state_dict(), BIAS: torch.full((10,), value)})

    assert "not finite" in refused(tmp_path, f"model{suffix}", ENCODERS[suffix](broken))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file_is_refused(tmp_path: Path, suffix: str) -> None:
    """The path is named, so that a typing error is seen."""
    assert "No such file" in refused_path(tmp_path / f"none{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_that_is_far_too_large_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    """A terabyte of nothing costs its maker no disk."""
    path = tmp_path / f"model{suffix}"
    with path.open("wb") as file:
        file.truncate(2**40)

    assert "File too large" in refused_path(path)


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "model.pth")

    assert "Not a regular file" in refused_path(tmp_path / "model.pth")


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    """The three that are read are named."""
    with pytest.raises(DataError, match="unknown kind") as caught:
        weights.read(tmp_path / name)

    assert all(suffix in caught.value.allowed for suffix in SUFFIXES)
