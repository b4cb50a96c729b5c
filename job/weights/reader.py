"""A file of weights of any of the three formats becomes the network again, or a `DataError`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from job.errors import DataError
from job.model import NeuralNetwork
from job.reading import read_bounded
from job.weights import plain, program, pth
from job.weights.archive import LIMIT_BYTES

DECODERS: Final[dict[str, Callable[[bytes], dict[str, Tensor]]]] = {
    ".safetensors": plain.decode,
    ".pth": pth.decode,
    ".pt2": program.decode,
}


def read(path: Path) -> NeuralNetwork:
    """Read a `.safetensors`, `.pth` or `.pt2` file into the network, ready to predict.

    Raises `DataError` for a file that is missing, of another kind, torn, or of another network.
    """
    decode = _decoder(path)
    try:
        state = decode(read_bounded(path, LIMIT_BYTES))
        model = NeuralNetwork()
        model.load_state_dict(state)
    except Exception as error:
        # Four libraries parse these files; each has its own errors for a torn one.
        raise _unreadable(path, str(error).split("\n")[0] or type(error).__name__) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise _unreadable(path, "some weights are not finite numbers")
    return model.eval()


def _decoder(path: Path) -> Callable[[bytes], dict[str, Tensor]]:
    if path.suffix not in DECODERS:
        raise _unreadable(path, f"unknown kind {path.suffix or 'without an ending'}")
    return DECODERS[path.suffix]


def _unreadable(path: Path, cause: str) -> DataError:
    return DataError(
        f"cannot read the weights {path}: {cause}",
        allowed=f"a file that this job wrote, one of {', '.join(DECODERS)}",
        fix="name another file with --weights, or train again",
    )
