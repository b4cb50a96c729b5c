"""Where an example lies while its loader looks at it."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextlib.contextmanager
def file(name: str, data: bytes) -> Iterator[Path]:
    """A file in a folder of its own, or below it."""
    with folder() as place:
        yield written(place / name, data)


def written(path: Path, data: bytes) -> Path:
    """`path`, with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
