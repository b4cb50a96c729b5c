"""The weights in three formats, and how to read each without running anything it brings.

`model.safetensors` and `model.pth` hold the quickstart's state_dict. `model.pt2` is a torch.export
program that predicts without this package. Reading a `.pt2` with torch runs what the file says:
torch falls back to full unpickling and evaluates expressions. So torch reads only a program that
this process has just made; from a file, `read` takes the bare numbers out of the archive.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from torch import Tensor, nn

from job.errors import DataError
from job.model import NeuralNetwork

StateDict = dict[str, Tensor]

ARCHIVE_WEIGHTS: Final = "data/weights/"
ARCHIVE_INDEX: Final = ARCHIVE_WEIGHTS + "model_weights_config.json"
LIMIT_BYTES: Final = 2**26  # the network has 2.7 MB; a small archive can unpack to gigabytes


def to_safetensors(model: nn.Module) -> bytes:
    """Encode the state_dict without any code."""
    return safetensors.torch.save(dict(model.state_dict()))


def to_pth(model: nn.Module) -> bytes:
    """Encode the state_dict as the quickstart does."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getvalue()


def to_pt2(model: nn.Module) -> bytes:
    """Encode structure and weights, for any batch size, as a torch.export program."""
    example = torch.zeros(2, 1, 28, 28)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def run_pt2(program: bytes, images: Tensor) -> Tensor:
    """Return the logits that a program made by `to_pt2` gives; only for one made just now."""
    logits: Tensor = torch.export.load(io.BytesIO(program)).module()(images)
    return logits


def read(path: Path) -> NeuralNetwork:
    """Read a `.safetensors`, `.pth` or `.pt2` file into the network, ready to predict.

    Raises `DataError` for a file that is missing, of another kind, torn, or of another network.
    """
    decode = _decoder(path)
    model = NeuralNetwork()
    try:
        state = decode(path.read_bytes())
        model.load_state_dict(state)
    except Exception as error:
        # Four libraries parse these files; each has its own errors for a torn one.
        raise _unreadable(path, str(error).split("\n")[0] or type(error).__name__) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise _unreadable(path, "some weights are not finite numbers")
    return model.eval()


def from_safetensors(data: bytes) -> StateDict:
    """Decode what `to_safetensors` made."""
    return safetensors.torch.load(data)


def from_pth(data: bytes) -> StateDict:
    """Decode what `to_pth` made; anything but tensors and plain containers is refused."""
    _open_archive(data).close()
    state: StateDict = torch.load(io.BytesIO(data), weights_only=True)  # noqa: TID251  # the room
    return state


def from_pt2(data: bytes) -> StateDict:
    """Take the network's tensors out of the archive; nothing else in it is looked at."""
    with _open_archive(data) as archive:
        root = archive.namelist()[0].split("/")[0]
        index = json.loads(archive.read(f"{root}/{ARCHIVE_INDEX}"))["config"]
        shapes = {name: value.shape for name, value in NeuralNetwork().state_dict().items()}
        return {
            name: _raw_tensor(archive, f"{root}/{ARCHIVE_WEIGHTS}", index[name], shape)
            for name, shape in shapes.items()
        }


def _open_archive(data: bytes) -> zipfile.ZipFile:
    """Open an archive that is small when unpacked and whose checksums are right."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    size = sum(member.file_size for member in archive.infolist())
    if size > LIMIT_BYTES:
        raise ValueError(f"it unpacks to {size} bytes")
    # torch.load does not compare the checksums.
    if (altered := archive.testzip()) is not None:
        raise ValueError(f"{altered} is altered")
    return archive


def _raw_tensor(
    archive: zipfile.ZipFile, folder: str, entry: dict[str, Any], shape: torch.Size
) -> Tensor:
    sizes = [size["as_int"] for size in entry["tensor_meta"]["sizes"]]
    member = archive.getinfo(folder + entry["path_name"])
    if entry["use_pickle"] or sizes != list(shape):
        raise ValueError(f"{member.filename} does not hold {tuple(shape)} plain numbers")
    return torch.frombuffer(bytearray(archive.read(member)), dtype=torch.float32).view(shape)


DECODERS: Final[dict[str, Callable[[bytes], StateDict]]] = {
    ".safetensors": from_safetensors,
    ".pth": from_pth,
    ".pt2": from_pt2,
}


def _decoder(path: Path) -> Callable[[bytes], StateDict]:
    if path.suffix not in DECODERS:
        raise _unreadable(path, f"unknown kind {path.suffix or 'without an ending'}")
    return DECODERS[path.suffix]


def _unreadable(path: Path, cause: str) -> DataError:
    return DataError(
        f"cannot read the weights {path}: {cause}",
        allowed=f"a file that this job wrote, one of {', '.join(DECODERS)}",
        fix="name another file with --weights, or train again",
    )
