"""What stands in for the recording of a GPU: operations as torch hands them to a device."""

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

Call = tuple[Any, Any, Any]


class Tape(TorchDispatchMode):
    """Keeps each operation, what it was given, and what came out."""

    calls: list[Call]

    def __torch_dispatch__(
        self, operation: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do `operation`, and keep it."""
        given = (args, kwargs or {})
        result = operation(*args, **given[1])
        self.calls.append((operation, given, result))
        return result

    def replay(self) -> None:
        """Repeat all operations on the same tensors; what comes out goes into the later ones."""
        now: dict[int, Any] = {}
        for operation, given, before in self.calls:
            args, kwargs = tree_map(lambda value: now.get(id(value), value), given)
            after = operation(*args, **kwargs)
            pairs = zip(tree_leaves(before), tree_leaves(after), strict=True)
            now.update({id(old): new for old, new in pairs})


def taped(steps: Callable[[], None]) -> Callable[[], None]:
    """Do `steps` once; return what does the same without a line of their Python."""
    return _recorded(steps).replay


def count_launches(steps: Callable[[], None]) -> int:
    """Do `steps`; count the operations that a device has to start: no views, no questions."""
    operations = [operation for operation, *_ in _recorded(steps).calls]
    return sum(each.namespace == "aten" and not each.is_view for each in operations)


def _recorded(steps: Callable[[], None]) -> Tape:
    tape = Tape()  # type: ignore[no-untyped-call]  # torch's own init
    tape.calls = []
    with tape:
        steps()
    return tape
