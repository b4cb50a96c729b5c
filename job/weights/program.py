"""`model.pt2`: a torch.export program, which predicts without this package.

Reading one with torch runs what the file says: torch falls back to full unpickling and evaluates
expressions. So torch reads only a program that this process has just made; from a file come the
bare numbers.
"""

import io
import json
import zipfile
from typing import Any, Final

import torch
from torch import Tensor, nn

from job.model import NeuralNetwork
from job.weights.archive import floats, open_whole, outline, root_of

WEIGHTS: Final = "data/weights/"
INDEX: Final = WEIGHTS + "model_weights_config.json"


def encode(model: nn.Module) -> bytes:
    """Encode structure and weights, for any batch size, as a torch.export program."""
    example = torch.zeros(2, 1, 28, 28)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def run(program: bytes, images: Tensor) -> Tensor:
    """Return the logits that a program made by `encode` gives; only for one made just now."""
    logits: Tensor = torch.export.load(io.BytesIO(program)).module()(images)
    return logits


def decode(data: bytes) -> dict[str, Tensor]:
    """Take the network's tensors out of the archive; nothing else in it is looked at.

    Raises various errors for what `encode` has not made.
    """
    with open_whole(data) as archive:
        folder = f"{root_of(archive)}/"
        index = json.loads(outline(archive, folder + INDEX))["config"]
        shapes = {name: value.shape for name, value in NeuralNetwork().state_dict().items()}
        return {
            name: _tensor(archive, folder + WEIGHTS, index[name], shape)
            for name, shape in shapes.items()
        }


def _tensor(
    archive: zipfile.ZipFile, folder: str, entry: dict[str, Any], shape: torch.Size
) -> Tensor:
    sizes = [size["as_int"] for size in entry["tensor_meta"]["sizes"]]
    name = folder + entry["path_name"]
    if entry["use_pickle"] or sizes != list(shape):
        raise ValueError(f"{name} does not hold {tuple(shape)} plain numbers")
    return floats(archive, name).view(shape)
