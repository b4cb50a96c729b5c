"""Who owns an output folder, as the file of a lease says, and whether that process is dead."""

import contextlib
import errno
import fcntl
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from job.process import Process, is_gone, this_process
from job.reading import open_regular

LIMIT_BYTES: Final = 2**16
# What opening a file that was removed says, the second on a network volume.
GONE: Final = frozenset({errno.ENOENT, errno.ESTALE})


class Holder(BaseModel):
    """What the file of a lease says."""

    model_config = ConfigDict(frozen=True)

    token: str
    since: str  # UTC, ISO 8601
    process: Process
    device: int  # of the mount, as the holder's kernel numbers it
    locked: bool  # whether the process has a lock on the file, which ends with it
    released: bool = False

    def __str__(self) -> str:
        return f"process {self.process.pid} on {self.process.node} since {self.since}"

    @property
    def content(self) -> bytes:
        """It as the content of the file."""
        return self.model_dump_json(indent=2).encode() + b"\n"


@dataclass(frozen=True)
class Sight:
    """The file as a challenger sees it; `content` is None where it is gone."""

    path: Path
    content: bytes | None
    touched: int = 0

    @cached_property
    def holder(self) -> Holder | None:
        """None where the file says nothing that can be read, or not yet."""
        try:
            return Holder.model_validate_json(self.content or b"")
        except ValidationError:
            return None

    @property
    def is_vacant(self) -> bool:
        """Whether it is certain that nobody writes under it any more."""
        if self.content is None:
            return True
        holder = self.holder
        return holder is not None and (holder.released or _is_dead(holder, self.path))


def look(path: Path) -> Sight:
    """See the file as it is now; opening it asks the server of a network volume."""
    try:
        with open_regular(path) as file:
            return Sight(path, file.read(LIMIT_BYTES), os.fstat(file.fileno()).st_mtime_ns)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return Sight(path, None)


def this_holder(device: int, *, locked: bool) -> Holder:
    """What this process writes into the file, another token each time."""
    return Holder(
        token=secrets.token_hex(8),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        process=this_process(),
        device=device,
        locked=locked,
    )


def lock(path: Path) -> int | None:
    """Keep the descriptor that this returns open for a lock; None where there are no locks.

    Shared and on a descriptor for reading, which hinders nobody who turns the volume read-only.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_dead(holder: Holder, path: Path) -> bool:
    """Whether the process is gone, or its kernel has let go of its lock.

    The lock tells of containers, too, whose process numbers mean nothing outside of them.
    """
    if is_gone(holder.process):
        return True
    same_kernel = holder.process.boot != "" and holder.process.boot == this_process().boot
    return same_kernel and holder.locked and _is_unlocked(path, holder.device)


def _is_unlocked(path: Path, device: int) -> bool:
    """Whether nobody has a lock, seen through the same mount: another may know nothing of it."""
    with contextlib.suppress(OSError), path.open("r+b") as file:
        if os.fstat(file.fileno()).st_dev == device:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
