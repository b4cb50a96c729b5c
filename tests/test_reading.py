"""Claims about `job.reading`: neither patience nor memory can be taken from a reader."""

import os
import tracemalloc
from pathlib import Path

import pytest

from job import reading


def test_content_is_returned_up_to_the_limit(tmp_path: Path) -> None:
    """A file of exactly as many bytes is read; nothing is added, nothing cut."""
    path = tmp_path / "file"
    path.write_bytes(b"\x00\r\n\xff")

    assert reading.read_bounded(path, 4) == b"\x00\r\n\xff"
    with reading.open_regular(path) as stream:
        assert stream.read() == b"\x00\r\n\xff"


def test_longer_file_is_refused_unread(tmp_path: Path) -> None:
    """A file with holes claims a terabyte and takes no memory from who refuses it."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match=r"File too large: 1099511627776 bytes, at most 4"):
            reading.read_bounded(path, 4)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_pipe_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    """Opened as usual it would never return."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="Not a regular file"):
        reading.open_regular(tmp_path / "pipe")


def test_endless_device_is_refused() -> None:
    """Its length says 0, and it has no end."""
    with pytest.raises(OSError, match="Not a regular file"):
        reading.read_bounded(Path("/dev/zero"), 4)


@pytest.mark.parametrize(("name", "cause"), [(".", "Is a directory"), ("no", "No such file")])
def test_what_cannot_be_opened_is_told_as_usual(tmp_path: Path, name: str, cause: str) -> None:
    """The system's own words."""
    with pytest.raises(OSError, match=cause):
        reading.read_bounded(tmp_path / name, 4)
