"""Reads files that anybody may have put there: regular ones, and no more of them than can be meant.

Whoever opens a pipe waits for its writer, and a file with holes costs its maker nothing and its
reader all memory.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open `path` to be read, at once.

    Raises `OSError` for what cannot be opened or is no regular file.
    """
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  # Path has no opener
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return stream


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """Return the content of `path`.

    Raises `OSError` as `open_regular` does, and for a file longer than `limit_bytes`.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit_bytes:
            told = f"File too large: {size} bytes, at most {limit_bytes} are read"
            raise OSError(errno.EFBIG, told, str(path))
        return stream.read(limit_bytes)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
