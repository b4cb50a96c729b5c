"""A file of weights of any of the three formats becomes the network again, or a `DataError`."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from job.errors import DataError
from job.model import NeuralNetwork, bare
from job.reading import read_bounded
from job.weights import plain, program, pth
from job.weights.archive import Bounds

STATES: Final = {".safetensors": plain.decode, ".pth": pth.decode}
PROGRAM: Final = ".pt2"
ENDINGS: Final = (*STATES, PROGRAM)


def read(path: Path, network: nn.Module | None = None) -> nn.Module:
    """Read a `.safetensors`, `.pth` or `.pt2` file into `network`, ready to predict.

    Without one it is the quickstart's. Raises `DataError` for a file that is missing, of another
    kind, torn, or of another network.
    """
    network = NeuralNetwork() if network is None else network
    _require_known_ending(path)
    try:
        state = _fill(network, path)
    except Exception as error:
        # Four libraries parse these files; each has its own errors for a torn one.
        raise _unreadable(path, _first_line(error)) from error
    _require_finite(path, state)
    return network.eval()


def read_state(path: Path, data: bytes) -> dict[str, Tensor]:
    """Decode the `data` of a `.safetensors` or `.pth` file of any network, by its own names.

    Raises `DataError`, which names `path`, for data of another kind, torn, or made to unpack to
    more than torch would have written.
    """
    _require_known_ending(path, tuple(STATES))
    try:
        state = STATES[path.suffix](data, Bounds.of_file(len(data)))
        _require_state(state)
    except Exception as error:
        raise _unreadable(path, _first_line(error)) from error
    return state


def _fill(network: nn.Module, path: Path) -> dict[str, Tensor]:
    bounds = Bounds.of(network)
    data = read_bounded(path, bounds.file_bytes)
    if path.suffix == PROGRAM:  # it holds the preparation of the images, too
        target, state = network, program.decode(data, network.state_dict(), bounds)
    else:
        target, state = bare(network), STATES[path.suffix](data, bounds)
    target.load_state_dict(state)
    return state


def _require_state(state: object) -> None:
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError("it holds no tensors by name")


def _require_finite(path: Path, state: dict[str, Tensor]) -> None:
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise _unreadable(path, "some weights are not finite numbers")


def _require_known_ending(path: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    if path.suffix not in endings:
        raise _unreadable(path, f"unknown kind {path.suffix or 'without an ending'}")


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def _unreadable(path: Path, cause: str) -> DataError:
    return DataError(
        f"cannot read the weights {path}: {cause}",
        allowed=f"a file that this job wrote, one of {', '.join(ENDINGS)}",
        fix="name another file with --weights, or train again",
    )
