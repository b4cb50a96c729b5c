"""Lets users of the virtual hosts read what lies in a folder that is closed to them.

A python under a home, or a clone there, cannot be reached by another user. On a virtual host, and
there alone, an empty open folder is laid over the closed one, and what is to be read is put back.
"""

import shlex
import stat
from collections.abc import Sequence
from pathlib import Path


def reopen(readable: Sequence[Path], behind: Path) -> list[str]:
    """Lines of shell that make the folders `readable` reachable for everybody.

    `behind` is a folder that need not exist; the originals are held there meanwhile.
    """
    closed = {path: folder for path in readable if (folder := _outermost_closed(path))}
    held = {path: behind / str(number) for number, path in enumerate(closed)}
    hold = [_line("mkdir -p {0} && mount --bind {1} {0}", held[path], path) for path in closed]
    cover = [_line("mount -t tmpfs -o mode=755 cover {0}", each) for each in {*closed.values()}]
    put_back = [_line("mkdir -p {1} && mount --bind {0} {1}", held[path], path) for path in closed]
    return [*hold, *cover, *put_back]


def _outermost_closed(path: Path) -> Path | None:
    for folder in reversed([path, *path.parents]):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _line(text: str, *paths: Path) -> str:
    return text.format(*(shlex.quote(str(path)) for path in paths))
