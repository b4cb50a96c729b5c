"""`model.pth`: the quickstart's `torch.save(model.state_dict())`, read without unpickling it.

The archive holds the numbers of each tensor as plain bytes, and a pickle that says which is which.
Files of before torch 1.6, as torchvision still publishes some, are no archives: see `legacy`.
"""

import io
import sys
import zipfile
from functools import cache

import torch
from torch import Tensor, nn

from job.model import bare
from job.weights import legacy
from job.weights.archive import QUICKSTARTS, Bounds, numbers, open_whole, outline, root_of
from job.weights.machine import Machine


def encode(model: nn.Module) -> bytes:
    """Encode the state_dict as the quickstart does."""
    buffer = io.BytesIO()
    torch.save(bare(model).state_dict(), buffer)
    return buffer.getvalue()


def decode(data: bytes, bounds: Bounds = QUICKSTARTS) -> dict[str, Tensor]:
    """Decode what `encode` made, or the quickstart itself; raises various errors for the rest."""
    if data.startswith(legacy.BEGINNING):
        return legacy.decode(data)
    with open_whole(data, bounds) as archive:
        root = root_of(archive)
        _require_byte_order(archive, f"{root}/byteorder")
        # One tensor for each key, however often it is asked for.
        stored = cache(lambda key, kind: numbers(archive, f"{root}/data/{key}", kind))
        machine = Machine(lambda key, kind, _length: stored(key, kind))
        program = outline(archive, f"{root}/data.pkl", bounds)
        state: dict[str, Tensor] = machine.carry_out(program)
    return state


def _require_byte_order(archive: zipfile.ZipFile, name: str) -> None:
    if name in archive.namelist() and archive.read(name) != sys.byteorder.encode():
        raise ValueError("its numbers have another order of bytes than this machine's")
