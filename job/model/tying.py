"""Tied weights: one tensor under several names, as of an embedding that is the output layer, too.

safetensors keeps numbers once for each name, and refuses tensors that share theirs.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same values by name, each with memory of its own, in rows: what shares is copied.

    Loaded by names into the same network, they are tied again.
    """
    seen: set[int] = set()
    separate = {}
    for name, value in state.items():
        memory = value.untyped_storage().data_ptr()
        shared = memory in seen
        seen.add(memory)
        separate[name] = _copy(value) if shared else value.contiguous()
    return separate


def _copy(value: Tensor) -> Tensor:
    return value.clone(memory_format=torch.contiguous_format)
