"""`.pth` files as `torch.save` wrote them before 1.6, read without unpickling them.

Five pickles one after the other: a magic number, a version, the machine that wrote it, the
state_dict, and the keys of its storages; then of each storage its count and its numbers. Source:
`_legacy_save` in torch/serialization.py.
"""

import io
import sys
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor

from job.weights.machine import OPERATIONS, Machine, Operations, push

# The magic number and the version, each a whole pickle.
BEGINNING: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
COUNT_BYTES: Final = 8


def _extend(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.stack[-1].extend(values)


def _append(machine: Machine) -> None:
    (value,) = machine.pop(1)
    machine.stack[-1].append(value)


# What the newer format does not need: a storage that is no view, and the list of keys.
LEGACY_OPERATIONS: Final[Operations] = {
    **OPERATIONS,
    "NONE": push,
    "EMPTY_LIST": lambda machine, _none: push(machine, []),
    "APPEND": lambda machine, _none: _append(machine),
    "APPENDS": lambda machine, _none: _extend(machine),
}


def decode(data: bytes) -> dict[str, Tensor]:
    """Decode a state_dict; raises various errors for anything else."""
    stream = io.BytesIO(data)
    stream.seek(len(BEGINNING))
    _require_byte_order(_carried_out(stream, _no_storage))
    begin, kinds = stream.tell(), dict[str, tuple[torch.dtype, int]]()

    def note(key: str, kind: torch.dtype, length: int) -> Tensor:
        kinds[key] = kind, length
        return torch.empty(length, dtype=kind, device="meta")  # takes no memory

    _carried_out(stream, note)
    keys = _carried_out(stream, _no_storage)
    stored = {key: _numbers(stream, *kinds[key]) for key in keys}
    stream.seek(begin)
    state: dict[str, Tensor] = _carried_out(stream, lambda key, _kind, _length: stored[key])
    return state


def _carried_out(stream: BinaryIO, storage: Any) -> Any:
    return Machine(storage, LEGACY_OPERATIONS).carry_out(stream)


def _no_storage(key: str, _kind: torch.dtype, _length: int) -> Tensor:
    raise ValueError(f"a storage {key} before the state_dict")


def _require_byte_order(system: Any) -> None:
    if not isinstance(system, dict) or system.get("little_endian") != (sys.byteorder == "little"):
        raise ValueError("its numbers have another order of bytes than this machine's")


def _numbers(stream: BinaryIO, kind: torch.dtype, length: int) -> Tensor:
    count = int.from_bytes(stream.read(COUNT_BYTES), sys.byteorder)
    data = bytearray(stream.read(length * kind.itemsize))
    if count != length or len(data) != length * kind.itemsize:
        raise ValueError(f"a storage has {count} numbers and {len(data)} bytes for {length}")
    return torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)
