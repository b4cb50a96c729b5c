"""Claims about `job.weights.plain`: safetensors as everyone knows it, with a digest of its own."""

import json
import random
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from job import weights
from job.weights import plain
from weight_files import BIAS, encoded, network, refused

OTHER_BIAS = "linear_relu_stack.0.bias"
THIRD_BIAS = "linear_relu_stack.2.bias"


def _with_header(content: bytes, old: bytes, new: bytes) -> bytes:
    """The file with another header, whose length is put right."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(old, new)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def test_other_readers_take_the_file_as_it_is(tmp_path: Path) -> None:
    """The digest stands where the format has room for such words."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(encoded(".safetensors"))

    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata().keys() == {"sha256"}
    state = safetensors.torch.load_file(path)
    assert torch.equal(state[BIAS], network().state_dict()[BIAS])


def test_same_weights_make_the_same_file() -> None:
    """Runs are compared by the digests of their files."""
    assert weights.to_safetensors(network()) == encoded(".safetensors")


def test_file_from_elsewhere_without_a_digest_is_read(tmp_path: Path) -> None:
    """`safetensors.torch.save_file` of the tutorial's network is welcome."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.torch.save(dict(network().state_dict()), {"format": "pt"}))

    assert torch.equal(weights.read(path).state_dict()[BIAS], network().state_dict()[BIAS])


def test_every_altered_number_is_noticed() -> None:
    """The format itself would take each of them."""
    whole, choose = encoded(".safetensors"), random.Random(0)
    for _ in range(50):
        altered = bytearray(whole)
        altered[choose.randrange(1000, len(whole))] ^= 1 << choose.randrange(8)
        with pytest.raises(ValueError, match="not the ones that were written"):
            plain.decode(bytes(altered))


def test_numbers_under_another_name_are_noticed(tmp_path: Path) -> None:
    """Two biases of one length, exchanged, would fit."""
    old = {name: json.dumps(name).encode() for name in (OTHER_BIAS, THIRD_BIAS)}
    content = _with_header(encoded(".safetensors"), old[OTHER_BIAS], b'"elsewhere"')
    content = _with_header(content, old[THIRD_BIAS], old[OTHER_BIAS])
    content = _with_header(content, b'"elsewhere"', old[THIRD_BIAS])

    assert "not the ones that were written" in refused(tmp_path, "model.safetensors", content)


def test_numbers_of_another_kind_are_noticed(tmp_path: Path) -> None:
    """The same bytes as integers would be copied into the network, as other numbers."""
    content = _with_header(encoded(".safetensors"), b'"dtype":"F32"', b'"dtype":"I32"')

    assert "not the ones that were written" in refused(tmp_path, "model.safetensors", content)


@pytest.mark.parametrize("length", [2**16 + 1, 2**40, 2**64 - 1])
def test_header_longer_than_any_network_needs_is_refused(tmp_path: Path, length: int) -> None:
    """Names of a million empty tensors are no weights."""
    content = length.to_bytes(8, "little") + b"{}" * 2**17

    assert f"header claims {length} bytes" in refused(tmp_path, "model.safetensors", content)


@pytest.mark.parametrize("header", [b"[" * 60_000, b"[]", b'{"__metadata__": null}', b"\xff"])
def test_header_that_is_none_is_refused(tmp_path: Path, header: bytes) -> None:
    """Whatever JSON, or its absence, does to a parser."""
    refused(tmp_path, "model.safetensors", len(header).to_bytes(8, "little") + header)
