"""`model.pt2`: a torch.export program, which predicts without this package.

Reading one with torch runs what the file says: torch falls back to full unpickling and evaluates
expressions. So torch reads only a program that this process has just made; from a file come the
bare numbers.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from job.weights.archive import QUICKSTARTS, Bounds, numbers, open_whole, outline, root_of

WEIGHTS: Final = "data/weights/"
INDEX: Final = WEIGHTS + "model_weights_config.json"


def encode(model: nn.Module, shape: tuple[int, ...] = (1, 28, 28)) -> bytes:
    """Encode structure and weights as a torch.export program.

    It takes images (B, C, H, W) of that `shape` without B, which may be any number.
    """
    example = torch.zeros(2, *shape)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def run(program: bytes, images: Tensor) -> Tensor:
    """Return the logits that a program made by `encode` gives; only for one made just now."""
    logits: Tensor = torch.export.load(io.BytesIO(program)).module()(images)
    return logits


def decode(
    data: bytes, wanted: Mapping[str, Tensor], bounds: Bounds = QUICKSTARTS
) -> dict[str, Tensor]:
    """Take tensors like the `wanted` ones out of the archive; nothing else in it is looked at.

    Raises various errors for what `encode` has not made.
    """
    with open_whole(data, bounds) as archive:
        folder = f"{root_of(archive)}/"
        index = json.loads(outline(archive, folder + INDEX, bounds))["config"]
        return {
            name: _tensor(archive, folder + WEIGHTS, index[name], value)
            for name, value in wanted.items()
        }


def _tensor(archive: zipfile.ZipFile, folder: str, entry: dict[str, Any], like: Tensor) -> Tensor:
    sizes = [size["as_int"] for size in entry["tensor_meta"]["sizes"]]
    name = folder + entry["path_name"]
    if entry["use_pickle"] or sizes != list(like.shape):
        raise ValueError(f"{name} does not hold {tuple(like.shape)} plain numbers")
    return numbers(archive, name, like.dtype).view(like.shape)
