"""What may lie on a volume after a power cut, as POSIX has it and no kinder.

* The content of a file is certain once it was synced; what was written after that may be there or
  not, block by block, or as garbage, and the file may have any length in between.
* The names in a folder are certain once the folder was synced; of the changes after that, each may
  have come through or not, whatever became of the others. A rename comes through as a whole.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from recording import MakeFolder, Open, Operation, Remove, Rename, Sync, SyncFolder, Write

BLOCK: Final = 4096
GARBAGE: Final = b"\xff" * BLOCK
EXHAUSTIVE: Final = 6  # changes of names, of which every combination is tried
Tree = dict[str, bytes | None]  # every path below the volume; None for a folder


@dataclass
class File:
    """What is certain to be in a file, and what was written."""

    durable: bytes = b""
    current: bytes = b""

    def remains(self, choose: random.Random) -> bytes:
        """One thing that a power cut may leave of it."""
        if self.current == self.durable:
            return self.durable
        length = choose.choice([0, len(self.durable), len(self.current), self._any_length(choose)])
        blocks = (self._block(number, choose) for number in range(0, length, BLOCK))
        return b"".join(blocks)[:length]

    def _any_length(self, choose: random.Random) -> int:
        return choose.randint(*sorted((len(self.durable), len(self.current))))

    def _block(self, start: int, choose: random.Random) -> bytes:
        end = start + BLOCK
        sources = (self.current[start:end], self.durable[start:end], GARBAGE)
        return choose.choice(sources).ljust(BLOCK, b"\0")


@dataclass(eq=False)
class Folder:
    """The names that are certain, and the changes since, each as names and what they are now."""

    durable: "Names" = field(default_factory=dict)
    pending: "list[Change]" = field(default_factory=list)

    def after(self, changes: "Iterable[Change]") -> "Names":
        """The names if these changes come through."""
        names: Change = dict(self.durable)
        for change in changes:
            names.update(change)
        return {name: node for name, node in names.items() if node is not None}

    def sync(self) -> None:
        """All changes have come through."""
        self.durable, self.pending = self.after(self.pending), []


Node = File | Folder
Names = dict[str, Node]
Change = dict[str, Node | None]


class Volume:
    """A volume as operations have left it, seen from one folder of it."""

    def __init__(self, root: Path) -> None:
        """All that lies below `root` now is durable."""
        self._root = PurePosixPath(root)
        self._folders: list[Folder] = []
        self._files: dict[int, File] = {}
        self._top = self._load(root)

    def apply(self, operation: Operation) -> None:
        """Do what a program has done; what it does outside of the root is not looked at."""
        match operation:
            case MakeFolder(path):
                self._change(path, self._new_folder())
            case Open(path, descriptor):
                self._open(path, descriptor)
            case Write(descriptor, data):
                self._files[descriptor].current += data
            case Sync(descriptor):
                self._files[descriptor].durable = self._files[descriptor].current
            case SyncFolder(path):
                if self._is_inside(path):
                    self._folder(PurePosixPath(path)).sync()
            case Rename(source, target):
                self._rename(PurePosixPath(source), PurePosixPath(target))
            case Remove(path):
                self._change(path, None)

    def trees(self, choose: random.Random, draws: int) -> Iterator[Tree]:
        """What a power cut at this moment may leave.

        Every combination of the names that are not certain, or so many by chance; for each of them
        so many draws of the content of the files that are not certain.
        """
        changes = [(folder, change) for folder in self._folders for change in folder.pending]
        for mask in _subsets(len(changes), choose):
            come_through: dict[Folder, list[Change]] = {}
            for number, (folder, change) in enumerate(changes):
                if mask >> number & 1:
                    come_through.setdefault(folder, []).append(change)
            for _ in range(draws):
                yield dict(_walk(self._top, "", come_through, choose))

    def _load(self, path: Path) -> Folder:
        folder = self._new_folder()
        for each in path.iterdir():
            content = b"" if each.is_dir() else each.read_bytes()
            folder.durable[each.name] = (
                self._load(each) if each.is_dir() else File(content, content)
            )
        return folder

    def _new_folder(self) -> Folder:
        self._folders.append(Folder())
        return self._folders[-1]

    def _is_inside(self, path: str) -> bool:
        return PurePosixPath(path).is_relative_to(self._root)

    def _folder(self, path: PurePosixPath) -> Folder:
        folder = self._top
        for name in path.relative_to(self._root).parts:
            below = folder.after(folder.pending)[name]
            assert isinstance(below, Folder)
            folder = below
        return folder

    def _change(self, path: str, node: Node | None) -> None:
        where = PurePosixPath(path)
        self._folder(where.parent).pending.append({where.name: node})

    def _open(self, path: str, descriptor: int) -> None:
        where = PurePosixPath(path)
        names = self._folder(where.parent)
        node = names.after(names.pending).get(where.name)
        if node is None:
            node = File()
            self._change(path, node)
        assert isinstance(node, File)
        node.current = b""
        self._files[descriptor] = node

    def _rename(self, source: PurePosixPath, target: PurePosixPath) -> None:
        assert source.parent == target.parent
        folder = self._folder(source.parent)
        node = folder.after(folder.pending)[source.name]
        folder.pending.append({source.name: None, target.name: node})


def _walk(
    folder: Folder,
    path: str,
    come_through: dict[Folder, list[Change]],
    choose: random.Random,
) -> Iterator[tuple[str, bytes | None]]:
    for name, node in folder.after(come_through.get(folder, [])).items():
        if isinstance(node, File):
            yield path + name, node.remains(choose)
        else:
            yield path + name, None
            yield from _walk(node, f"{path}{name}/", come_through, choose)


def _subsets(number: int, choose: random.Random) -> Iterable[int]:
    """Subsets of so many things, as the bits of integers."""
    if number <= EXHAUSTIVE:
        return range(2**number)
    return (choose.getrandbits(number) for _ in range(2**EXHAUSTIVE))
