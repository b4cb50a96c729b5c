"""Files of weights, whole and hostile, for the tests of everyone who reads them."""

import io
import os
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import torch

from job import weights
from job.errors import DataError, ExitCode
from job.model import NeuralNetwork, build

BIAS: Final = "linear_relu_stack.4.bias"
ENCODERS: Final = {
    ".safetensors": weights.to_safetensors,
    ".pth": weights.to_pth,
    ".pt2": weights.to_pt2,
}
SUFFIXES: Final = tuple(ENCODERS)

Edit = Callable[[bytes], bytes]


@cache
def network() -> NeuralNetwork:
    """A network with the weights of a seed; nobody changes it."""
    return build(3, 0.0, torch.device("cpu")).eval()


@cache
def encoded(suffix: str) -> bytes:
    """The content of its file with this ending."""
    return ENCODERS[suffix](network())


class Armed:
    """Unpickled with code, it makes a file: what an attacker's weights would do."""

    def __init__(self, path: Path) -> None:
        """Aim at `path`."""
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str, int]]:
        """Be restored by a call of `os.open`."""
        return os.open, (str(self._path), os.O_CREAT)


def refused(tmp_path: Path, name: str, content: bytes) -> str:
    """Why a file with this content is not read."""
    path = tmp_path / name
    path.write_bytes(content)
    return refused_path(path)


def refused_path(path: Path) -> str:
    """Why this file is not read."""
    with pytest.raises(DataError, match="cannot read the weights") as caught:
        weights.read(path)
    assert str(path) in caught.value.seen
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.fix
    return caught.value.seen


def rewritten(archive: bytes, ending: str, edit: Edit, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive with the one entry whose name ends so edited, and all entries packed anew."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", kind) as new:
        (edited,) = (name for name in old.namelist() if name.endswith(ending))
        for name in old.namelist():
            new.writestr(name, edit(old.read(name)) if name == edited else old.read(name))
    return buffer.getvalue()


def pth_with(program: bytes, **numbers: bytes) -> bytes:
    """A `.pth` whose pickle is `program`, with the bytes of the tensors by their keys."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/version", "3\n")
        for key, content in numbers.items():
            archive.writestr(f"archive/data/{key}", content)
    return buffer.getvalue()
