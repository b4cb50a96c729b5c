"""`model.safetensors`: names, shapes and plain numbers, and the digest that they had when written.

The format has no checksum of its own; the digest travels in the header's `__metadata__`, where
other readers pass it over. A file without one, from elsewhere, is read as it is.
"""

import hashlib
import json
from typing import Any, Final

import safetensors.torch
from torch import Tensor, nn

from job.model import apart, bare
from job.weights.archive import QUICKSTARTS, Bounds

DIGEST: Final = "sha256"
LENGTH_BYTES: Final = 8


def encode(model: nn.Module) -> bytes:
    """Encode the state_dict without any code."""
    state = apart(bare(model).state_dict())
    return safetensors.torch.save(state, metadata={DIGEST: _digest(state)})


def decode(data: bytes, bounds: Bounds = QUICKSTARTS) -> dict[str, Tensor]:
    """Decode what `encode` made; raises various errors for anything else."""
    claimed = _header(data, bounds.outline_bytes).get("__metadata__", {}).get(DIGEST)
    state = safetensors.torch.load(data)
    if claimed is not None and claimed != _digest(state):
        raise ValueError("its numbers are not the ones that were written")
    return state


def _header(data: bytes, limit_bytes: int) -> dict[str, Any]:
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if length > limit_bytes:  # the quickstart's has 600
        raise ValueError(f"its header claims {length} bytes")
    header: dict[str, Any] = json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length])
    return header


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
