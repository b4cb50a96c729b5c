"""Claims about `job.data.download`; failing mirrors and locks are in `test_data_fetch.py`."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from job.data.download import Published, download, locked, refuse_if_stopped, storage_errors
from job.errors import DataError, InterruptedRunError, OutputError
from job.stop import StopFlag
from mirrors import Mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror that has one file of four bytes."""
    (tmp_path / "file").write_bytes(b"data")
    server = Mirror(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def _wanted(mirror: Mirror, limit_bytes: int = 4) -> Published:
    def verify(data: bytes, origin: str) -> None:
        if data != b"data":
            raise DataError(f"{origin} is altered")

    return Published([f"{mirror.address}none", f"{mirror.address}file"], limit_bytes, verify)


def test_first_address_that_has_the_file_gives_it(mirror: Mirror) -> None:
    """An address that fails is passed over."""
    assert download(_wanted(mirror), StopFlag()) == b"data"
    assert list(mirror.requests) == ["none", "file"]


def test_every_failure_is_told(mirror: Mirror) -> None:
    """Not there, too long, not the published one: each with its address."""
    with pytest.raises(DataError, match=r"none: .*404.*\n.*file sends more than 3 bytes"):
        download(_wanted(mirror, limit_bytes=3), StopFlag())

    mirror.replaced["file"] = b"atad"
    with pytest.raises(DataError, match="file is altered"):
        download(_wanted(mirror), StopFlag())


def test_stop_says_what_was_being_done(tmp_path: Path) -> None:
    """So that the reason of the attempt's end is understood."""
    stop = StopFlag()
    refuse_if_stopped(stop, "it was fetched")
    stop.request("SIGUSR1")

    with pytest.raises(InterruptedRunError, match="stopped by SIGUSR1 while it was fetched"):
        refuse_if_stopped(stop, "it was fetched")
    with locked(tmp_path, stop):
        assert (tmp_path / ".fetch.lock").exists()


@pytest.mark.parametrize("error", [OSError("full"), OutputError("full")])
def test_volume_that_cannot_take_the_data_is_a_data_error(error: Exception) -> None:
    """The results have their own volume, and their own exit code."""
    with (
        pytest.raises(DataError, match="here cannot take what is fetched: full"),
        storage_errors(Path("here")),
    ):
        raise error
