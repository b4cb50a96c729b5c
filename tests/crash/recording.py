"""From the trace of a save to what it has done to the volume, in order.

Every call that strace has seen is either known to change nothing, or becomes an operation; one that
is neither is an error, so that no write goes by unrecorded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from tracing import Call

# What makes strace show every byte, and nothing but bytes.
OPTIONS: Final = ("--strings-in-hex=all", "--string-limit=10000000")
TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
HARMLESS: Final = {
    *("clock_nanosleep", "exit_group", "fadvise64", "fcntl", "fstat", "getdents64", "getpid"),
    *("getrandom", "ioctl", "lseek", "newfstatat", "read", "sendto", "statx"),
}


@dataclass(frozen=True)
class MakeFolder:
    """A new folder."""

    path: str


@dataclass(frozen=True)
class Open:
    """A file to write into, new or cut to nothing; `descriptor` names it from here on."""

    path: str
    descriptor: int


@dataclass(frozen=True)
class Write:
    """Bytes at the end of an open file."""

    descriptor: int
    data: bytes


@dataclass(frozen=True)
class Sync:
    """The content of an open file is durable."""

    descriptor: int


@dataclass(frozen=True)
class SyncFolder:
    """The names in a folder are durable."""

    path: str


@dataclass(frozen=True)
class Rename:
    """A file gets another name, and what had that name is gone."""

    source: str
    target: str


@dataclass(frozen=True)
class Remove:
    """A name is gone, of a file or of an empty folder."""

    path: str


Operation = MakeFolder | Open | Write | Sync | SyncFolder | Rename | Remove


@dataclass
class _Descriptors:
    paths: dict[int, str] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)


def operations(calls: list[Call]) -> list[Operation]:
    """What the calls have done; one that failed, or was killed at its entry, has done nothing."""
    opened = _Descriptors()
    return [
        operation
        for call in calls
        if not call.result.startswith(("-1 ", "?"))
        for operation in _operation(call, opened)
    ]


def _operation(call: Call, opened: _Descriptors) -> Iterator[Operation]:
    if call.name in HARMLESS:
        return
    if call.name == "openat":
        yield from _open(call, opened)
    elif call.name in {"write", "fsync", "close"}:
        yield from _use(call, opened)
    else:
        yield _name(call, opened)


def _open(call: Call, opened: _Descriptors) -> Iterator[Operation]:
    (path,), descriptor = _paths(call, opened), int(call.result)
    opened.paths[descriptor] = path
    opened.written.discard(descriptor)
    if "O_WRONLY" in call.arguments or "O_RDWR" in call.arguments:
        if not re.search("O_EXCL|O_TRUNC", call.arguments):
            raise ValueError(f"neither new nor cut: {call}")
        opened.written.add(descriptor)
        yield Open(path, descriptor)


def _use(call: Call, opened: _Descriptors) -> Iterator[Operation]:
    descriptor = int(call.arguments.split(",")[0])
    if call.name == "write":
        (data,) = _texts(call)
        yield Write(descriptor, data[: int(call.result)])
    elif call.name == "fsync":
        if descriptor in opened.written:
            yield Sync(descriptor)
        else:
            yield SyncFolder(opened.paths[descriptor])


def _name(call: Call, opened: _Descriptors) -> Operation:
    paths = _paths(call, opened)
    if call.name == "mkdir":
        return MakeFolder(*paths)
    if call.name == "rename":
        return Rename(*paths)
    if call.name in {"unlink", "unlinkat", "rmdir"}:
        return Remove(*paths)
    raise ValueError(f"not known to be harmless: {call}")


def _paths(call: Call, opened: _Descriptors) -> list[str]:
    start = call.arguments.split(",")[0]
    folder = opened.paths[int(start)] if start.isdecimal() else "/"
    return [str(PurePosixPath(folder, text.decode())) for text in _texts(call)]


def _texts(call: Call) -> list[bytes]:
    return [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(call.arguments)]
