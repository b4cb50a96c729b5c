"""A pickle carried out as a list of operations: those that a state_dict needs, on plain values.

`torch.load(weights_only=True)` runs no stranger's code, but still lets a pickle call `bytearray`
and `torch.FloatTensor` with any size, and hash what takes for ever to hash. Here nothing is looked
up or called, and any other operation is refused.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor

# What a state_dict calls: by name, and never looked up.
DICTIONARY: Final = "collections OrderedDict"
TENSOR: Final = "torch._utils _rebuild_tensor_v2"
PARAMETER: Final = "torch._utils _rebuild_parameter"
# float32 is what networks learn, int64 what they count.
KINDS: Final = {"torch FloatStorage": torch.float32, "torch LongStorage": torch.int64}

Storage = Callable[[str, torch.dtype, int], Tensor]
Operations = Mapping[str, Callable[["Machine", Any], None]]


class Machine:
    """The stack, marks and memo of a pickle, with room for texts, numbers, tuples and tensors."""

    def __init__(self, storage: Storage, operations: Operations | None = None) -> None:
        """Take the numbers of a key from `storage`, which is told their type and count."""
        self.storage = storage
        self.operations = OPERATIONS if operations is None else operations
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def carry_out(self, program: bytes | BinaryIO) -> Any:
        """Return what the program leaves on the stack; a stream is read to the program's end."""
        for operation, argument, _ in pickletools.genops(program):
            if operation.name not in self.operations:
                raise ValueError(f"data.pkl asks for {operation.name}, which no state_dict needs")
            self.operations[operation.name](self, argument)
        return self.stack.pop()

    def pop(self, count: int) -> list[Any]:
        """Take off the last `count` values."""
        values = self.stack[-count:] if count else []
        del self.stack[len(self.stack) - len(values) :]
        return values

    def pop_to_mark(self) -> list[Any]:
        """Take off all that was pushed since the last mark."""
        return self.pop(len(self.stack) - self.marks.pop())

    def set_items(self, items: list[Any]) -> None:
        """Enter names and values, one after the other, into the dictionary on top."""
        names, values = items[::2], items[1::2]
        # A tuple of tuples that share their parts can take for ever to hash.
        if not all(isinstance(name, str) for name in names):
            raise ValueError("data.pkl has a dictionary with other keys than names")
        self.stack[-1].update(zip(names, values, strict=True))

    def call(self) -> None:
        """Do what the function on the stack would do with the arguments above it."""
        function, arguments = self.stack.pop(-2), self.stack.pop()
        if function == DICTIONARY and not arguments:
            self.stack.append({})
        elif function == TENSOR:
            self.stack.append(_tensor(*arguments[:4]))
        elif function == PARAMETER and isinstance(arguments[0], Tensor):
            self.stack.append(arguments[0])
        else:
            raise ValueError("data.pkl calls a function that no state_dict needs")

    def load_storage(self) -> None:
        """Put the numbers that an identity names in its place."""
        _, kind, key, _, length, *_ = self.stack.pop()
        if kind not in tuple(KINDS) or not isinstance(key, str):
            raise ValueError("data.pkl has a tensor of another kind than float32 and int64")
        found = self.storage(key, KINDS[kind], length)
        if len(found) != length:
            raise ValueError(f"data/{key} has {len(found)} numbers and claims others")
        self.stack.append(found)

    def forget_attributes(self) -> None:
        """Drop what would become attributes of a dictionary: the versions of modules."""
        self.stack.pop()


def _tensor(numbers: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    for row in ((offset,), size, stride):
        # Only a tuple: to walk over a tensor takes as long as its maker wants.
        if not isinstance(row, tuple) or not all(type(number) is int for number in row):
            raise ValueError("data.pkl has a tensor whose shape is no row of numbers")
    return numbers.as_strided(size, stride, offset)


def push(machine: Machine, value: Any) -> None:
    """Put a value on the stack."""
    machine.stack.append(value)


OPERATIONS: Final[Operations] = {
    "PROTO": lambda _machine, _version: None,
    "STOP": lambda _machine, _none: None,
    "GLOBAL": push,
    "BINUNICODE": push,
    "BININT": push,
    "BININT1": push,
    "BININT2": push,
    "NEWFALSE": lambda machine, _none: push(machine, value=False),
    "NEWTRUE": lambda machine, _none: push(machine, value=True),
    "EMPTY_TUPLE": lambda machine, _none: push(machine, ()),
    "EMPTY_DICT": lambda machine, _none: push(machine, {}),
    "BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "LONG_BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "BINGET": lambda machine, place: push(machine, machine.memo[place]),
    "LONG_BINGET": lambda machine, place: push(machine, machine.memo[place]),
    "MARK": lambda machine, _none: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _none: push(machine, tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _none: push(machine, tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _none: push(machine, tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _none: push(machine, tuple(machine.pop(3))),
    "BINPERSID": lambda machine, _none: machine.load_storage(),
    "REDUCE": lambda machine, _none: machine.call(),
    "SETITEM": lambda machine, _none: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _none: machine.set_items(machine.pop_to_mark()),
    "BUILD": lambda machine, _none: machine.forget_attributes(),
}
