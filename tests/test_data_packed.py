"""Claims about `job.data.packed`."""

import gzip
import hashlib

import pytest

from job.data import packed
from job.errors import DataError


def test_published_data_pass_and_others_do_not() -> None:
    """The name, the length and both sums are told."""
    packed.require_md5(b"data", hashlib.md5(b"data").hexdigest(), "here")  # noqa: S324  # as published

    with pytest.raises(DataError, match="here is altered: 5 bytes with MD5") as caught:
        packed.require_md5(b"other", "0" * 32, "here")
    assert "0" * 32 in caught.value.allowed


def test_unpacked_is_what_was_packed() -> None:
    """To the byte, up to the limit."""
    assert packed.unpacked(gzip.compress(b"data"), 4, "here") == b"data"


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", gzip.compress(b"data")[:-1], gzip.compress(bytes(10**8))]
)
def test_torn_data_and_bombs_are_refused(data: bytes) -> None:
    """Where they are from is told."""
    if not data:
        assert packed.unpacked(data, 100, "here") == b""
        return
    with pytest.raises(DataError, match="here "):
        packed.unpacked(data, 100, "here")
